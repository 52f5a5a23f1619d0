"""What a backup file is: a tar of a head, the files, and last a manifest that says what must have come before it."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from importlib.metadata import PackageNotFoundError, version
from typing import IO, Protocol

from pydantic import BaseModel, ConfigDict

FORMAT = 1
HEAD, MANIFEST = "offshelf-backup.json", "manifest.json"
DATABASE, PAYMENTS = "offshelf.db", "payments.db"
SMALL = ("secret", "demo.loaded", "demo.loading")
"""Files of the data folder that go in as they are, where they are there."""
IMAGES = "media/images"
_ALONE = {DATABASE, PAYMENTS, *SMALL}
_IMAGE = re.compile(rf"{IMAGES}/([0-9a-f]{{2}})/\1[0-9a-f]{{62}}\.[a-z0-9]{{1,8}}")
_PIECE = 2**20


class Kept(BaseModel):
    """A file in a backup."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    sha256: str


class Head(BaseModel):
    """What made the backup, and when; `revision` is the schema's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    offshelf: str
    revision: str
    made_at: str


class Manifest(Head):
    """The head again, with every file. Written last: a backup that was cut short has none."""

    files: dict[str, Kept]

    @property
    def head(self) -> Head:
        return Head(**self.model_dump(exclude={"files"}))


def is_member(name: str) -> bool:
    """Whether a backup may hold a file of this name: there are few forms, and none leads out of the folder."""
    return name in _ALONE or _IMAGE.fullmatch(name) is not None


def release() -> str:
    """This program's version."""
    try:
        return version("offshelf")
    except PackageNotFoundError:
        return "unknown"


class Sink(Protocol):
    def write(self, data: bytes, /) -> object: ...


class Hashed:
    """A file that is read once, in pieces, and weighed while it is."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._digest, self._size = file, hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._digest.update(piece)
        self._size += len(piece)
        return piece

    def into(self, sink: Sink) -> Kept:
        """Copy the rest."""
        while piece := self.read(_PIECE):
            sink.write(piece)
        return self.kept

    @property
    def kept(self) -> Kept:
        return Kept(size=self._size, sha256=self._digest.hexdigest())


def add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    """A small member."""
    info = tarfile.TarInfo(name)
    data = text.encode()
    info.size, info.mode = len(data), 0o600
    tar.addfile(info, io.BytesIO(data))
