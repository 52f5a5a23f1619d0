"""`offshelf restore`: a backup becomes a data folder, after every byte of it was weighed.

The files are unpacked beside what is there, inside the data folder (it may be a disk of its own), and only a whole backup
is put in place: by renames, under a mark that keeps everybody else out until the last of them.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engines.preflight import ROOM
from kernel.clock import SystemClock
from kernel.config import Settings
from kernel.errors import SettingError
from web import archive
from web.archive import Hashed, Head, Kept, Manifest
from web.folder import PLACING, RESTORED, FolderInUse, data_folder
from web.migrate import history

Progress = Callable[[str, int, int], None]
STAGED = ".restoring"
_AS_IT_WAS = "OFFSHELF_DATA is as it was: make room there, or see to the disk that the backup is on"
_NOT_DATA = ("lock", "models", "kv", "lost+found", STAGED)
"""What may lie in a folder that counts as empty, and stays where it is."""


def restore(settings: Settings, file: Path, replace: bool, progress: Progress) -> dict[str, Any]:
    """Make the data folder what the backup `file` says; with `replace` what is there is put aside first, inside the folder.

    `{"folder", "files", "made_at", "schema", "migrate", "secret", "replaced", "seconds"}`. Raises SettingError, and then
    nothing was changed.
    """
    began = time.monotonic()
    _refuse_other_database(settings)
    with _opened(file) as tar, _folder(settings) as data:
        members = iter(tar)
        head = _head(file, tar, next(members, None))
        _refuse_data(data, replace)
        _refuse_little_room(file, data)
        shutil.rmtree(data / STAGED, ignore_errors=True)
        try:
            manifest = _unpack(file, tar, members, head, data / STAGED, progress)
            (data / STAGED / RESTORED).touch()
            replaced = _put_in_place(data)
        finally:
            shutil.rmtree(data / STAGED, ignore_errors=True)
    return {
        "folder": str(settings.data),
        "files": len(manifest.files),
        "made_at": head.made_at,
        "schema": head.revision,
        "migrate": head.revision != history()[-1],
        "secret": bool(settings.secret) or "secret" in manifest.files,
        "replaced": replaced and str(replaced),
        "seconds": round(time.monotonic() - began, 1),
    }


# -- refusals, before anything is written ---------------------------------------------------------------------------


def _refuse_other_database(settings: Settings) -> None:
    if settings.sql_url.startswith("postgresql:"):
        cure = "restore it with pg_restore or psql, and copy media, payments.db and secret into the data folder"
        raise SettingError(f"OFFSHELF_DATABASE_URL names a PostgreSQL, which has its own tools: {cure}.")
    if settings.sql_url != f"sqlite:///{settings.data / archive.DATABASE}":
        cure = "leave it empty for the restore, and then move the database to where it names"
        raise SettingError(f"OFFSHELF_DATABASE_URL names a file outside of the data folder: {cure}.")


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(file, "r:") as tar:
            yield tar
    except tarfile.TarError:
        raise _damaged(file) if _begins_well(file) else _foreign(file) from None
    except OSError as error:
        raise SettingError(f"{file} could not be restored ({error.strerror or error}); {_AS_IT_WAS}.") from None


def _begins_well(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(archive.HEAD)) == archive.HEAD.encode()


def _foreign(file: Path) -> SettingError:
    return SettingError(f"{file} is no backup; name a file that `offshelf backup` wrote.")


def _damaged(file: Path, what: str = "it was cut short") -> SettingError:
    return SettingError(f"{file} is damaged ({what}) and was not restored; nothing was changed: take another backup.")


def _head(file: Path, tar: tarfile.TarFile, first: tarfile.TarInfo | None) -> Head:
    """What made it; refused when that was no Offshelf, or a newer one."""
    if first is None or first.name != archive.HEAD or not _plain(first):
        raise _foreign(file)
    try:
        head = Head.model_validate_json(_text(tar, first))
    except ValidationError:
        raise _damaged(file, "its head cannot be read") from None
    if head.format > archive.FORMAT or head.revision not in history():
        cure = f"install Offshelf {head.offshelf} or newer, and restore with that"
        raise SettingError(
            f"{file} is of a newer Offshelf (schema {head.revision}, this one knows {history()[-1]}): {cure}."
        )
    return head


@contextmanager
def _folder(settings: Settings) -> Iterator[Path]:
    """The data folder, ours alone; one that was made for a restore that fails is not left behind."""
    absent, ours = not settings.data.exists(), False
    try:
        with data_folder(settings, alone=True, restoring=True) as data:
            ours = absent and not _held(data)  # somebody else may have made it, and filled it, before it was ours
            yield data
    except FolderInUse:
        raise
    except BaseException:
        if ours or (absent and not _held(settings.data)):
            shutil.rmtree(settings.data, ignore_errors=True)
        raise


def _refuse_data(data: Path, replace: bool) -> None:
    if _held(data) and not replace:
        cure = "name an empty or new folder, or add --replace, which puts aside what is there"
        raise SettingError(f"The data folder {data} (OFFSHELF_DATA) holds data; {cure}.")


def _held(data: Path) -> list[str]:
    names = sorted(path.name for path in data.iterdir()) if data.is_dir() else []
    return [name for name in names if name not in _NOT_DATA and not name.startswith("replaced-")]


def _refuse_little_room(file: Path, data: Path) -> None:
    room, needed = os.statvfs(data), file.stat().st_size + ROOM
    if room.f_bavail * room.f_frsize < needed:
        raise SettingError(
            f"OFFSHELF_DATA {data} has no room for {needed / 2**20:,.0f} MiB; make room there, or name another folder."
        )


# -- unpacking ------------------------------------------------------------------------------------------------------


def _unpack(
    file: Path, tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo], head: Head, into: Path, progress: Progress
) -> Manifest:
    """Write every file aside, durable, and compare it with the manifest at the end."""
    found: dict[str, Kept] = {}
    size = file.stat().st_size
    for member in members:
        if member.name == archive.MANIFEST and _plain(member):
            manifest = _manifest(file, tar, member)
            _compare(file, found, head, manifest, next(members, None))
            os.sync()
            return manifest
        if not (_plain(member) and archive.is_member(member.name)) or member.name in found:
            raise _damaged(file, f"it holds {member.name!r}, which is none of ours")
        try:
            found[member.name] = _write(tar, member, into / member.name)
        except (OverflowError, ValueError):
            raise _damaged(file, f"the time of {member.name} is none") from None
        progress("bytes", tar.offset, size)
    raise _damaged(file)


def _plain(member: tarfile.TarInfo) -> bool:
    """A file as it lies there: no link, and no holes, which a few bytes of tar would have written out for hours."""
    return member.isreg() and not member.issparse()


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> Kept:
    path.parent.mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(member)
    assert source is not None  # a regular file
    with source, path.open("xb") as target:
        if member.name == "secret":
            os.chmod(target.fileno(), 0o600)
        kept = Hashed(source).into(target)
    os.utime(path, (member.mtime, member.mtime))
    return kept


def _manifest(file: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> Manifest:
    try:
        return Manifest.model_validate_json(_text(tar, member))
    except ValidationError:
        raise _damaged(file, "its manifest cannot be read") from None


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    source = tar.extractfile(member)
    return b"" if source is None else source.read()


def _compare(file: Path, found: dict[str, Kept], head: Head, manifest: Manifest, after: object) -> None:
    wrong = sorted(name for name in found.keys() | manifest.files if found.get(name) != manifest.files.get(name))
    if wrong:
        raise _damaged(file, f"{wrong[0]} is not what was backed up")
    if manifest.head != head or archive.DATABASE not in found or after is not None:
        raise _damaged(file, "its parts do not belong together")


# -- putting in place -----------------------------------------------------------------------------------------------


Moves = list[tuple[Path, Path]]


def _put_in_place(data: Path) -> Path | None:
    """By renames alone, all of them or none; where what was there went, when something was."""
    held = _held(data)
    aside = data / f"replaced-{SystemClock().now():%Y%m%dT%H%M%S.%fZ}" if held else None
    if aside:
        aside.mkdir()
    placing = data / PLACING
    done: Moves = []
    try:
        if aside and PLACING in held:  # of a restore that was interrupted: what it had not put in place yet
            held.remove(PLACING)
            _move(done, placing, aside / "not-in-place")
        _move(done, data / STAGED, placing)
        if aside:
            for name in held:
                _move(done, data / name, aside / name)
        for path in list(placing.iterdir()):
            _move(done, path, data / path.name)
    except OSError as error:
        _take_back(done, aside, error)
        raise
    os.sync()
    placing.rmdir()
    return aside


def _move(done: Moves, source: Path, target: Path) -> None:
    source.rename(target)
    done.append((source, target))


def _take_back(done: Moves, aside: Path | None, error: OSError) -> None:
    """Every rename undone, the last one first; `SettingError` where that fails too."""
    try:
        for source, target in reversed(done):
            target.rename(source)
        if aside:
            aside.rmdir()
    except OSError:
        cure = (
            f"see to the disk, and run it again with --replace; what was there lies in {aside}"
            if aside
            else "see to the disk, and run it again"
        )
        raise SettingError(f"The restore broke off between two files ({error.strerror or error}): {cure}.") from None
