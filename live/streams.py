"""The stream of a room: it runs while the room is on air and not hidden, and its files are seen by whoever may see the room."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from accounts import AccountService
from kernel.db import Database
from kernel.errors import AppError, NotFound
from kernel.ports import MediaServer
from live.directory import RoomDirectory, absent
from live.models import Room
from live.visibility import playable

log = logging.getLogger("offshelf.live")


class RoomStreams:
    """`source` is what the media server broadcasts: the test picture, or what the operator configured."""

    def __init__(
        self, db: Database, accounts: AccountService, directory: RoomDirectory, media: MediaServer, source: str = "test"
    ) -> None:
        self.db = db
        self.accounts = accounts
        self.directory = directory
        self.media = media
        self.source = source

    def begin(self, room_id: str) -> None:
        """Start the stream of a room that is about to go on air."""
        self.media.start(room_id, self.source)

    def follow(self, room_id: str) -> None:
        """Make the stream run when the room is on air, and stop when it is not; idempotent."""
        room = self._room(room_id)
        if room is not None and room.status == "live" and not room.hidden:
            self.begin(room_id)
        else:
            self.media.stop(room_id)

    def resume_live(self) -> list[str]:
        """After a start of the process: number what waits, and take up the streams of the rooms that were on air."""
        self.directory.log.sequence_all()
        rooms = self.directory.live_ids()
        for room_id in rooms:
            try:
                self.follow(room_id)
            except AppError:
                log.exception("the stream of %s did not come back", room_id)
        return rooms

    def file(self, room_id: str, name: str) -> Path:
        """The playlist, a segment or the poster of a stream that may be watched, else `NotFound`."""
        room = self._room(room_id)
        if room is None or not playable(room, self.accounts.hidden_authors([room.host_id]), self.db.clock.now()):
            raise absent()
        path = self._poster(room_id) if name == "poster.jpg" else self.media.file(room_id, name)
        if path is None:
            raise NotFound("media.not_found", "There is no such file in this stream.")
        return path

    def _poster(self, room_id: str) -> Path | None:
        make: Callable[[str], Path | None] | None = getattr(self.media, "poster", None)
        return make(room_id) if make is not None else self.media.file(room_id, "poster.jpg")

    def _room(self, room_id: str) -> Room | None:
        with self.db.read() as session:
            return session.get(Room, room_id)
