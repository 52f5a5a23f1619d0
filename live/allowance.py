"""How many frames somebody may send: one budget for all the connections of a person, and one for those of an address on
which nobody is known. Kept by this process, for the connections it has."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.errors import TooMany

WINDOW = 10.0
FRAMES, FRAMES_OF_NOBODIES = 100, 1000
"""A person's in `WINDOW` seconds, and an address's: many viewers may watch from behind one."""


@dataclass
class _Window:
    since: float
    used: int = 0


class FrameAllowance:
    """`limit_addresses` is off where one machine plays a whole audience."""

    def __init__(self, limit_addresses: bool = True) -> None:
        self.limit_addresses = limit_addresses
        self._windows: dict[str, _Window] = {}

    def spend(self, who: str, now: float, person: bool) -> None:
        """Count a frame of this person or address; `rate.limited` when there were too many."""
        limit = FRAMES if person else FRAMES_OF_NOBODIES
        window = self._windows.get(who)
        if window is None or now - window.since >= WINDOW:
            window = self._windows[who] = _Window(now)
        window.used += 1
        if window.used > limit and (person or self.limit_addresses):
            wait = max(0.0, WINDOW - (now - window.since))
            raise TooMany("rate.limited", f"At most {limit} frames in {WINDOW:g} seconds.", retry_after=wait)

    def forget(self, now: float) -> None:
        """Drop what is over."""
        self._windows = {who: one for who, one in self._windows.items() if now - one.since < WINDOW}
