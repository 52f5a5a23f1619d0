"""A slice of the demo, loaded as `offshelf demo` loads the whole: what it leaves behind adds up, and can be used."""

from __future__ import annotations

import io
import os
import select
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import func, text
from sqlalchemy import select as sql

from accounts.schemas import ProfileEdit
from demo.load import SHARES, load
from demo.people import ADMIN, APPROVED_CREATORS, CREATOR_AT_GATE, DEMO_PASSWORD, GATE, VIEWERS
from demo.posts import DAYS, ZONE
from demo.progress import Progress
from kernel.actor import Actor
from kernel.clock import SystemClock, business_day
from kernel.config import Settings
from kernel.jobs import JobRow
from kernel.ports import KeyValue
from metrics import DailyQuery
from moderation.schemas import CaseQuery, PageQuery
from search.schemas import SearchQuery
from shop.models import Order, StockMove
from tests.e2e.served import environ_of, outlived, watched
from web.app import Services, build_services, create_app, open_engines
from web.migrate import upgrade

ROOT = Path(__file__).parents[2]
SCALE = 0.06
PATIENCE = 150.0


COMMUNITY = (
    "SELECT handle, name, avatar, followers, following, created_at FROM accounts ORDER BY handle",
    "SELECT v.title, v.pictures ->> '$[0].name', n.status, n.likes, n.saves, n.comments, n.published_at"
    " FROM notes n JOIN note_versions v ON v.note_id = n.id ORDER BY n.published_at, v.title",
    "SELECT status, total, channel, placed_at, paid_at, ended_at FROM orders ORDER BY placed_at, total",
    "SELECT day, metric, channel, population, amount FROM day_sums ORDER BY 1, 2, 3, 4",
    "SELECT round(quality, 4), exposures, round(responses, 4) FROM feed_candidates ORDER BY published_at",
)


def community(folder: Path) -> list[list[tuple[Any, ...]]]:
    """What a load made, without its ids."""
    with closing(sqlite3.connect(folder / "offshelf.db")) as connection:
        return [connection.execute(statement).fetchall() for statement in COMMUNITY]


@dataclass
class Loaded:
    """A slice that was loaded into a folder of its own, and opened again as a server does."""

    counts: dict[str, Any]
    said: str
    made: list[list[tuple[Any, ...]]]
    today: date
    services: Services
    app: Any

    @property
    def days(self) -> tuple[date, date]:
        return self.today - timedelta(days=DAYS), self.today - timedelta(days=1)

    def actor(self, handle: str) -> Actor:
        account_id = self.services.accounts.find_by_handle(handle)
        assert account_id is not None
        return self.services.accounts.actor(account_id)

    def stranger(self) -> Actor:
        actor = self.services.accounts.device_actor(self.services.accounts.new_device())
        assert actor is not None
        return actor

    def rows(self, statement: str) -> list[Any]:
        with self.services.worker.db.read() as session:
            return list(session.execute(text(statement)).all())


@contextmanager
def opened(folder: Path, kv: KeyValue) -> Iterator[Loaded]:
    settings = Settings(data=folder, encoder="hash", secret="s" * 40, demo=True, rate_limits=False)
    upgrade(settings.sql_url)
    out = io.StringIO()
    today = business_day(SystemClock().now(), ZONE)
    counts = load(settings, Progress(SHARES, out), scale=SCALE)
    made = community(folder)
    engines = open_engines(settings, kv=kv)
    services = build_services(settings, engines)
    try:
        yield Loaded(counts, out.getvalue(), made, today, services, create_app(settings, engines, services))
    finally:
        engines.close(keep_kv=True)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, shared_kv: KeyValue) -> Iterator[Loaded]:
    with opened(tmp_path_factory.mktemp("demo"), shared_kv) as loaded:
        yield loaded


def test_every_figure_of_the_thirty_days_equals_its_recount(demo: Loaded) -> None:
    first, last = demo.days
    assert demo.services.metrics.recount(first, last) == []
    query = DailyQuery.model_validate({"metrics": "dau,dab,gmv", "from": first, "to": last})
    daily = demo.services.metrics.daily(demo.actor(ADMIN), query)
    assert len(daily.days) == DAYS
    assert all(day.figures["dau"] > 0 for day in daily.days)
    assert sum(day.figures["gmv"] for day in daily.days) > 0
    query = query.model_copy(update={"population": "synthetic"})
    assert demo.services.metrics.daily(demo.actor(ADMIN), query).period["dau"] == 0


def test_what_people_did_is_counted_as_it_is_on_any_other_day(demo: Loaded) -> None:
    _, last = demo.days
    assert demo.services.metrics.recount(last - timedelta(days=398), last + timedelta(days=1)) == []
    told = (
        "SELECT source, person || ':' || name || ':' || channel || ':' || target || ':%' FROM metric_events WHERE name "
    )
    acts = demo.rows(told + "IN ('note.liked', 'note.saved', 'note.commented', 'account.followed', 'note.submitted')")
    assert all(source.startswith(made[:-1]) for source, made in acts)
    ((likes,),) = demo.rows("SELECT count(*) FROM note_likes")
    ((counted,),) = demo.rows("SELECT count(*) FROM metric_events WHERE name = 'note.liked'")
    assert counted == likes > 0


def test_stock_adds_up_and_the_ledger_says_the_same(demo: Loaded) -> None:
    services = demo.services
    products = services.products.all_ids(limit=500)
    skus = [sku for found in services.products.sku_ids(products).values() for sku in found]
    levels = services.products.levels(skus)
    with services.worker.db.read() as session:
        moved = Counter(
            {
                (sku_id, kind): quantity
                for sku_id, kind, quantity in session.execute(
                    sql(StockMove.sku_id, StockMove.kind, func.sum(StockMove.quantity)).group_by(
                        StockMove.sku_id, StockMove.kind
                    )
                )
            }
        )
    assert len(levels) == demo.counts["skus"]
    for sku_id, level in levels.items():
        assert level.received == level.available + level.reserved + level.sold + level.removed
        assert level.received == moved[sku_id, "received"]
        assert level.sold == moved[sku_id, "sold"] - moved[sku_id, "returned"]
        assert level.reserved == 0
        assert level.available >= 0


def test_orders_were_paid_closed_and_cancelled_and_none_is_open(demo: Loaded) -> None:
    with demo.services.worker.db.read() as session:
        found = session.execute(sql(Order.status, func.count()).group_by(Order.status)).all()
    by_status: dict[str, int] = dict(found)  # type: ignore[arg-type]
    assert set(by_status) == {"paid", "closed", "cancelled"}
    assert sum(by_status.values()) == demo.counts["orders"]
    assert by_status["paid"] > by_status["closed"] > 0


def test_no_job_is_left_but_the_sweep_of_the_live_room(demo: Loaded) -> None:
    with demo.services.worker.db.read() as session:
        assert [job.name for job in session.scalars(sql(JobRow))] == ["live.sweep"]


def test_counters_equal_what_they_count(demo: Loaded) -> None:
    for table, counter in (("note_likes", "likes"), ("note_saves", "saves")):
        wrong = f"SELECT id FROM notes WHERE {counter} != (SELECT count(*) FROM {table} t WHERE t.note_id = notes.id)"
        assert demo.rows(wrong) == []
    shown = (
        "SELECT count(*) FROM metric_events e WHERE e.target = c.note_id AND name = 'impression' AND channel = 'feed'"
    )
    assert demo.rows(f"SELECT note_id FROM feed_candidates c WHERE exposures != ({shown})") == []
    assert demo.rows("SELECT count(*) FROM note_likes")[0][0] > 50


def test_strangers_get_full_feeds_with_all_three_kinds_of_card(demo: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a seed draws changes with the hours, for what is fresh gets older, and the room has no right to one of the few
    commercial places: one in eight strangers is not shown it on the first two pages. Of twelve, all would be unlucky."""
    rooms = 0
    for seed in range(12):
        monkeypatch.setattr(demo.services.feed, "_random", lambda seed=seed: Random(seed))
        stranger = demo.stranger()
        page = demo.services.feed.page(stranger, None, 20)
        assert len(page.items) == 20
        more = demo.services.feed.page(stranger, page.next_cursor, 20)
        items = [*page.items, *more.items]
        kinds = Counter("room" if i["kind"] == "room" else "product" if i["commercial"] else "note" for i in items)
        assert kinds["note"] > 10
        assert kinds["product"] >= 1
        assert kinds["room"] <= 1
        assert all(item["cover"] for item in items)
        rooms += kinds["room"]
    assert rooms


def test_covers_and_avatars_are_served(demo: Loaded) -> None:
    client = demo.app.test_client()
    card = next(i for i in demo.services.feed.page(demo.stranger(), None, 20).items if i["kind"] == "note")
    for url in (card["cover"]["url"], card["author"]["avatar"]):
        with client.get(url) as response:
            assert (response.status_code, response.content_type) == (200, "image/webp")


def test_a_picture_that_is_replaced_is_no_orphan(demo: Loaded) -> None:
    ((handle,),) = demo.rows(
        "SELECT min(handle) FROM accounts WHERE avatar IS NOT NULL GROUP BY avatar ORDER BY count(*) LIMIT 1"
    )
    before = demo.services.uploads.audit()
    assert (before.unnamed, before.missing) == ([], [])
    for (one,) in demo.rows(
        f"SELECT handle FROM accounts WHERE avatar = (SELECT avatar FROM accounts WHERE handle = '{handle}')"
    ):
        actor = demo.actor(one)
        seen = str(demo.services.accounts.me(actor).version)
        demo.services.accounts.edit(actor, ProfileEdit(avatar=None), seen)
    after = demo.services.uploads.audit()
    assert (after.unnamed, after.missing, after.files) == ([], [], before.files)


def test_the_room_is_on_air_with_its_shelf_a_pinned_product_and_chat(demo: Loaded) -> None:
    (room_id,) = demo.services.directory.live_ids()
    room = demo.services.directory.get(demo.stranger(), room_id)
    assert len(room.shelf) >= 5
    assert room.pinned in room.shelf
    assert room.state["pinned"] == room.pinned
    assert len(demo.services.chat.recent(demo.stranger(), room_id)) >= 10


def test_search_finds_notes_products_and_the_room_in_two_languages(demo: Loaded) -> None:
    services = demo.services
    assert demo.counts["documents"] == demo.counts["served"] + demo.counts["products"]
    assert services.search.index.fresh
    titles = {kind: _a_title(demo, kind) for kind in ("en", "zh")}
    for title in titles.values():
        found = services.search.search(demo.stranger(), SearchQuery(q=title)).items
        assert title in [item["title"] for item in found[:5]]
    assert "room" in [i["kind"] for i in services.search.search(demo.stranger(), SearchQuery(q="linen hour")).items]


def _a_title(demo: Loaded, language: str) -> str:
    """The title of a note that is public."""
    ids = [note_id for _, note_id in demo.services.notes.public_ids(None, 500)]
    titles = [content.title for content in demo.services.notes.contents(ids).values()]
    return next(t for t in titles if (max(t) > "\u4e00") == (language == "zh") and len(t) > 6)


def test_named_people_log_in_and_nobody_else_can(demo: Loaded) -> None:
    client = demo.app.test_client()
    crowd = demo.rows("SELECT handle FROM accounts WHERE password_hash IS NULL LIMIT 1")[0][0]
    for handle, status in ((VIEWERS[0], 201), (CREATOR_AT_GATE, 201), (crowd, 401)):
        body = {"handle": handle, "password": DEMO_PASSWORD}
        assert client.post("/api/v1/sessions", json=body).status_code == status


def test_five_creators_are_past_the_gate_and_one_is_a_follower_short(demo: Loaded) -> None:
    services = demo.services
    for handle in APPROVED_CREATORS:
        actor = demo.actor(handle)
        assert actor.has("creator")
        with services.worker.db.read() as session:
            assert services.applications.approved(session, actor.require_account())
    short = demo.actor(CREATOR_AT_GATE)
    assert services.accounts.profile(short, short.require_account()).followers == GATE
    assert not short.has("creator")
    query = "SELECT count(*) FROM follows WHERE followee_id = :id"
    assert demo.rows(query.replace(":id", f"'{short.account_id}'"))[0][0] == GATE


def test_what_people_reported_waits_in_the_queue(demo: Loaded) -> None:
    cases = demo.services.moderation.cases(demo.actor("moderator"), CaseQuery()).items
    assert sum(case.reports for case in cases) == demo.counts["reports"] > 0
    assert all(case.target is not None for case in cases)


def test_what_screening_held_waits_too_and_one_case_is_decided(demo: Loaded) -> None:
    moderator, service = demo.actor("moderator"), demo.services.moderation
    waiting = service.cases(moderator, CaseQuery(limit=100)).items
    held = [case for case in waiting if service.case(moderator, case.id).hits]
    assert {case.kind for case in held} == {"note", "comment"}
    assert 5 <= len(held) <= 9
    assert len({case.risk for case in held}) >= 3
    assert len({case.opened_at[:10] for case in held}) >= 3
    reached = "SELECT likes + saves + comments FROM notes WHERE id = '{}'"
    reported = [case for case in waiting if case.reports]
    assert all(case.reach == demo.rows(reached.format(case.target_id))[0][0] for case in reported)
    assert waiting == sorted(waiting, key=lambda case: -case.priority)
    (decided,) = service.cases(moderator, CaseQuery(status="closed")).items
    assert [action.action for action in service.case(moderator, decided.id).actions] == ["reject"]
    assert "case.reject" in [line.what for line in service.audit(moderator, PageQuery()).items]
    assert demo.rows("SELECT count(*) FROM notices WHERE kind = 'content.acted'")[0][0] == 1


def test_progress_names_every_stage_and_ends_with_a_summary(demo: Loaded) -> None:
    lines = demo.said.splitlines()
    assert {line.removeprefix("Loading the demo: ").split(",")[0] for line in lines[:-1]} == set(SHARES)
    assert lines[-1].startswith("The demo is loaded: 1,204 accounts, 10,000 follows, ")


# -- interrupted --------------------------------------------------------------------------------------------------

LOAD_A_SLICE = """
import functools, sys
if __name__ == "__main__":
    import demo.load
    from kernel.config import Settings
    from pathlib import Path
    from web.loading import load_demo
    demo.load.load = functools.partial(demo.load.load, scale=float(sys.argv[2]))
    load_demo(Settings(data=Path(sys.argv[1]), encoder="hash", demo=True), reset=False)
"""


def begin(program: Path, folder: Path) -> subprocess.Popen[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(program), str(folder), str(SCALE)]
    return subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the children in /proc")
def test_a_load_killed_in_the_middle_leaves_no_process_and_starts_over_to_the_same_community(
    demo: Loaded, tmp_path: Path
) -> None:
    program = tmp_path / "load_a_slice.py"
    program.write_text(LOAD_A_SLICE)
    data = tmp_path / "data"
    with begin(program, data) as killed:
        assert killed.stderr is not None
        assert any("products" in line for line in killed.stderr)
        children = Path(f"/proc/{killed.pid}/task/{killed.pid}/children").read_text().split()
        watched = [os.pidfd_open(int(child)) for child in children]
        assert len(watched) >= 2
        killed.send_signal(signal.SIGKILL)
        for descriptor in watched:
            assert select.select([descriptor], [], [], PATIENCE)[0], "a child outlives the load"
            os.close(descriptor)
    assert (data / "demo.loading").exists()
    with begin(program, data) as second:
        _, said = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, said
    assert "The demo is loaded" in said
    assert community(data) == demo.made
    assert ((data / "demo.loaded").exists(), (data / "demo.loading").exists()) == (True, False)
    with begin(program, data) as third:
        assert third.communicate(timeout=PATIENCE)[1] == ""


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the children in /proc")
@pytest.mark.parametrize(("how", "ignored"), [(signal.SIGINT, []), (signal.SIGTERM, [signal.SIGINT])])
def test_a_demo_interrupted_while_it_loads_ends_cleanly_and_takes_everything_along(
    tmp_path: Path, how: signal.Signals, ignored: list[signal.Signals]
) -> None:
    """What a script puts into the background ignores SIGINT, and so does what that starts."""

    def put_into_background() -> None:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)

    environ, pipe = environ_of(tmp_path, ENCODER="hash"), subprocess.PIPE
    command = [sys.executable, "-m", "web.cli", "demo", "--port", "0"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=pipe, stderr=pipe, text=True, preexec_fn=put_into_background
    ) as asked:
        assert asked.stderr is not None
        assert any("accounts" in line for line in asked.stderr)
        family = watched(asked.pid)
        assert len(family) >= 2, "the load, and its Valkey"
        asked.send_signal(how)
        out, said = asked.communicate(timeout=PATIENCE)
    assert (asked.returncode, out) == (130, "")
    assert "leaked" not in said
    assert "Traceback" not in said
    assert outlived(family) == []
    assert (tmp_path / "demo.loading").exists()
