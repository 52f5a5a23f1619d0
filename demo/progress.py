"""How far a load has come: one line that changes in a terminal, a line per stage elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TextIO

_EVERY = 0.2
_CERTAIN = 0.05
"""The share of the work after which a guess of the time left is worth showing."""


@dataclass
class Stage:
    """``share`` is the stage's usual time beside the others'."""

    share: float
    total: int = 1
    done: int = 0
    began: float | None = None
    seconds: float = 0.0

    @property
    def running(self) -> bool:
        return self.began is not None and self.done < self.total


@dataclass
class Progress:
    """Stages may run side by side and be stepped from several threads."""

    shares: Mapping[str, float]
    out: TextIO = field(default_factory=lambda: sys.stderr)

    def __post_init__(self) -> None:
        self.stages = {name: Stage(share) for name, share in self.shares.items()}
        self._began = self._shown = time.monotonic()
        self._lock = threading.Lock()

    def begin(self, name: str, total: int) -> None:
        """A stage starts, with so many things to do."""
        with self._lock:
            stage = self.stages[name]
            stage.total, stage.began = max(1, total), time.monotonic()
            if total == 0:
                self._finish(name)
            self._show(at_once=True)

    def step(self, name: str, count: int = 1) -> None:
        """So many more are done."""
        with self._lock:
            stage = self.stages[name]
            before, stage.done = stage.done, min(stage.total, stage.done + count)
            if stage.done == stage.total and before < stage.total:
                self._finish(name)
            self._show(at_once=stage.done == stage.total)

    def end(self, summary: str) -> None:
        """Everything is done."""
        with self._lock:
            self.out.write(f"{self._erase()}{summary}\n")
            self.out.flush()

    def seconds(self) -> dict[str, float]:
        """How long each stage took; they overlap."""
        return {name: round(stage.seconds, 2) for name, stage in self.stages.items()}

    def left(self) -> float | None:
        """Seconds that remain, as far as one can tell."""
        whole = sum(stage.share for stage in self.stages.values())
        done = sum(stage.share * stage.done / stage.total for stage in self.stages.values()) / whole
        spent = time.monotonic() - self._began
        return None if done < _CERTAIN else spent * (1 - done) / done

    def _finish(self, name: str) -> None:
        stage = self.stages[name]
        stage.done = stage.total
        stage.seconds = time.monotonic() - (stage.began or self._began)
        if not self.out.isatty():
            self.out.write(f"Loading the demo: {name}, {stage.total:,} in {stage.seconds:.1f} s\n")
            self.out.flush()

    def _show(self, at_once: bool) -> None:
        now = time.monotonic()
        if not self.out.isatty() or (not at_once and now - self._shown < _EVERY):
            return
        self._shown = now
        running = [f"{name} {s.done:,} of {s.total:,}" for name, s in self.stages.items() if s.running]
        left = self.left()
        guess = "" if left is None else f" \N{MIDDLE DOT} about {left:.0f} s left"
        self.out.write(f"{self._erase()}Loading the demo: {', '.join(running) or 'almost there'}{guess}")
        self.out.flush()

    def _erase(self) -> str:
        return "\r\x1b[K" if self.out.isatty() else ""
