"""What live does later: nothing that lies in an outbox is forgotten when the process that wrote it dies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import update

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
        """Number what a lost reaction left, and come back while the session runs; two sweepers become one."""
        session_id = args["session_id"]

        def write(tx: Write) -> str | None:
            due = (RoomSession.id == session_id) & (RoomSession.swept_at <= tx.now - ALMOST)
            swept = (
                update(RoomSession)
                .where(due)
                .values(swept_at=tx.now)
                .returning(RoomSession.room_id, RoomSession.ended_at)
            )
            row = tx.session.execute(swept).one_or_none()
            if row is None:
                return None
            if row.ended_at is None:
                tx.enqueue(SWEEP, {"session_id": session_id}, tx.now + SWEEP_EVERY)
            return str(row.room_id)

        room_id = self.rooms.db.write(write)
        if room_id is not None:
            self.rooms.log.sequence(room_id)

    def follow_stream(self, args: dict[str, Any]) -> None:
        """Make the stream what the room says: the reaction that does it at once may be lost."""
        self.rooms.streams.follow(args["room_id"])

    def refresh_shelves(self, args: dict[str, Any]) -> None:
        """A product has a new title or price: live rooms show it."""
        self.shelf.refresh(args["product_id"])
