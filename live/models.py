"""The tables of live rooms."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, Text, false, select, update
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, Instant, Json, Write

TEST_PICTURE, SRT = "test_picture", "srt"
_ID = String(48)
_COUNTER = BigInteger().with_variant(Integer(), "sqlite")


class Room(Base):
    """A creator's room. `status` is created, live or ended; an ended room can be started again, as a new session.

    `stream` is what a broadcast shows, the test picture or what the host sends; `receiving` is false while none comes.
    `version` counts its titles.
    """

    __tablename__ = "rooms"
    __table_args__ = (
        CheckConstraint("status IN ('created', 'live', 'ended')", name="status"),
        Index("ix_rooms_status", "status", "started_at"),
    )

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    host_id: Mapped[str] = mapped_column(_ID, index=True)
    title: Mapped[str] = mapped_column(String(200))
    version: Mapped[int] = mapped_column(default=1)
    status: Mapped[str] = mapped_column(String(16), default="created")
    hidden: Mapped[bool] = mapped_column(default=False)
    cut: Mapped[bool] = mapped_column(default=False)
    stream: Mapped[str] = mapped_column(String(16), default=TEST_PICTURE, server_default=TEST_PICTURE)
    receiving: Mapped[bool] = mapped_column(default=False, server_default=false())
    session_id: Mapped[str | None] = mapped_column(_ID)
    pinned_sku: Mapped[str | None] = mapped_column(_ID)
    slow: Mapped[int] = mapped_column(default=0)
    chat_n: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(Instant)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)


class RoomSession(Base):
    """One broadcast, from start to end."""

    __tablename__ = "room_sessions"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    room_id: Mapped[str] = mapped_column(_ID, ForeignKey("rooms.id"), index=True)
    started_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    swept_at: Mapped[datetime] = mapped_column(Instant)


class IngestRow(Base):
    """Where the encoder of a room calls while it is on air; the row goes with the broadcast."""

    __tablename__ = "room_ingests"

    room_id: Mapped[str] = mapped_column(_ID, ForeignKey("rooms.id"), primary_key=True)
    port: Mapped[int] = mapped_column(unique=True)
    passphrase: Mapped[str] = mapped_column(String(80))


class ShelfItem(Base):
    """A SKU on the shelf of a room, in the host's order."""

    __tablename__ = "room_shelf"
    __table_args__ = (Index("ix_room_shelf_sku_id", "sku_id", "room_id"),)

    room_id: Mapped[str] = mapped_column(_ID, ForeignKey("rooms.id"), primary_key=True)
    sku_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    position: Mapped[int]
    own: Mapped[bool] = mapped_column(default=False)


class LogHead(Base):
    """Where a room's log stands: the number of its last event, and the state after exactly that event."""

    __tablename__ = "room_log_heads"

    room_id: Mapped[str] = mapped_column(_ID, ForeignKey("rooms.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, default=0)
    state: Mapped[dict[str, Any]] = mapped_column(Json)


class OutboxRow(Base):
    """An event as the commit that caused it wrote it down; the sequencer gives it a number and moves it to the log."""

    __tablename__ = "room_outbox"
    __table_args__ = (Index("ix_room_outbox_room_id", "room_id", "id"),)

    id: Mapped[int] = mapped_column(_COUNTER, primary_key=True, autoincrement=True)
    room_id: Mapped[str] = mapped_column(_ID)
    session_id: Mapped[str] = mapped_column(_ID)
    kind: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime] = mapped_column(Instant)
    data: Mapped[dict[str, Any]] = mapped_column(Json)


class EventRow(Base):
    """The log. `seq` runs without gaps through all sessions of a room, so a resume never mistakes one for another."""

    __tablename__ = "room_events"

    room_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    session_id: Mapped[str] = mapped_column(_ID, index=True)
    kind: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime] = mapped_column(Instant)
    media_at: Mapped[datetime | None] = mapped_column(Instant)
    data: Mapped[dict[str, Any]] = mapped_column(Json)


class ChatRow(Base):
    """A chat message; `n` counts within the room."""

    __tablename__ = "room_chat"
    __table_args__ = (Index("ix_room_chat_room_id", "room_id", "n"),)

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    room_id: Mapped[str] = mapped_column(_ID, ForeignKey("rooms.id"))
    account_id: Mapped[str] = mapped_column(_ID)
    n: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Instant)
    deleted_by: Mapped[str | None] = mapped_column(_ID)


class Restriction(Base):
    """Somebody who may not speak (`mute`) or not be (`ban`) in a room, for good when `until` is empty."""

    __tablename__ = "room_restrictions"

    room_id: Mapped[str] = mapped_column(_ID, ForeignKey("rooms.id"), primary_key=True)
    account_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    until: Mapped[datetime | None] = mapped_column(Instant)
    set_by: Mapped[str] = mapped_column(_ID)


def hold_room(tx: Write, room_id: str) -> None:
    """Keep a room's row until this commit: what is made of its shelf is made by one after the other."""
    tx.session.execute(select(Room.id).where(Room.id == room_id).with_for_update(key_share=True))


def change_room(tx: Write, *where: Any, **values: Any) -> bool:
    """Change the room that fits, in one statement; False when none does."""
    changed = update(Room).where(*where).values(**values).execution_options(synchronize_session=False)
    return bool(tx.session.execute(changed).rowcount)  # type: ignore[attr-defined]
