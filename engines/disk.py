"""What the disk promises, and what it refuses: without room it is an engine that is away, and what needs it is worth another try."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernel.errors import FULL, Unavailable

_ERRNO = (errno.ENOSPC, errno.EDQUOT)
_SQLITE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
_PHRASE = "No space left on device"  # all that a library in Rust keeps of it
_POSTGRES = "53100"


def no_room(error: BaseException) -> bool:
    """Whether an error of the file system, of a database's driver or of tantivy says that the disk is full."""
    return (
        getattr(error, "errno", None) in _ERRNO
        or getattr(error, "sqlite_errorcode", None) in _SQLITE
        or getattr(error, "sqlstate", None) == _POSTGRES
        or _PHRASE in str(error)
    )


def full() -> Unavailable:
    """The refusal."""
    sentence = "There is no room left on the disk; nothing was changed, and what is there can be read."
    return Unavailable(FULL, sentence, retry_after=5)


def synced(folder: Path) -> None:
    """Make the names in `folder` durable: a rename outlives the power only when its folder was written down."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def needs_room() -> Iterator[None]:
    """What is done inside is refused as `disk.full` when it fails for want of room; any other error stays what it is."""
    try:
        yield
    except Unavailable:
        raise
    except Exception as error:
        if no_room(error):
            raise full() from error
        raise
