"""`offshelf backup`: everything that cannot be made anew, in one file, taken beside a running server.

Both databases are read from snapshots that begin together; the files follow, because files only grow. Left out is what is
made again: the search index, what Valkey holds, exported models, live segments.
"""

from __future__ import annotations

import os
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from engines.blobs import FileBlobs
from engines.disk import synced
from engines.sql import open_database
from kernel.clock import SystemClock, rfc3339
from kernel.config import Settings
from kernel.errors import SettingError
from web import archive
from web.archive import Head, Kept, Manifest
from web.migrate import history

_CURE = "make room there, see what `offshelf doctor` says, and try again"
Progress = Callable[[str, int, int], None]
PAGES = 2_000
"""Pages of the database between two words of progress, 8 MB."""
_POSTGRES = (
    "OFFSHELF_DATABASE_URL names a PostgreSQL, which has its own tools: run pg_dump first, and then copy media, payments.db and"
    " secret of the data folder; the rest is made again."
)


def back_up(settings: Settings, target: Path, progress: Progress) -> dict[str, Any]:
    """Write a backup to `target`, or under a name of its own into the folder `target`. Reads only; takes no lock.

    `{"file", "bytes", "files", "vanished", "schema", "secret", "seconds"}`. Raises SettingError, and then leaves nothing.
    """
    began = time.monotonic()
    source = _database(settings)
    file = _place(target)
    try:
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".offshelf-backup-") as folder:
            _refuse_little_room(settings, source, file)
            found = _write(settings, source, Path(folder), progress)
            _put_in_place(Path(folder) / "backup.tar", file)
    except OSError as error:
        raise _unwritable(file, error.strerror or str(error)) from None
    except sqlite3.Error as error:
        raise SettingError(f"The database {source} could not be copied to {file.parent} ({error}): {_CURE}.") from None
    return {"file": str(file), "bytes": file.stat().st_size, **found, "seconds": round(time.monotonic() - began, 1)}


def _database(settings: Settings) -> Path:
    if not settings.sql_url.startswith("sqlite:///"):
        raise SettingError(_POSTGRES)
    path = Path(settings.sql_url.removeprefix("sqlite:///"))
    if not path.is_file():
        raise SettingError(f"There is no database at {path} (OFFSHELF_DATA, OFFSHELF_DATABASE_URL).")
    return path


def _place(target: Path) -> Path:
    target = target.absolute()
    if target.is_dir():
        target /= f"offshelf-{SystemClock().now():%Y%m%dT%H%M%SZ}.tar"
    if target.exists():
        raise SettingError(f"{target} is there already; a backup replaces none: name another file, or a folder.")
    if not target.parent.is_dir():
        raise SettingError(f"There is no folder {target.parent}; make it, or name a file in another one.")
    return target


def _refuse_little_room(settings: Settings, source: Path, file: Path) -> None:
    """The database is there twice for a while: as a copy, and in the file."""
    images = sum(map(_size, (settings.data / archive.IMAGES).rglob("*")))
    needed = 2 * source.stat().st_size + images
    room = os.statvfs(file.parent)
    if room.f_bavail * room.f_frsize < needed:
        raise _unwritable(file, f"it needs about {needed / 2**20:,.0f} MiB of room")


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):  # deleted meanwhile
        return path.lstat().st_size
    return 0


def _unwritable(file: Path, why: str) -> SettingError:
    return SettingError(f"{file} cannot be written ({why}); make room there, or name a file on another disk.")


def _write(settings: Settings, source: Path, folder: Path, progress: Progress) -> dict[str, Any]:
    began = SystemClock().now()
    revision = _copy_databases(settings, source, folder, progress)
    head = Head(format=archive.FORMAT, offshelf=archive.release(), revision=revision, made_at=rfc3339(began))
    with (folder / "backup.tar").open("xb") as out:
        os.chmod(out.fileno(), 0o600)  # the secret is in it
        with tarfile.open(fileobj=out, mode="w") as tar:
            archive.add_text(tar, archive.HEAD, head.model_dump_json())
            files = dict(_files(tar, settings, folder, began, revision, progress))
            manifest = Manifest(**head.model_dump(), files={name: kept for name, kept in files.items() if kept})
            archive.add_text(tar, archive.MANIFEST, manifest.model_dump_json())
        out.flush()
        os.fsync(out.fileno())
    vanished = sum(kept is None for kept in files.values())
    return {
        "files": len(manifest.files),
        "vanished": vanished,
        "schema": revision,
        "secret": "secret" in manifest.files,
    }


def _copy_databases(settings: Settings, source: Path, folder: Path, progress: Progress) -> str:
    """Copy both as they are at one moment; the schema's revision."""
    payments = settings.data / archive.PAYMENTS
    with ExitStack() as closing_all:
        theirs = closing_all.enter_context(_snapshot(payments)) if payments.is_file() else None
        ours = closing_all.enter_context(_snapshot(source))
        _copy(ours, folder / archive.DATABASE, lambda done, of: progress("pages of the database", done, of))
        if theirs is not None:
            _copy(theirs, folder / archive.PAYMENTS, lambda done, of: None)
    with closing(sqlite3.connect(folder / archive.DATABASE)) as copy:
        if copy.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise SettingError(f"The database {source} is damaged and was not backed up; restore an earlier backup.")
        if copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone() is None:
            raise SettingError(f"The database {source} is not Offshelf's; correct OFFSHELF_DATABASE_URL.")
        return str(copy.execute("SELECT version_num FROM alembic_version").fetchone()[0])


@contextmanager
def _snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """The database as it is now, for as long as the block takes; nobody who writes waits for it."""
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as connection:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield connection


def _copy(source: sqlite3.Connection, target: Path, told: Callable[[int, int], None]) -> None:
    with closing(sqlite3.connect(target)) as copy:
        copy.execute("PRAGMA synchronous=OFF")  # it is read again at once, and synced as part of the backup
        source.backup(copy, pages=PAGES, progress=lambda status, left, of: told(of - left, of))


def _files(
    tar: tarfile.TarFile, settings: Settings, folder: Path, began: datetime, revision: str, progress: Progress
) -> Iterator[tuple[str, Kept | None]]:
    """Put everything into the tar: name and weight of each, None for an image that was deleted meanwhile."""
    for name in (archive.DATABASE, archive.PAYMENTS):
        if (folder / name).is_file():
            yield name, _add(tar, name, folder / name)
    for name in archive.SMALL:
        if (settings.data / name).is_file():
            yield name, _add(tar, name, settings.data / name)
    blobs = FileBlobs(settings.data / archive.IMAGES, SystemClock())
    images = _images(blobs, folder / archive.DATABASE, began, revision)
    for number, name in enumerate(images):
        progress("images", number, len(images))
        yield _member(name), _add(tar, _member(name), settings.data / _member(name))
    progress("images", len(images), len(images))


def _images(blobs: FileBlobs, copy: Path, began: datetime, revision: str) -> list[str]:
    """The images there are, without those that came after the snapshot: in the backup no row would name them."""
    stored = {name: at for name, at in blobs.stored().items() if archive.is_member(_member(name))}
    later = [name for name, at in stored.items() if at >= began]
    if not later or revision != history()[-1]:
        return sorted(stored)
    from web.services import uploads_of  # all services: longer to load than most backups take

    db = open_database(f"sqlite:///{copy}", SystemClock())
    try:
        return sorted(stored.keys() - ({*later} - uploads_of(db, blobs).named(later)))
    finally:
        db.close()


def _member(image: str) -> str:
    return f"{archive.IMAGES}/{image[:2]}/{image}"


def _add(tar: tarfile.TarFile, name: str, path: Path) -> Kept | None:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        facts, info, hashed = os.fstat(file.fileno()), tarfile.TarInfo(name), archive.Hashed(file)
        info.size, info.mtime, info.mode = facts.st_size, int(facts.st_mtime), 0o600
        tar.addfile(info, hashed)
        return hashed.kept


def _put_in_place(part: Path, file: Path) -> None:
    part.rename(file)
    synced(file.parent)
