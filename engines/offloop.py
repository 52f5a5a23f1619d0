"""Blocking native work leaves the event loop: a real thread under gevent, a plain call where there is no loop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

log = logging.getLogger("offshelf.loop")
T = TypeVar("T")


def off_loop(fn: Callable[..., T], *args: Any) -> T:
    """Run `fn(*args)` in a native thread while the loop goes on, and return or raise what it does."""
    hub = _hub()
    if hub is None:
        return fn(*args)
    work = hub.threadpool.spawn(_attempted, fn, args)
    try:
        value, error = work.get()
    except BaseException:
        work.wait()  # whoever is killed meanwhile does not leave a thread alone with what it works on
        raise
    if error is not None:
        raise error
    result: T = value
    return result


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
