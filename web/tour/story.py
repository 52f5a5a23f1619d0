"""The nine steps in order, and what becomes of each."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from web.tour import buying, figures, publishing, review, rooms
from web.tour.checks import Failed
from web.tour.client import Unreachable
from web.tour.stage import CAST, Stage


@dataclass
class Seen:
    """One step: what it saw, line by line, and when it failed what was expected instead."""

    n: int
    title: str
    ok: bool = True
    saw: list[str] = field(default_factory=list)
    seconds: float = 0.0
    expected: str | None = None


Step = Callable[[Stage], None]


def open_the_house(stage: Stage) -> None:
    """Everybody logs in and opens the app, what an interrupted tour left is put away, and the figures are noted.

    Opened before the figures are noted: who of the cast was active on this day already, with a browser, changes nothing.
    """
    stage.enter()
    stage.tidy()
    stage.open_app()
    stage.before = figures.now(stage)
    stage.stock()
    stage.saw(f"{len(stage.people)} synthetic accounts logged in; one pot and two spare ones in stock")
    publishing.pass_the_gate(stage)


STEPS: tuple[tuple[str, Step], ...] = (
    ("A creator passes the gate and publishes a product note", open_the_house),
    ("The note is found by meaning and reaches a stranger; a mere display does not", publishing.is_found),
    ("A room goes live and its stream plays", rooms.go_live),
    ("Two viewers hear the same, in order", rooms.watch_together),
    ("Two buy the last unit at once", buying.race),
    ("A cut connection resumes without loss", rooms.lose_the_line),
    ("Paid is kept, unpaid comes back", buying.settle),
    ("A moderator hides the note, and takes it back", review.hide_and_undo),
    ("The figures know what the tour did", figures.count),
)


def play(url: str, tell: Callable[[Seen], None] = lambda seen: None) -> tuple[list[Seen], list[str]]:
    """Play the story against the server at `url`, up to the first step that fails.

    `tell` hears of each step when it is over. The second answer is what could not be put away again; empty is right.
    Raises `Unreachable` when no server is there at all.
    """
    seen: list[Seen] = []
    stage = Stage(url, lambda line: seen[-1].saw.append(line))
    try:
        for n, (title, step) in enumerate(STEPS, 1):
            seen.append(Seen(n, title))
            _take(step, stage, seen[-1])
            tell(seen[-1])
            if not seen[-1].ok:
                break
    finally:
        left = _put_away(stage)
    return seen, left


def _take(step: Step, stage: Stage, seen: Seen) -> None:
    since = time.monotonic()
    try:
        step(stage)
    except Failed as failure:
        seen.ok, seen.expected = False, f"{failure.what}: {failure.expected}"
        seen.saw.append(failure.seen)
    except Unreachable as gone:
        if seen.n == 1 and not stage.people:
            raise
        seen.ok, seen.expected = False, "the server answers"
        seen.saw.append(str(gone))
    except (KeyError, IndexError, TypeError, ValueError) as surprise:
        seen.ok, seen.expected = False, "answers in the documented form"
        seen.saw.append(f"{type(surprise).__name__}: {surprise}, at {_where(surprise)}")
    seen.seconds = round(time.monotonic() - since, 2)


def _where(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _put_away(stage: Stage) -> list[str]:
    """Clean up whatever happened; what could not be, in words."""
    try:
        if len(stage.people) == len(CAST):
            stage.tidy()
    except (Failed, Unreachable, KeyError, TypeError, ValueError) as failure:
        return [str(failure)]
    finally:
        stage.leave()
    return []
