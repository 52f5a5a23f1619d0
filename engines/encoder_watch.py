"""An encoder that fails or hangs costs nobody more than a few seconds: search goes by words meanwhile.

Whoever is at work when it happens waits `PATIENCE` seconds at most, everybody after that for nothing, until the call that
hangs has come back, or until `AGAIN` seconds after a failure the next one tries.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from engines.offloop import native_lock, native_thread
from kernel.errors import Unavailable

log = logging.getLogger("offshelf.encoder")
T = TypeVar("T")
PATIENCE = 10.0
"""Seconds for one text, or for opening the model, which takes half a second and, on a busy machine, several."""
BATCH_PATIENCE = 300.0
"""The same where nobody waits for an answer (a rebuild, a demo that loads): a machine that is busy for a while costs no whole run."""
AGAIN = 2.0


class Watch:
    """Runs calls in native threads of their own, because nothing else can be left behind when it hangs."""

    def __init__(self, patience: float = PATIENCE, again: float = AGAIN) -> None:
        """`patience` in seconds, and for how many nobody tries `again` after a failure."""
        self._patience, self._again = patience, again
        self._hanging: _Call[Any] | None = None
        self._rests_until = 0.0
        self._away = False

    def run(self, fn: Callable[[], T]) -> T:
        """What `fn` gives. Raises Unavailable (`encoder.unavailable`) when it fails or hangs; its own Unavailable stays."""
        if (self._hanging and self._hanging.runs) or time.monotonic() < self._rests_until:
            raise _unavailable()
        call = _Call(fn)
        native_thread(call.run)
        if not call.ended(self._patience):
            self._hanging = call
            raise self._given_up(f"no answer in {self._patience:g} seconds") from None
        if isinstance(call.error, Unavailable):
            raise call.error
        if call.error is not None:
            self._rests_until = time.monotonic() + self._again
            raise self._given_up(f"{type(call.error).__name__}: {call.error}") from call.error
        if self._away:
            self._away = False
            log.warning("the encoder answers again")
        return call.value[0]

    def _given_up(self, why: str) -> Unavailable:
        if not self._away:
            self._away = True
            log.warning("the encoder does not answer (%s); search goes by words alone", why)
        return _unavailable()


class _Call(Generic[T]):
    def __init__(self, fn: Callable[[], T]) -> None:
        self._fn, self._busy = fn, native_lock()
        self._busy.acquire()
        self.value: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.value.append(self._fn())
        except BaseException as error:
            self.error = error
        finally:
            self._busy.release()

    @property
    def runs(self) -> bool:
        return self._busy.locked()

    def ended(self, patience: float) -> bool:
        return self._busy.acquire(timeout=patience)


def _unavailable() -> Unavailable:
    sentence = "The encoder does not answer at the moment; search goes by words alone."
    return Unavailable("encoder.unavailable", sentence, retry_after=AGAIN)
