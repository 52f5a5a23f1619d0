"""Who works in a folder that several processes share: a lock on a file there, which the kernel gives back when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import TextIO

TRIES, PAUSE = 3, 0.01
"""Whoever looks holds the lock for microseconds; a holder for as long as it works."""


def locked(file: TextIO, kind: int, tries: int = TRIES) -> bool:
    """Lock it (`LOCK_SH`, `LOCK_EX`), unless somebody else holds it for longer than who only looks."""
    for again in range(tries, 0, -1):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if again > 1:
                time.sleep(PAUSE)
    return False


class Hold:
    """Taken until `release`, or until this process ends, kill -9 included. One per file, in this process as in others."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    @classmethod
    def take(cls, path: Path) -> Hold | None:
        """The hold on `path`, or None while somebody else has it."""
        file = path.open("a+")
        if locked(file, fcntl.LOCK_EX):
            return cls(file)
        file.close()
        return None

    def say(self, *numbers: int) -> None:
        """Tell who looks; between two sayings they may read nothing, never half."""
        self._file.truncate(0)
        os.write(self._file.fileno(), " ".join(map(str, numbers)).encode())

    def release(self) -> None:
        """Let others work there; idempotent."""
        self._file.close()


def said(path: Path) -> list[int] | None:
    """What its holder, in whatever process, said last; None when nobody holds it."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return [int(number) for number in path.read_text().split()]
    return None
