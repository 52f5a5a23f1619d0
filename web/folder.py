"""The data folder: who has it, who may have it beside them, and what a restore leaves in it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from kernel.config import Settings
from kernel.errors import SettingError


class FolderInUse(SettingError):
    """Another process has the data folder."""


PLACING = ".restore-in-place"
"""A folder of this name is there while a restore puts its files in place; what lies around it is not whole."""
RESTORED = "restored"
"""A file of this name is there from a restore until the next start: an index on a server is of the data before it."""
LOOKS = 30
"""How often a start tries for the folder, a third of a second in all: on a busy machine who only looks may be at it for that long."""


@contextlib.contextmanager
def data_folder(settings: Settings, alone: bool = False, restoring: bool = False) -> Iterator[Path]:
    """Own the data folder while the block runs; where no engine is embedded it is shared with others, unless `alone`.

    Who may not have it is told who has (`FolderInUse`). A folder that an interrupted restore left is opened by a restore only.
    """
    from engines.hold import locked
    from engines.preflight import check_folder, unusable

    if not restoring and (settings.data / PLACING).exists():
        cure = "run `offshelf restore FILE --replace` again, or set OFFSHELF_DATA to another folder"
        raise SettingError(f"The data folder {settings.data} was left by a restore that was interrupted; {cure}.")
    try:
        settings.data.mkdir(0o700, parents=True, exist_ok=True)  # addresses and hashes of passwords are in it
        opened_lock = (settings.data / "lock").open("a+")
    except OSError as error:
        raise unusable(settings.data, error) from None
    shared = not settings.embedded and not alone
    with opened_lock as lock:
        if not locked(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, LOOKS):
            raise FolderInUse(_taken(settings, _holders(lock)))
        check_folder(settings.data)
        if not shared:
            lock.truncate(0)
        lock.write(f"{os.getpid()} ")  # appended, in one piece: others may write their names at the same moment
        lock.flush()
        yield settings.data


def _holders(lock: TextIO) -> list[str]:
    """Who wrote themselves down and lives."""
    lock.seek(0)
    names = dict.fromkeys(lock.read().split())
    return [pid for pid in names if Path(f"/proc/{pid}").exists() or not Path("/proc").exists()]


def holders(settings: Settings) -> list[str]:
    """The ids of the processes that have the data folder. Leaves nothing behind."""
    try:
        lock = (settings.data / "lock").open()
    except OSError:
        return []
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return _holders(lock) or ["?"]
    return []


def _taken(settings: Settings, holders: list[str]) -> str:
    said = f"The data folder {settings.data} is in use by process {', '.join(holders) or '?'}; stop it or set OFFSHELF_DATA to another folder."
    if 0 < len(settings.embedded) < 3:  # somebody is on the way to many processes
        said += f" To share it, let {' and '.join(settings.embedded)} name a server, too."
    return said


def refuse_half(settings: Settings) -> None:
    """`SettingError` where web and jobs cannot be processes of their own, because one must own an embedded engine."""
    if names := " and ".join(settings.embedded):
        raise SettingError(
            f"{names}: embedded, so one process does everything; run `offshelf serve` with its jobs, or name a server."
        )
