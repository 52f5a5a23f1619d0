"""Who may fetch a picture: asked of the tables at every request, because an address outlives what it was given for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, bindparam, or_, select

from accounts import suspended
from kernel.actor import Actor
from kernel.db import Database
from kernel.errors import NotFound
from kernel.ports import Blobs
from notes.media import url
from notes.models import Media, Note, VersionPicture
from notes.reading import OPEN

Shows = Callable[[Any], ColumnElement[bool]]
"""In SQL: whether another service shows the picture at this address to everybody."""
_NAMED = or_(Media.name == bindparam("name"), Media.small_name == bindparam("name"))
_SERVED = (
    select(Note.id)
    .join(VersionPicture, (VersionPicture.note_id == Note.id) & (VersionPicture.n == Note.served))
    .join(Media, Media.id == VersionPicture.media_id)
    .where(_NAMED, OPEN, ~suspended(Note.author_id))
    .exists()
)
_OWNED = select(select(Media.id).where(_NAMED, Media.owner_id == bindparam("owner")).exists())


@dataclass(frozen=True)
class Seen:
    """A picture's file, and whether everybody may have it or only who uploaded it and staff."""

    path: Path
    public: bool


class PictureSight:
    """A picture is everybody's while one thing that everybody may see shows it: the served version of a note, or what
    `shown` answers for. One statement tells that; who asks is found out only where it does not."""

    def __init__(self, db: Database, blobs: Blobs, shown: Sequence[Shows]) -> None:
        self.db = db
        self.blobs = blobs
        self._public = select(or_(_SERVED, *(shows(bindparam("url")) for shows in shown)))

    def look(self, name: str, who: Callable[[], Actor]) -> Seen:
        """The picture of this name for the eyes of `who`, else `NotFound` (`media.not_found`)."""
        path = self.blobs.path(name)
        public = path is not None and self._holds(self._public, name=name, url=url(name))
        if path is None or not (public or self._insider(who(), name)):
            raise NotFound("media.not_found", "There is no such image.")
        return Seen(path, public)

    def _insider(self, viewer: Actor, name: str) -> bool:
        if viewer.has("moderator", "admin"):
            return True
        return viewer.account_id is not None and self._holds(_OWNED, name=name, owner=viewer.account_id)

    def _holds(self, question: Any, **given: str) -> bool:
        with self.db.read() as session:
            return bool(session.scalar(question, given))
