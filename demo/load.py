"""Writes the demo's plan through the services: a frozen clock, large commits, pictures and vectors beside them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from demo import load_activity, load_content, load_people, load_room
from demo.load_pictures import Pictures
from demo.plan import SEED, make_plan
from demo.posts import ZONE
from demo.progress import Progress
from demo.writer import Writer
from kernel.clock import FrozenClock, SystemClock, business_day
from kernel.config import Settings
from kernel.db import Write, in_chunks
from kernel.facts import Fact, Reaction
from metrics import Event, NoteOpened
from notes import NoteCommented, NoteLiked, NoteSaved

if TYPE_CHECKING:
    from web.services import Services

PICTURES, SEARCH = "pictures", "search index"
# Seconds each stage takes when nothing else runs; what the time left is guessed from.
SHARES = {
    PICTURES: 10.0,
    load_people.ACCOUNTS: 1.0,
    load_people.FOLLOWS: 3.0,
    load_content.PRODUCTS: 1.0,
    load_content.NOTES: 5.0,
    load_content.COMMENTS: 1.0,
    load_activity.ACTIVITY: 15.0,
    SEARCH: 26.0,
    load_room.ROOM: 0.5,
}
# What these mean for tastes and scores is counted a day at a time (`Candidates.absorb`).
_ABSORBED = (NoteLiked, NoteSaved, NoteCommented, NoteOpened)


def load(
    settings: Settings, progress: Progress | None = None, *, scale: float = 1.0, seed: int = SEED
) -> dict[str, Any]:
    """Fill an empty database, blob store and index with the demo of today; counts, and seconds by stage.

    The schema and the exported encoder must be there. ``scale`` below 1 loads that share of it, for tests.
    """
    from web.app import build_services, open_engines
    from web.reactions import table

    began, now = time.monotonic(), SystemClock().now()
    progress = progress or Progress(SHARES)
    plan = make_plan(seed, today=business_day(now, ZONE), scale=scale)
    clock = FrozenClock(now)
    with contextlib.ExitStack() as closing:
        engines = open_engines(settings, clock, batch=True)
        closing.callback(engines.close)
        engines.streams = load_room.NoStream(settings.data / "live")
        services = build_services(settings, engines)
        present = engines.db.reactions.table
        acts: list[Event] = []
        engines.db.reactions.table = _of_the_past(table(services), acts)
        pictures = Pictures(services.media, plan, lambda: progress.step(PICTURES))
        closing.callback(pictures.close)
        progress.begin(PICTURES, pictures.total)
        writer = Writer(plan, services, engines.db, clock, pictures, progress)
        load_people.write_people(writer)
        load_content.write_products(writer)
        load_room.open_rooms(writer)
        load_content.write_notes(writer)
        filling = _fill_index(services, progress, len(writer.notes) + len(writer.products), closing)
        load_content.write_talk(writer)
        events, orders = load_activity.ActivityWriter(writer, engines.payments).write()
        load_content.write_reports(writer)
        clock.move_to(now)
        _count_acts(services, acts)
        services.candidates.rescore_all()
        services.metrics.seal()
        engines.db.reactions.table = present
        load_room.go_on_air(writer, now)
        documents = filling.result()
        services.worker.run_until_idle()
        counts = {**plan.counts(), "events": events, "orders": orders, "documents": documents}
    seconds = time.monotonic() - began
    progress.end(f"The demo is loaded: {_told(counts)}, in {seconds:.0f} s.")
    return {**counts, "served": len(writer.notes), "seconds": {**progress.seconds(), "all": round(seconds, 2)}}


def _of_the_past(table: Mapping[type[Fact], Reaction], acts: list[Event]) -> dict[type[Fact], Reaction]:
    """What follows from the past: everything within its commit; nothing is told, and no job is left for today,
    because screening, candidates and index are done here for many at once, and so are `acts`, which are kept until then."""
    from web.acts import counted

    past = {
        fact: Reaction() if fact in _ABSORBED else Reaction(within=reaction.within) for fact, reaction in table.items()
    }
    return counted(past, lambda tx, act: acts.append(act.event(tx.now, synthetic=False)))


def _count_acts(services: Services, acts: list[Event]) -> None:
    """Count what was kept, a few thousand in a commit: whoever of them is a program or staff is known now."""

    def write(tx: Write, some: Sequence[Event]) -> None:
        synthetic = services.accounts.no_persons(tx.session, (act.person for act in some))
        services.metrics.record(tx, [replace(act, synthetic=act.person in synthetic) for act in some])

    for chunk in in_chunks(acts, 2000):
        services.metrics.db.write(lambda tx, chunk=chunk: write(tx, chunk))  # type: ignore[misc]


class _Stopped(Exception):
    """The load ended before the index was filled."""


def _fill_index(services: Services, progress: Progress, total: int, closing: contextlib.ExitStack) -> Future[int]:
    """Fill the index in a thread of its own while the activity is written; encoding lets the other core work."""
    stopped, done = threading.Event(), dict[str, int]()

    def told(kind: str, count: int) -> None:
        if stopped.is_set():
            raise _Stopped
        progress.step(SEARCH, count - done.get(kind, 0))
        done[kind] = count

    thread = ThreadPoolExecutor(1, "search")
    closing.callback(thread.shutdown)
    closing.callback(stopped.set)
    progress.begin(SEARCH, total)
    return thread.submit(services.search.rebuild, told)


def _told(counts: dict[str, int]) -> str:
    names = ("accounts", "follows", "products", "notes", "comments", "events", "orders")
    return ", ".join(f"{counts[name]:,} {name}" for name in names)
