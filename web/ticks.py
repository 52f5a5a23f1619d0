"""What a process does once a second, beside what it is asked."""

from __future__ import annotations

import logging
from collections.abc import Callable

import gevent

log = logging.getLogger("offshelf.ticks")


def each_second(*ticks: Callable[[], None]) -> None:
    """Call each, for ever; one that fails is called again like the others."""
    while True:
        gevent.sleep(1)
        for tick in ticks:
            try:
                tick()
            except Exception:
                log.exception("a tick failed")
