"""Uploads that nothing uses: noted from when, deleted a day later, their files last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from kernel.db import Database, Write, in_chunks
from kernel.jobs import JobRow
from kernel.ports import Blobs
from notes.media import url
from notes.models import Media, VersionPicture

UNUSED_FOR = timedelta(hours=24)
DROP_FILES = "notes.drop_files"
IN_FLIGHT = timedelta(seconds=30)
"""How long an upload may take from its file to its row, an outage of the database included."""
_BATCH = 100
_DROPS = select(JobRow.args).where(JobRow.name == DROP_FILES)
Users = Callable[[Session, Sequence[str]], set[str]]
"""Which of these addresses of pictures another service shows, as the session sees it."""


def release(tx: Write, old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> None:
    """A draft let some pictures go; whether another version has them is asked when their time is over."""
    gone = {picture["media"] for picture in old} - {picture["media"] for picture in new}
    if gone:
        free = update(Media).where(Media.id.in_(gone)).values(free_since=tx.now)
        tx.session.execute(free.execution_options(synchronize_session=False))


@dataclass(frozen=True)
class UploadAudit:
    """How many `files` there are, which of them no row names, which a row names and are not there; `young` came without a
    row so lately that it may still follow."""

    files: int
    unnamed: list[str]
    missing: list[str]
    young: int


class UnusedUploads:
    """Rows are judged and deleted in one write each batch; attaching one takes the same row, so one of the two comes first."""

    def __init__(self, db: Database, blobs: Blobs, off_loop: Callable[..., Any], users: Sequence[Users]) -> None:
        self.db = db
        self.blobs = blobs
        self.users = users
        self._off_loop = off_loop

    def sweep(self) -> None:
        """Delete what no version has used for a day, and files that never got a row: their upload was refused or cut off."""
        while self.db.write(self._sweep_some) == _BATCH:
            pass
        self.drop_files(self.audit().unnamed)

    def _sweep_some(self, tx: Write) -> int:
        over = Media.free_since <= tx.now - UNUSED_FOR
        rows = tx.session.scalars(
            select(Media).where(over).order_by(Media.free_since).limit(_BATCH).with_for_update(skip_locked=True)
        ).all()
        used = _attached(tx.session, [row.id for row in rows])
        shown = self._shown(tx.session, [name for row in rows for name in (row.name, row.small_name)])
        gone: set[str] = set()
        for row in rows:
            if row.id in used:
                row.free_since = None
            elif not shown.isdisjoint((row.name, row.small_name)):
                row.free_since = tx.now
            else:
                tx.session.delete(row)
                gone |= {row.name, row.small_name}
        if gone:
            tx.enqueue(DROP_FILES, {"names": sorted(gone)})
        return len(rows)

    def drop_files(self, names: Sequence[str]) -> None:
        """The job after it: remove files that no row names any more; one that was put again meanwhile stays."""
        kept = self.named(names)
        for name in names:
            if name not in kept:
                self._off_loop(self.blobs.remove, name, self.db.clock.now() - UNUSED_FOR)

    def named(self, names: Sequence[str]) -> set[str]:
        """Which of these files some row names."""
        named: set[str] = set()
        with self.db.read() as session:
            for some in in_chunks(names):
                theirs = or_(Media.name.in_(some), Media.small_name.in_(some))
                found = session.execute(select(Media.name, Media.small_name).where(theirs))
                named |= {name for row in found for name in row} | self._shown(session, some)
        return named

    def audit(self) -> UploadAudit:
        """Files against rows. Files are listed first: an upload's file is there before its row."""
        stored, now = self.blobs.stored(), self.db.clock.now()
        with self.db.read() as session:
            rows = session.execute(select(Media.name, Media.small_name, Media.free_since)).all()
            going = {name for args in session.scalars(_DROPS) for name in args["names"]}
        known = {name for row in rows for name in row[:2]} | going
        unknown = [name for name in stored if name not in known]
        loose = {*unknown} - self.named(unknown)
        needed = {name for row in rows if not _over(row.free_since, now) for name in row[:2]}
        young = {name for name in loose if stored[name] > now - IN_FLIGHT}
        missing = [name for name in needed - stored.keys() if self.blobs.path(name) is None]
        return UploadAudit(len(stored), sorted(loose - young), sorted(missing), len(young))

    def _shown(self, session: Session, names: Sequence[str]) -> set[str]:
        by_url = {url(name): name for name in names}
        return {by_url[one] for user in self.users for one in user(session, [*by_url])} if names else set()


def _over(free_since: datetime | None, now: datetime) -> bool:
    """A row that the next sweep deletes may miss its file already."""
    return free_since is not None and free_since <= now - UNUSED_FOR


def _attached(session: Session, ids: Sequence[str]) -> set[str]:
    """Which of these uploads some version has, served or not."""
    return {*session.scalars(select(VersionPicture.media_id).where(VersionPicture.media_id.in_(ids)))}
