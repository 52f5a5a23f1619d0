"""Blocking native work leaves the event loop: a real thread under gevent, a plain call where there is no loop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from kernel.errors import Unavailable

log = logging.getLogger("offshelf.loop")
T = TypeVar("T")
_PATIENCE = 3.0
"""Seconds in which a full queue has had its turns."""


def off_loop(fn: Callable[..., T], *args: Any) -> T:
    """Run `fn(*args)` in a native thread while the loop goes on, and return or raise what it does."""
    hub = _hub()
    result: T = fn(*args) if hub is None else _awaited(hub.threadpool.spawn(_attempted, fn, args))
    return result


class OwnThreads:
    """`off_loop` with at most `most` threads of its own: what hangs elsewhere holds none of these, nor the other way round."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pools: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()

    def __call__(self, fn: Callable[..., T], *args: Any) -> T:
        hub = _hub()
        if hub is None:
            return fn(*args)
        from gevent.threadpool import ThreadPool

        pool = self._pools.get(hub)
        if pool is None:
            pool = self._pools[hub] = ThreadPool(self._most, hub=hub)
        result: T = _awaited(pool.spawn(_attempted, fn, args))
        return result


class Queue:
    """`off_loop` for long work that anybody may ask for: `at_once` calls run, `waiting` more wait their turn, and whoever comes
    then is refused (`server.busy`) before anything is done. Else all would wait for the sum of what everybody asked for."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._places = threading.Semaphore(at_once + waiting)
        self._turns = threading.Semaphore(at_once)

    def __call__(self, fn: Callable[..., T], *args: Any) -> T:
        if not self._places.acquire(blocking=False):
            raise Unavailable("server.busy", "Too many people ask for this at once; nothing was changed.", _PATIENCE)
        try:
            with self._turns:
                return off_loop(fn, *args)
        finally:
            self._places.release()


def _awaited(work: Any) -> Any:
    try:
        value, error = work.get()
    except BaseException:
        while not work.ready():  # however often: who is killed leaves no thread alone with what it works on
            with suppress(BaseException):
                work.wait()
        raise
    if error is not None:
        raise error
    return value


def _attempted(fn: Callable[..., T], args: tuple[Any, ...]) -> tuple[T | None, BaseException | None]:
    """gevent prints whatever its threads raise, past every log; the caller says what is worth saying."""
    try:
        return fn(*args), None
    except BaseException as error:
        return None, error


def _hub() -> Any:
    try:
        from gevent import get_hub
        from gevent.monkey import is_module_patched
    except ImportError:
        return None
    return get_hub() if is_module_patched("threading") else None


def native_lock() -> threading.Lock:
    """A lock that native threads wait on, also where gevent has put its own in the place of `threading.Lock`."""
    try:
        from gevent.monkey import get_original
    except ImportError:
        return threading.Lock()
    lock: threading.Lock = get_original("_thread", "allocate_lock")()
    return lock


def native_thread(fn: Callable[[], object]) -> None:
    """Run `fn()` in a new native thread, which nobody waits for, not even the end of the process."""
    try:
        from gevent.monkey import get_original
    except ImportError:
        threading.Thread(target=fn, daemon=True).start()
    else:
        get_original("_thread", "start_new_thread")(fn, ())


def beside(fn: Callable[..., Any], *args: Any) -> None:
    """Run `fn(*args)` beside the caller on the loop; where there is no loop, before returning. Failures are logged."""
    if _hub() is None:
        return _logged(fn, *args)
    from gevent import spawn

    spawn(_logged, fn, *args)


def _logged(fn: Callable[..., Any], *args: Any) -> None:
    try:
        fn(*args)
    except Exception:
        log.exception("%s failed", getattr(fn, "__qualname__", fn))
