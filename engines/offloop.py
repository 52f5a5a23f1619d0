"""Blocking native work leaves the event loop: a real thread under gevent, a plain call where there is no loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def off_loop(fn: Callable[..., T], *args: Any) -> T:
    """Run `fn(*args)` in a native thread while the loop goes on, and return or raise what it does."""
    hub = _hub()
    if hub is None:
        return fn(*args)
    result: T = hub.threadpool.apply(fn, args)
    return result


def _hub() -> Any:
    try:
        from gevent import get_hub
        from gevent.monkey import is_module_patched
    except ImportError:
        return None
    return get_hub() if is_module_patched("threading") else None
