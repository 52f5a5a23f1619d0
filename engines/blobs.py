"""Files by content: the name is the SHA-256 of the bytes, so a file never changes and is kept once."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

_NAME = re.compile(r"([0-9a-f]{64})\.[a-z0-9]{1,8}")


class FileBlobs:
    """Blobs in a folder, 256 subfolders by the first two characters of the name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, data: bytes, suffix: str) -> str:
        name = f"{hashlib.sha256(data).hexdigest()}.{suffix}"
        path = self._place(name)
        if not path.exists():
            self._write(path, data)
        return name

    def path(self, name: str) -> Path | None:
        if _NAME.fullmatch(name) is None:
            return None
        path = self._place(name)
        return path if path.is_file() else None

    def _place(self, name: str) -> Path:
        return self._folder / name[:2] / name

    def _write(self, path: Path, data: bytes) -> None:
        """Appear whole or not at all, whenever the power goes: write aside, sync, rename, sync the folder."""
        path.parent.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as aside:
            aside.write(data)
            aside.flush()
            os.fsync(aside.fileno())
        os.replace(aside.name, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
