"""The stream of a room: it runs while the room is on air and not hidden, and its files are seen by whoever may see the room."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from accounts import AccountService
from kernel.actor import Actor
from kernel.db import Database, Write, in_chunks
from kernel.errors import Conflict, NotFound
from kernel.ports import MediaServer
from live.directory import RoomDirectory, absent
from live.ingest import RoomIngest
from live.models import SRT, Room, change_room
from live.schemas import RoomOut, StreamChoice
from live.visibility import over, playable

log = logging.getLogger("offshelf.live")
TAKE_UP_EVERY = 2.0  # seconds after which a stream whose process died is taken up by another


class RoomStreams:
    """A room shows the test picture, or what its host sends by SRT. Any process may run its stream, and one does: the one
    that was asked to start it, or, when that one has died, the first that finds it missing."""

    def __init__(
        self, db: Database, accounts: AccountService, directory: RoomDirectory, ingest: RoomIngest, media: MediaServer
    ) -> None:
        self.db = db
        self.accounts = accounts
        self.directory = directory
        self.ingest = ingest
        self.media = media
        self._turns: dict[str, threading.Lock] = {}
        self._told: dict[str, bool | None] = {}  # rooms that wait for an encoder, and what their viewers know
        self._looked = 0.0

    def choose(self, actor: Actor, room_id: str, choice: StreamChoice) -> RoomOut:
        """What the next broadcast shows. `room.already_live`."""
        self.directory.hosted(actor, room_id)
        off_air = (Room.id == room_id, Room.status != "live")
        if not self.db.write(lambda tx: change_room(tx, *off_air, stream=choice.kind)):
            raise Conflict("room.already_live", "The stream is chosen before the room goes on air.")
        return self.directory.get(actor, room_id)

    def begin(self, room: Room) -> bool:
        """Start the stream of a room that is about to go on air, or make sure that it runs; whether it did not before."""
        kept = self.media.kept(room.id)
        self.media.start(room.id, self.ingest.allot(room.id) if room.stream == SRT else "test")
        if room.stream == SRT:
            self._told.setdefault(room.id, None)
        return not kept

    def take_back(self, room_id: str, begun: bool) -> None:
        """After a start that failed: the stream is what the room says. Where nobody can say it, what was begun ends; should the
        room be on air after all, `watch` takes its stream up."""
        try:
            self.follow(room_id)
        except Exception:
            if begun:
                self._told.pop(room_id, None)
                self.media.stop(room_id)

    def follow(self, room_id: str) -> None:
        """Make the stream run when the room is on air, and stop when it is not; idempotent. One at a time for a room."""
        with self._turns.setdefault(room_id, threading.Lock()):
            room = self._room(room_id)
            if room is not None and room.status == "live" and not room.hidden:
                self.begin(room)
                return
            self._told.pop(room_id, None)
            self.media.stop(room_id)
            if room is None or room.status != "live":
                self.ingest.release(room_id)

    def resume_live(self) -> list[str]:
        """After a start of the process: number what waits, and take up the streams of the rooms that were on air."""
        self.directory.log.sequence_all()
        rooms = self.directory.live_ids()
        for room_id in rooms:
            self._take_up(room_id)
        return rooms

    def clear_ended(self) -> None:
        """Delete what broadcasts left that no player plays any more, however they ended."""
        stored, now = self.media.stored(), self.db.clock.now()
        with self.db.read() as session:
            chosen = [select(Room).where(Room.id.in_(ids)) for ids in in_chunks(stored)]
            rooms = {room.id: room for some in chosen for room in session.scalars(some)}
        for room_id in stored:
            if over(rooms.get(room_id), now):
                self.media.clear(room_id)

    def watch(self) -> None:
        """Once a second: end what was ended elsewhere, take up what nobody runs, and tell the rooms whose picture came, or
        went with its sender."""
        self.media.tend()
        if time.monotonic() - self._looked > TAKE_UP_EVERY:
            self._looked = time.monotonic()
            self._look()
        for room_id, told in list(self._told.items()):
            receiving = self.media.receiving(room_id)
            if receiving != told:
                self.db.write(lambda tx, x=(room_id, receiving): self._tell(tx, *x))  # type: ignore[misc]
                self._told[room_id] = receiving

    def _look(self) -> None:
        rooms = self.directory.live_ids()
        for room_id in rooms:
            if not self.media.kept(room_id):
                self._take_up(room_id)
        for room_id in self._told.keys() - set(rooms):  # ended elsewhere
            self._told.pop(room_id, None)

    def _take_up(self, room_id: str) -> None:
        try:
            self.follow(room_id)
        except Exception:  # the others' streams are worth a try
            log.exception("the stream of %s did not come back", room_id)

    def _tell(self, tx: Write, room_id: str, receiving: bool) -> None:
        on_air = (Room.id == room_id, Room.status == "live", Room.receiving.is_(not receiving))
        if change_room(tx, *on_air, receiving=receiving):
            state = "receiving" if receiving else "waiting"
            self.directory.log.tell(tx, room_id, "stream.changed", {"state": state})

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
