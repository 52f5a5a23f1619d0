"""A key-value store that is away costs nobody time: it is asked again in the background, and rates are counted here meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from kernel.errors import Unavailable
from kernel.ports import Allowance, KeyValue

log = logging.getLogger(__name__)
T = TypeVar("T")
AGAIN = 0.25  # seconds between two questions whether a store that was away is back
WINDOWS = 50_000  # windows counted here at most; beyond, the oldest are forgotten


class BreakerKeyValue:
    """A circuit breaker before a `KeyValue`. The first call that is not answered opens it; then every call is refused at
    once (`kv.unavailable`), until a ping in the background is answered. Whoever is at work when the store goes away waits
    for the store's own timeouts, everybody after that for nothing.

    Only `spend` goes on: each process then holds the same limit for itself, so that n processes allow up to n times as much.
    """

    def __init__(self, store: KeyValue) -> None:
        self.store = store
        self.away = False
        self._turn = threading.Lock()
        self._closing = threading.Event()
        self._windows = LocalWindows()

    def get(self, key: str) -> bytes | None:
        return self._ask(lambda: self.store.get(key))

    def set(self, key: str, value: bytes, ttl: float | None = None) -> None:
        self._ask(lambda: self.store.set(key, value, ttl))

    def delete(self, *keys: str) -> None:
        self._ask(lambda: self.store.delete(*keys))

    def spend(self, key: str, limit: int, window: float) -> Allowance:
        try:
            return self._ask(lambda: self.store.spend(key, limit, window))
        except Unavailable:
            return self._windows.spend(key, limit, window)

    def lease(self, key: str, member: str, ttl: float) -> None:
        self._ask(lambda: self.store.lease(key, member, ttl))

    def release(self, key: str, member: str) -> None:
        self._ask(lambda: self.store.release(key, member))

    def leased(self, key: str) -> int:
        return self._ask(lambda: self.store.leased(key))

    def members(self, key: str) -> list[str]:
        return self._ask(lambda: self.store.members(key))

    def lock(self, key: str, ttl: float) -> int | None:
        return self._ask(lambda: self.store.lock(key, ttl))

    def unlock(self, key: str, token: int) -> bool:
        return self._ask(lambda: self.store.unlock(key, token))

    def ping(self) -> None:
        self._ask(self.store.ping)

    def close(self) -> None:
        self._closing.set()
        self.store.close()

    def _ask(self, call: Callable[[], T]) -> T:
        if self.away:
            raise Unavailable("kv.unavailable", "The key-value store does not answer.")
        try:
            return call()
        except Unavailable as error:
            self._open(error.__cause__ or error)
            raise

    def _open(self, why: BaseException) -> None:
        with self._turn:
            if self.away or self._closing.is_set():
                return
            self.away = True
        log.warning("the key-value store does not answer (%s); rates are counted in this process alone", why)
        threading.Thread(target=self._await_return, name="kv", daemon=True).start()

    def _await_return(self) -> None:
        while not self._closing.wait(AGAIN):
            try:
                self.store.ping()
            except Exception:  # whatever it says, it is not back, and nobody else looks again
                continue
            self.away = False
            log.warning("the key-value store answers again")
            return


class LocalWindows:
    """Fixed windows counted in this process; the clock is the machine's own, as the store's would be."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._windows: dict[str, tuple[float, int]] = {}  # key -> when it ends, what is spent; oldest first

    def spend(self, key: str, limit: int, window: float) -> Allowance:
        with self._turn:
            now = time.monotonic()
            ends, used = self._windows.get(key, (0.0, 0))
            if ends <= now:
                self._windows.pop(key, None)
                ends, used = now + window, 0
            self._windows[key] = ends, used + 1
            if len(self._windows) > WINDOWS:
                del self._windows[next(iter(self._windows))]
        return Allowance(used < limit, limit, max(0, limit - used - 1), ends - now)
