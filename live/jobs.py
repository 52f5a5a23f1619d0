"""What live does later: nothing that lies in an outbox is forgotten when the process that wrote it dies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from kernel.db import Write
from live.models import RoomSession
from live.service import SWEEP, SWEEP_EVERY, RoomService
from live.shelf import RoomShelf

REFRESH = "live.refresh_shelves"
STREAM = "live.follow_stream"
ALMOST = SWEEP_EVERY - timedelta(milliseconds=100)


class LiveJobs:
    """Handlers by name; each takes ids and reads the rows again."""

    def __init__(self, rooms: RoomService, shelf: RoomShelf) -> None:
        self.rooms = rooms
        self.shelf = shelf
        self.handlers = {SWEEP: self.sweep, STREAM: self.follow_stream, REFRESH: self.refresh_shelves}

    def sweep(self, args: dict[str, Any]) -> None:
        """Number what a lost reaction left, and come back while the session runs; two sweepers become one. Numbering is tried
        again until it was done, though the next sweep is planned before it."""
        session_id = args["session_id"]
        mine = RoomSession.id == session_id

        def write(tx: Write) -> str | None:
            room = tx.session.execute(select(RoomSession.room_id, RoomSession.ended_at).where(mine)).one_or_none()
            due = update(RoomSession).where(mine, RoomSession.swept_at <= tx.now - ALMOST).values(swept_at=tx.now)
            swept = tx.session.execute(due.returning(RoomSession.id)).all()
            if room is not None and swept and room.ended_at is None:
                tx.enqueue(SWEEP, {"session_id": session_id}, tx.now + SWEEP_EVERY)
            return None if room is None else str(room.room_id)

        room_id = self.rooms.db.write(write)
        if room_id is not None:
            self.rooms.log.sequence(room_id)

    def follow_stream(self, args: dict[str, Any]) -> None:
        """Make the stream what the room says: the reaction that does it at once may be lost."""
        self.rooms.streams.follow(args["room_id"])

    def refresh_shelves(self, args: dict[str, Any]) -> None:
        """A product has a new title or price, or its merchant sells no more: live rooms show it. `{"product_id"}` or
        `{"merchant_id"}`."""
        if "merchant_id" in args:
            self.shelf.refresh_goods_of(args["merchant_id"])
        else:
            self.shelf.refresh(args["product_id"])
