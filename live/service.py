"""The life of a room: made, put on air, ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from kernel.actor import Actor
from kernel.db import Database, Write, alone
from kernel.errors import AppError, Conflict, Forbidden, Unavailable
from kernel.idempotency import Answer, once, replayed
from kernel.ids import new_id
from kernel.policy import Policies
from live.directory import RoomDirectory
from live.facts import RoomCreated, RoomEnded, RoomStarted, RoomTitled
from live.ingest import release_within
from live.log import RoomLog
from live.models import SRT, TEST_PICTURE, Room, RoomSession, change_room, hold_room
from live.schemas import RoomIn
from live.selling import Selling
from live.streams import RoomStreams

ROOMS_ON_AIR = "live.rooms_on_air"
"""The policy of how many rooms the site carries at once: each is a process that encodes."""
SWEEP = "live.sweep"
SWEEP_EVERY = timedelta(seconds=5)


class RoomService:
    """What its host does with a room; `RoomShelf` has the goods, `RoomDesk` the order, `RoomDirectory` the reading."""

    def __init__(
        self,
        db: Database,
        directory: RoomDirectory,
        selling: Selling,
        streams: RoomStreams,
        log: RoomLog,
        policies: Policies,
    ) -> None:
        self.db = db
        self.directory = directory
        self.selling = selling
        self.streams = streams
        self.log = log
        self.policies = policies
        policies.declare(ROOMS_ON_AIR, 30, low=0, high=10_000)

    def create(self, actor: Actor, form: RoomIn, key: str | None = None) -> Answer:
        """Make a room, not yet on air. A shelf goes through the product gate."""
        host_id = actor.require_account()

        def write(tx: Write) -> dict[str, Any]:
            own = self.selling.clear(tx.session, host_id, form.shelf)
            room_id = self.add(tx, host_id, form.title, form.stream.kind)
            self.selling.fill(tx, room_id, form.shelf, own)
            return {"room": room_id}

        return self._present(actor, self.db.write(once(actor, key, "rooms.create", form.model_dump(), write)))

    def add(self, tx: Write, host_id: str, title: str, stream: str = TEST_PICTURE) -> str:
        """Write a room inside a larger write; its id."""
        room_id = new_id("room", tx.now)
        tx.session.add(Room(id=room_id, host_id=host_id, title=title, stream=stream, created_at=tx.now))
        tx.session.flush()
        self.log.open(tx, room_id)
        tx.record(RoomCreated(room_id, host_id))
        tx.record(RoomTitled(room_id, host_id, title, 1))
        return room_id

    def start(self, actor: Actor, room_id: str, key: str | None = None) -> Answer:
        """Go on air: the stream first, then the commit that says so. `room.already_live`, `room.hidden`, `room.stream_changed`,
        `room.shelf_changed`, `room.host_on_air`, `air.full`."""
        room, command = self.directory.hosted(actor, room_id), (actor, key, f"rooms.start:{room_id}", dict[str, Any]())
        if (again := replayed(self.db, *command)) is not None:
            self.streams.follow(room_id)
            return self._present(actor, again)
        skus = self.selling.skus(room_id)
        with self.db.read() as session:  # no stream for who would be refused
            self._check_air(session, room)
            own = self.selling.clear(session, room.host_id, skus)
        items, disclosure = self.selling.offer(room.host_id, skus, bool(own))
        begun = self.streams.begin(room)

        def write(tx: Write) -> dict[str, Any]:
            alone(tx.session, ROOMS_ON_AIR)
            self._check_air(tx.session, room)
            hold_room(tx, room_id)
            if self.selling.skus_within(tx.session, room_id) != skus:
                raise Conflict("room.shelf_changed", "The shelf was changed meanwhile; start again.")
            self.selling.clear(tx.session, room.host_id, skus)
            session_id = self._go_live(tx, room)
            shelf = self.selling.with_stock(tx, items)
            stream = "waiting" if room.stream == SRT else "receiving"
            now = tx.session.get_one(Room, room_id, populate_existing=True)  # its title may have changed since the look
            about = {"session": session_id, "title": now.title, "slow": now.slow, "stream": stream}
            self.log.append(
                tx, room_id, session_id, "room.started", {**about, "shelf": shelf, "disclosure": disclosure}
            )
            tx.enqueue(SWEEP, {"session_id": session_id}, tx.now + SWEEP_EVERY)
            tx.record(RoomStarted(room_id, session_id, room.host_id))
            return {"room": room_id}

        try:
            answer = self.db.write(once(*command, write))
        except Exception:
            self.streams.take_back(room_id, begun)
            raise
        if answer.replayed:
            self.streams.follow(room_id)
        return self._present(actor, answer)

    def end(self, actor: Actor, room_id: str, key: str | None = None) -> Answer:
        """Go off air. By the host or a moderator. `room.not_live`."""
        self.directory.hosted(actor, room_id, "moderator", "admin")

        def write(tx: Write) -> dict[str, Any]:
            if not self.finish(tx, room_id, "host"):
                raise Conflict("room.not_live", "This room is not on air.")
            return {"room": room_id}

        return self._present(actor, self.db.write(once(actor, key, f"rooms.end:{room_id}", {}, write)))

    def finish(self, tx: Write, room_id: str, reason: str) -> bool:
        """End the session inside a larger write; False when the room is not on air."""
        room = tx.session.execute(select(Room.session_id, Room.host_id).where(Room.id == room_id)).one()
        if room.session_id is None:
            return False
        cut = reason != "host"
        live = (Room.id == room_id, Room.status == "live", Room.session_id == room.session_id)
        if not change_room(tx, *live, status="ended", ended_at=tx.now, pinned_sku=None, cut=cut):
            return False
        tx.session.execute(update(RoomSession).where(RoomSession.id == room.session_id).values(ended_at=tx.now))
        release_within(tx, room_id)
        self.log.append(tx, room_id, room.session_id, "room.ended", {"reason": reason})
        tx.record(RoomEnded(room_id, room.session_id, room.host_id, reason))
        return True

    def _check_air(self, session: Session, room: Room) -> None:
        """A host is on air in one room, and the site in so many; a hidden one counts, for it may come back."""
        others = (Room.status == "live", Room.id != room.id)
        other = session.scalar(select(Room.id).where(*others, Room.host_id == room.host_id).limit(1))
        if other is not None:
            raise Conflict("room.host_on_air", "Another room of yours is on air; end it first.", room=other)
        most = self.policies.get(session, ROOMS_ON_AIR)
        if session.scalars(select(func.count()).select_from(Room).where(*others)).one() >= most:
            raise Unavailable("air.full", "As many rooms are on air as fit; try again later.", retry_after=60)

    def _go_live(self, tx: Write, room: Room) -> str:
        session_id = new_id("live", tx.now)
        changed = {"status": "live", "session_id": session_id, "started_at": tx.now, "ended_at": None, "cut": False}
        off_air = (Room.id == room.id, Room.status != "live", Room.hidden.is_(False), Room.stream == room.stream)
        if not change_room(tx, *off_air, **changed, pinned_sku=None, receiving=room.stream != SRT):
            raise _cannot_start(tx.session.get_one(Room, room.id))
        tx.session.add(RoomSession(id=session_id, room_id=room.id, started_at=tx.now, swept_at=tx.now))
        return session_id

    def _present(self, actor: Actor, answer: Answer) -> Answer:
        return Answer(self.directory.get(actor, answer.value["room"]).model_dump(mode="json"), answer.replayed)


def _cannot_start(room: Room) -> AppError:
    if room.hidden:
        return Forbidden("room.hidden", "This room was hidden by moderation.")
    if room.status == "live":
        return Conflict("room.already_live", "This room is on air already.")
    return Conflict("room.stream_changed", "Another stream was chosen meanwhile; start again.")
