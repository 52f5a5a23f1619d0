"""Uploads: what an author may put into a note."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from kernel.actor import Actor
from kernel.db import Database, Write
from kernel.errors import FieldError, Invalid, TooLarge
from kernel.idempotency import Answer, once, replayed
from kernel.ids import new_id
from kernel.ports import Blobs
from notes import models
from notes.pictures import Rendering, Renderings, render
from notes.schemas import Cover, ImageIn, MediaOut

MAX_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Kept:
    """Both renderings of an image in the blob store, not yet anybody's."""

    large: tuple[str, int, int]
    small: tuple[str, int, int]
    bytes: int

    def cover(self, alt: str = "") -> Cover:
        """The small rendering as cards show it."""
        name, width, height = self.small
        return Cover(url=url(name), width=width, height=height, alt=alt)


class MediaService:
    """`off_loop` runs what would stop everybody else; `queue` does so with decoding and encoding (0.1 to 1 s each), of few
    pictures at once."""

    def __init__(self, db: Database, blobs: Blobs, off_loop: Callable[..., Any], queue: Callable[..., Any]) -> None:
        self.db = db
        self.blobs = blobs
        self._off_loop = off_loop
        self._queue = queue

    def upload(self, actor: Actor, data: bytes, key: str | None = None) -> Answer:
        """Check and keep an image. Raises `media.too_large`, `media.broken`."""
        owner_id = actor.require_account()
        command = (actor, key, "media.upload", {"sha256": hashlib.sha256(data).hexdigest()})
        if (again := replayed(self.db, *command)) is not None:
            return again
        kept = self.keep(data)
        return self.db.write(once(*command, lambda tx: out(self._add(tx, owner_id, kept)).model_dump()))

    def keep(self, data: bytes) -> Kept:
        """Re-encode an image into the blob store; the same picture twice is kept once."""
        if len(data) > MAX_BYTES:
            error = FieldError("file", "media.too_large", f"has more than {MAX_BYTES} bytes")
            raise TooLarge("media.too_large", f"An image may have {MAX_BYTES} bytes.", [error])
        renderings: Renderings = self._queue(render, data)
        large = self._put(renderings.large)
        small = large if renderings.small is renderings.large else self._put(renderings.small)
        return Kept(large, small, len(renderings.large.data))

    def keep_drawn(self, webp: bytes, width: int, height: int) -> Kept:
        """Keep a picture that the house drew itself, as it is: one small WebP without metadata. Uploads go through `keep`."""
        drawn = self._put(Rendering(webp, width, height))
        return Kept(drawn, drawn, len(webp))

    def add(self, tx: Write, owner_id: str, kept: Kept) -> str:
        """Write what `keep` kept as an account's upload inside a larger write; its id."""
        return self._add(tx, owner_id, kept).id

    def check_upload(self, session: Session, owner_id: str, address: str, field: str) -> None:
        """Refuse (`media.not_found` on `field`) a picture that this account did not upload. Its row is held until the write has
        ended: a sweep that was first has deleted it, and a later one finds it in use."""
        name = address.removeprefix(url(""))
        named = or_(models.Media.name == name, models.Media.small_name == name)
        held = update(models.Media).where(models.Media.owner_id == owner_id, named).values(owner_id=owner_id)
        if not session.execute(held.execution_options(synchronize_session=False)).rowcount:  # type: ignore[attr-defined]
            error = FieldError(field, "media.not_found", "is no upload of yours")
            raise Invalid("media.not_found", "The picture is not among your uploads.", [error])

    def _put(self, rendering: Rendering) -> tuple[str, int, int]:
        return self._off_loop(self.blobs.put, rendering.data, "webp"), rendering.width, rendering.height

    def _add(self, tx: Write, owner_id: str, kept: Kept) -> models.Media:
        (name, width, height), (small_name, small_width, small_height) = kept.large, kept.small
        row = models.Media(
            id=new_id("media", tx.now),
            owner_id=owner_id,
            name=name,
            width=width,
            height=height,
            bytes=kept.bytes,
            small_name=small_name,
            small_width=small_width,
            small_height=small_height,
            created_at=tx.now,
            free_since=tx.now,
        )
        tx.session.add(row)
        return row


def url(name: str) -> str:
    """Where a rendering is served, to whom `notes/sight.py` says: the name is the hash of the content."""
    return f"/media/images/{name}"


def out(row: models.Media) -> MediaOut:
    small = Cover(url=url(row.small_name), width=row.small_width, height=row.small_height)
    return MediaOut(id=row.id, url=url(row.name), width=row.width, height=row.height, bytes=row.bytes, small=small)


def pictures(session: Session, owner_id: str, images: Sequence[ImageIn]) -> list[dict[str, Any]]:
    """What a version keeps of its images, in order. Raises `media.not_found` for what is not the author's."""
    ids = [image.media for image in images]
    _take(session, owner_id, ids)
    rows = {row.id: row for row in session.query(models.Media).where(models.Media.id.in_(ids))} if ids else {}
    missing = [
        FieldError(f"images.{place}.media", "media.not_found", "is no upload of yours")
        for place, media_id in enumerate(ids)
        if media_id not in rows or rows[media_id].owner_id != owner_id
    ]
    if missing:
        raise Invalid("media.not_found", "An image is not among your uploads.", missing)
    return [_picture(rows[image.media], image.alt) for image in images]


def _take(session: Session, owner_id: str, ids: Sequence[str]) -> None:
    """Say that they are used, before looking whether they are there: so none is deleted meanwhile."""
    mine = (models.Media.id.in_(ids)) & (models.Media.owner_id == owner_id)
    taken = update(models.Media).where(mine).values(free_since=None)
    if ids:
        session.execute(taken.execution_options(synchronize_session=False))


def _picture(row: models.Media, alt: str) -> dict[str, Any]:
    return {
        "media": row.id,
        "name": row.name,
        "width": row.width,
        "height": row.height,
        "small": {"name": row.small_name, "width": row.small_width, "height": row.small_height},
        "alt": alt,
    }
