"""Processes that draw: they import the drawing and nothing of the house, so that one starts in no time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor

_MOST = 4


def open_artists() -> ProcessPoolExecutor:
    """One for each core. Spawned, not forked: the parent has threads and open databases."""
    workers = min(_MOST, os.cpu_count() or 1)
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent)


def end_with_parent() -> None:
    """In such a process: Ctrl-C is the parent's to answer, and whatever ends the parent, kill -9 too, ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
