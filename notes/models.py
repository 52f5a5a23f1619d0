"""The tables of notes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, Instant, Json

_ID = String(48)


class Note(Base):
    """A note as it stands now. Its words and pictures are in its versions.

    `served` is the version others see, `latest` the one its author works on. `status` is the served version's verdict
    (`public`, `limited`), or the latest version's state while nothing is served. `hidden` and `removed` are moderation's.
    """

    __tablename__ = "notes"
    __table_args__ = (
        CheckConstraint("likes >= 0 AND saves >= 0 AND comments >= 0", name="counters"),
        CheckConstraint("(served IS NULL) = (status NOT IN ('public', 'limited'))", name="served"),
        Index("ix_notes_newest", "status", "published_at", "id"),
        Index("ix_notes_author_newest", "author_id", "published_at", "id"),
        Index("ix_notes_author", "author_id", "id"),
    )

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    author_id: Mapped[str] = mapped_column(_ID)
    status: Mapped[str] = mapped_column(String(16), default="draft")
    hidden: Mapped[bool] = mapped_column(default=False)
    removed: Mapped[bool] = mapped_column(default=False)
    hold_reason: Mapped[str] = mapped_column(Text, default="")
    latest: Mapped[int] = mapped_column(default=1)
    served: Mapped[int | None]
    likes: Mapped[int] = mapped_column(default=0)
    saves: Mapped[int] = mapped_column(default=0)
    comments: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(Instant)
    published_at: Mapped[datetime | None] = mapped_column(Instant)
    edited_at: Mapped[datetime | None] = mapped_column(Instant)
    deleted_at: Mapped[datetime | None] = mapped_column(Instant)

    @property
    def hold(self) -> str:
        return "removed" if self.removed else "hidden" if self.hidden else ""


class NoteVersion(Base):
    """One version. `state`: draft, in_review, public, limited, rejected, or superseded by a later one; `was`: the
    state before, so that a verdict can be taken back.

    `pictures` repeats what cards need of the media (which never change), so that a page of cards reads no media rows.
    `disclosure` is set by the product gate, never by what a client sends.
    """

    __tablename__ = "note_versions"

    note_id: Mapped[str] = mapped_column(_ID, ForeignKey("notes.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text)
    topics: Mapped[list[str]] = mapped_column(Json)
    pictures: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    skus: Mapped[list[str]] = mapped_column(Json)
    disclosure: Mapped[str | None] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    was: Mapped[str] = mapped_column(String(16), default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(Instant)
    submitted_at: Mapped[datetime | None] = mapped_column(Instant)
    decided_at: Mapped[datetime | None] = mapped_column(Instant)


class VersionPicture(Base):
    """Which uploads a version shows, as its `pictures` say: the way from a picture to its notes."""

    __tablename__ = "version_pictures"
    __table_args__ = (
        ForeignKeyConstraint(["note_id", "n"], ["note_versions.note_id", "note_versions.n"], ondelete="CASCADE"),
        Index("ix_version_pictures_media", "media_id", "note_id", "n"),
    )

    note_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    media_id: Mapped[str] = mapped_column(_ID, primary_key=True)


class NoteProduct(Base):
    """Which SKUs the served version of a note carries: the way from a listing to its notes."""

    __tablename__ = "note_products"
    __table_args__ = (Index("ix_note_products_sku", "sku_id", "note_id"),)

    note_id: Mapped[str] = mapped_column(_ID, ForeignKey("notes.id"), primary_key=True)
    sku_id: Mapped[str] = mapped_column(_ID, primary_key=True)


class NoteLike(Base):
    __tablename__ = "note_likes"
    __table_args__ = (Index("ix_note_likes_account", "account_id", "created_at", "note_id"),)

    note_id: Mapped[str] = mapped_column(_ID, ForeignKey("notes.id"), primary_key=True)
    account_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Instant)


class NoteSave(Base):
    __tablename__ = "note_saves"
    __table_args__ = (Index("ix_note_saves_account", "account_id", "created_at", "note_id"),)

    note_id: Mapped[str] = mapped_column(_ID, ForeignKey("notes.id"), primary_key=True)
    account_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Instant)


class Comment(Base):
    """`status`: public, in_review (it waits for a moderator), hidden (by moderation) or deleted."""

    __tablename__ = "comments"
    __table_args__ = (Index("ix_comments_note", "note_id", "status", "id"), Index("ix_comments_author", "author_id"))

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    note_id: Mapped[str] = mapped_column(_ID, ForeignKey("notes.id"))
    author_id: Mapped[str] = mapped_column(_ID)
    text: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16), default="public")
    created_at: Mapped[datetime] = mapped_column(Instant)


class Media(Base):
    """An uploaded image, checked and re-encoded. The file names are SHA-256 of the bytes.

    `free_since`: from when on no version has used it, as far as is known; None once one has.
    """

    __tablename__ = "media"
    __table_args__ = (Index("ix_media_owner", "owner_id", "id"),)

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    owner_id: Mapped[str] = mapped_column(_ID)
    name: Mapped[str] = mapped_column(String(80), index=True)
    width: Mapped[int]
    height: Mapped[int]
    bytes: Mapped[int]
    small_name: Mapped[str] = mapped_column(String(80), index=True)
    small_width: Mapped[int]
    small_height: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(Instant)
    free_since: Mapped[datetime | None] = mapped_column(Instant, index=True)
