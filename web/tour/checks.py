"""What a step expects of the world, and how it says that the world is otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any, TypeVar

T = TypeVar("T")
EVERY = 0.05  # between two looks at something that no event tells of
MOST = 600  # characters of what was seen that a failure prints


class Failed(Exception):
    """A step saw something else than it should have."""

    def __init__(self, what: str, expected: object, seen: object) -> None:
        self.what, self.expected, self.seen = what, str(expected), str(seen)[:MOST]
        super().__init__(f"{what}: expected {self.expected}, saw {self.seen}")


def same(what: str, seen: T, expected: object) -> T:
    """Go on only when `seen` equals `expected`."""
    if seen != expected:
        raise Failed(what, repr(expected), repr(seen))
    return seen


def holds(what: str, true: object, expected: str, seen: object) -> None:
    """Go on only when `true` is."""
    if not true:
        raise Failed(what, expected, seen)


def one(what: str, found: Collection[T], among: object) -> T:
    """The only member."""
    if len(found) != 1:
        raise Failed(what, "exactly one", f"{len(found)} in {among}")
    return next(iter(found))


def until(what: str, look: Callable[[], T | None], seconds: float, last: Callable[[], Any] = lambda: "nothing") -> T:
    """Look until there is something, for what no event tells of; `Failed` after `seconds`."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise Failed(what, f"within {seconds:g} s", last())
        time.sleep(EVERY)
    return found
