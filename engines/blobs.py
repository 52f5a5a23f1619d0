"""Files by content: the name is the SHA-256 of the bytes, so a file never changes and is kept once."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from engines.disk import needs_room, synced
from kernel.ports import Clock

_NAME = re.compile(r"([0-9a-f]{64})\.[a-z0-9]{1,8}")


class FileBlobs:
    """Blobs in a folder, 256 subfolders by the first two characters of the name."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    def put(self, data: bytes, suffix: str) -> str:
        name = f"{hashlib.sha256(data).hexdigest()}.{suffix}"
        path = self._place(name)
        try:
            self._stamp(path)
        except FileNotFoundError:
            with needs_room():
                self._write(path, data)
        return name

    def remove(self, name: str, put_before: datetime) -> bool:
        path = self.path(name)
        if path is None:
            return False
        # Aside first: who puts it from now on writes it anew, and who put it just now has left a younger stamp on it.
        aside = path.with_name(f".{name}.gone")
        os.replace(path, aside)
        if aside.stat().st_mtime >= put_before.timestamp():
            os.replace(aside, path)
            return False
        aside.unlink()
        return True

    def _stamp(self, path: Path) -> None:
        """When a file was put last is its time of change."""
        now = self._clock.now().timestamp()
        os.utime(path, (now, now))

    def path(self, name: str) -> Path | None:
        if _NAME.fullmatch(name) is None:
            return None
        path = self._place(name)
        return path if path.is_file() else None

    def stored(self) -> dict[str, datetime]:
        found: dict[str, datetime] = {}
        for path in self._folder.rglob("*"):
            with suppress(FileNotFoundError):  # somebody removes it meanwhile
                facts = path.lstat()
                if not stat.S_ISDIR(facts.st_mode):
                    found[self._called(path)] = datetime.fromtimestamp(facts.st_mtime, UTC)
        return found

    def _called(self, path: Path) -> str:
        """A file's name, or the path of what is no file of the store's."""
        ours = _NAME.fullmatch(path.name) and path == self._place(path.name)
        return path.name if ours else str(path.relative_to(self._folder))

    def _place(self, name: str) -> Path:
        return self._folder / name[:2] / name

    def _write(self, path: Path, data: bytes) -> None:
        """Appear whole or not at all, whenever the power goes: write aside, sync, rename, sync the folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            with open(handle, "wb") as aside:
                aside.write(data)
                aside.flush()
                os.fsync(handle)
            self._stamp(Path(name))
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)  # on a full disk, half a file takes what room there is
            raise
        synced(path.parent)
