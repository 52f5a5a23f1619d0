"""Progress on long work: a line that moves on a terminal, a line now and then elsewhere; always on stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType


class Progress:
    """`step(name, done, of)`; shows the time left after two seconds of a step. Of a step that is over within `quiet`
    seconds nothing is said."""

    def __init__(self, quiet: float = 0.0) -> None:
        self._terminal = sys.stderr.isatty()
        self._quiet = quiet
        self._name, self._since, self._shown = "", 0.0, 0.0

    def step(self, name: str, done: int, of: int) -> None:
        """Say how far a step is; cheap enough to be called for every batch."""
        now = time.monotonic()
        if name != self._name:
            self._name, self._since, self._shown = name, now, 0.0
        if now - self._since < self._quiet:
            return
        finished = done >= of
        if not finished and now - self._shown < (0.2 if self._terminal else 5):
            return
        self._shown = now
        line = f"{name}: {done:,} of {of:,}{self._left(now, done, of)}"
        sys.stderr.write(f"\r\x1b[K{line}" if self._terminal else f"{line}\n")
        sys.stderr.flush()

    def count(self, name: str, done: int) -> None:
        """Say how much is done where nobody knows of how much."""
        now = time.monotonic()
        if name == self._name and now - self._shown < (0.2 if self._terminal else 5):
            return
        self._name, self._shown = name, now
        sys.stderr.write(f"\r\x1b[K{name}: {done:,}" if self._terminal else f"{name}: {done:,}\n")
        sys.stderr.flush()

    def _left(self, now: float, done: int, of: int) -> str:
        spent = now - self._since
        if done >= of:
            return f", {spent:.1f} s"
        return f", about {spent / done * (of - done):.0f} s left" if done and spent > 2 else ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal and self._name:
            sys.stderr.write("\n")
