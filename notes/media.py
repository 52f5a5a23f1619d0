"""Uploads: what an author may put into a note."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from kernel.actor import Actor
from kernel.db import Database, Write
from kernel.errors import FieldError, Invalid, NotFound, TooLarge
from kernel.idempotency import Answer, once
from kernel.ids import new_id
from kernel.ports import Blobs
from notes import models
from notes.pictures import Rendering, Renderings, render
from notes.schemas import Cover, ImageIn, MediaOut

MAX_BYTES = 8 * 2**20
_AT_ONCE = 2  # decoded images in memory at a time


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
    """`off_loop` runs decoding and encoding (0.1 to 1 s each) where it does not stop everybody else."""

    def __init__(self, db: Database, blobs: Blobs, off_loop: Callable[..., Any]) -> None:
        self.db = db
        self.blobs = blobs
        self._off_loop = off_loop
        self._decoding = BoundedSemaphore(_AT_ONCE)

    def upload(self, actor: Actor, data: bytes, key: str | None = None) -> Answer:
        """Check and keep an image. Raises `media.too_large`, `media.broken`."""
        owner_id = actor.require_account()
        kept = self.keep(data)
        body = {"sha256": hashlib.sha256(data).hexdigest()}
        return self.db.write(
            once(actor, key, "media.upload", body, lambda tx: out(self._add(tx, owner_id, kept)).model_dump())
        )

    def keep(self, data: bytes) -> Kept:
        """Re-encode an image into the blob store; the same picture twice is kept once."""
        if len(data) > MAX_BYTES:
            error = FieldError("file", "media.too_large", f"has more than {MAX_BYTES} bytes")
            raise TooLarge("media.too_large", f"An image may have {MAX_BYTES} bytes.", [error])
        with self._decoding:
            renderings: Renderings = self._off_loop(render, data)
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

    def file(self, name: str) -> Path:
        """The file of a rendering, else `NotFound` (`media.not_found`)."""
        path = self.blobs.path(name)
        if path is None:
            raise NotFound("media.not_found", "There is no such image.")
        return path

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
    """Where a rendering is served; the answer never changes, for the name is the hash of the content."""
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
