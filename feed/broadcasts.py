"""Rooms on air on the notes' scale: what their host's notes promise, and how those respond to whom the room was shown."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import case, delete, select, update

from feed import quality, responses, scores
from feed.models import Broadcast, Candidate, Exposure, Responded
from kernel import policy
from kernel.db import Database, Write, in_chunks, insert_ignore, upsert
from live import RoomDirectory

MOST_ROOMS = 200
STAYED = timedelta(minutes=3)
HOST_NOTES = 30


@dataclass(frozen=True)
class Standing:
    """A room as ranking sees it."""

    quality: float
    guaranteed: bool


NEW = Standing(quality.host_score([]), True)
"""One that went on air this very moment."""


class Broadcasts:
    """Keeps `feed_broadcasts`. A viewer who is still there at the next look has joined; who is there `STAYED` later, stayed."""

    def __init__(self, db: Database, rooms: RoomDirectory) -> None:
        self.db = db
        self.rooms = rooms
        self._kept: tuple[dict[str, Standing], float] = {}, float("-inf")

    def begin(self, tx: Write, room_id: str, host_id: str) -> None:
        """A room goes on air: its host's newest notes speak for it, and its own responses start anew."""
        newest = select(Candidate.quality, Candidate.topics).where(Candidate.author_id == host_id)
        rows = tx.session.execute(newest.order_by(Candidate.published_at.desc()).limit(HOST_NOTES)).all()
        content = quality.host_score([(row.quality, row.topics) for row in rows])
        counters = {"exposures": 0, "examined": 0.0, "responses": 0.0}
        about = {"since": tx.now, "content": content, "quality": content, **counters}
        upsert(tx.session, Broadcast.__table__, {"room_id": room_id, **about}, ["room_id"], about)
        # The acts of an earlier broadcast: somebody who comes again responds again.
        tx.session.execute(responses.forget(room_id))

    def exposed(self, tx: Write, shown: Sequence[tuple[str, int]]) -> None:
        """Count exposures (room id, position), as `Candidates.exposed` does for notes."""
        weights = {room_id: quality.examination(position) for room_id, position in shown}
        if not weights:
            return
        in_order = select(Broadcast.room_id).where(Broadcast.room_id.in_(weights)).order_by(Broadcast.room_id)
        mine = Broadcast.room_id.in_(in_order.with_for_update())
        examined = Broadcast.examined + case(weights, value=Broadcast.room_id)
        counted = update(Broadcast).where(mine).values(exposures=Broadcast.exposures + 1, examined=examined)
        tx.session.execute(counted.execution_options(synchronize_session=False))

    def end(self, tx: Write, room_id: str) -> None:
        """A room goes off air."""
        tx.session.execute(delete(Broadcast).where(Broadcast.room_id == room_id))

    def chatted(self, tx: Write, person: str, room_id: str) -> None:
        """Somebody said something: it counts once, however much they talk."""
        if responses.told(tx, person, room_id, "chatted"):
            broadcast = self._held(tx, room_id)
            if broadcast is not None and responses.counted(tx, person, room_id, "chatted", broadcast.since):
                self._count(tx, broadcast, quality.RESPONSE_WEIGHTS["chatted"])

    def watch(self) -> None:
        """Look who is in the rooms on air: those whom the feed brought have joined, or stayed. A periodic job."""
        for room_id in self.rooms.live_ids(limit=MOST_ROOMS):
            present = self.rooms.present(room_id)
            self.db.write(lambda tx, seen=(room_id, present): self._watch(tx, *seen))  # type: ignore[misc]

    def _watch(self, tx: Write, room_id: str, present: Sequence[str]) -> None:
        broadcast = self._held(tx, room_id)
        if broadcast is None:
            return
        change = 0.0
        for persons in in_chunks(present):
            brought = responses.exposed(persons, tx.now, broadcast.since).where(Exposure.item_id == room_id)
            guests = {str(row.person) for row in tx.session.execute(brought)}
            change += _begin(tx, room_id, guests, "joined")
            early = Responded.item_id == room_id, Responded.act == "joined", Responded.at <= tx.now - STAYED
            stayed = select(Responded.person).where(*early, Responded.person.in_(guests))
            change += _begin(tx, room_id, set(tx.session.scalars(stayed)), "stayed")
        self._count(tx, broadcast, change)

    def lately(self) -> Mapping[str, Standing]:
        """How the rooms stand, by id, at most as old as a policy may be: what every page asks."""
        kept, at = self._kept
        if at < time.monotonic() - policy.KEPT_FOR:
            rows = select(Broadcast.room_id, Broadcast.quality, Broadcast.exposures < quality.ROOM_GUARANTEE)
            with self.db.read() as session:
                kept = {row[0]: Standing(row[1], row[2]) for row in session.execute(rows)}
            self._kept = kept, time.monotonic()
        return kept

    def _held(self, tx: Write, room_id: str) -> Broadcast | None:
        return tx.session.get(Broadcast, room_id, populate_existing=True, with_for_update=True)

    def _count(self, tx: Write, broadcast: Broadcast, change: float) -> None:
        broadcast.responses += change
        expected = scores.expected_rate(tx.session)
        broadcast.quality = quality.quality(broadcast.content, scores.response(broadcast), expected)
        tx.session.flush()


def _begin(tx: Write, room_id: str, persons: set[str], act: str) -> float:
    """What it is worth that these did so now, once each."""
    rows = [{"person": p, "item_id": room_id, "act": act, "at": tx.now, "counted": True} for p in sorted(persons)]
    new = insert_ignore(tx.session, Responded.__table__, rows) if rows else 0
    return new * quality.RESPONSE_WEIGHTS[act]
