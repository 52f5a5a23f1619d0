"""The log of a room: events written down in the commit that causes them, numbered without gaps by one sequencer per room.

A number taken inside an order's own transaction would be a hot row for the whole shop; so a commit leaves an outbox row,
and whoever holds the room's head row numbers what lies there, folds it into the state and publishes it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from kernel.clock import rfc3339
from kernel.db import Database, Write, insert_ignore
from kernel.errors import AppError, NotFound
from kernel.ports import Realtime
from live import state as rooms
from live.facts import RoomEventQueued
from live.models import EventRow, LogHead, OutboxRow, Room

log = logging.getLogger("offshelf.live")
BATCH = 200
PAGE = 500
Defer = Callable[..., None]


def at_once(fn: Callable[..., None], *args: Any) -> None:
    """Run in the caller, where there is no loop to run it beside."""
    fn(*args)


class RoomLog:
    """`media_at(room_id)` is the programme time at the live edge; `defer(fn, *args)` runs the sequencer beside the caller."""

    def __init__(
        self,
        db: Database,
        realtime: Realtime,
        media_at: Callable[[str], datetime | None],
        defer: Defer = at_once,
    ) -> None:
        self.db = db
        self.realtime = realtime
        self._media_at = media_at
        self._defer = defer
        self._turn = threading.Lock()
        self._dirty: set[str] = set()
        self._running: set[str] = set()

    # -- writing --------------------------------------------------------------------------------------------------

    def open(self, tx: Write, room_id: str) -> None:
        """Begin the log of a new room."""
        head = {"room_id": room_id, "seq": 0, "state": rooms.fresh(room_id)}
        insert_ignore(tx.session, LogHead.__table__, head)

    def append(self, tx: Write, room_id: str, session_id: str, kind: str, data: dict[str, Any]) -> None:
        """Write an event down inside `tx`; it gets its number after the commit."""
        if kind not in rooms.KINDS:
            raise ValueError(f"there is no event of the kind {kind!r}")
        row = {"room_id": room_id, "session_id": session_id, "kind": kind, "at": tx.now, "data": data}
        tx.session.execute(insert(OutboxRow).values(row))
        tx.record(RoomEventQueued(room_id))

    def tell(self, tx: Write, room_id: str, kind: str, data: dict[str, Any]) -> None:
        """An event of the running session; nothing when the room is not on air."""
        session_id = tx.session.scalar(select(Room.session_id).where(Room.id == room_id, Room.status == "live"))
        if session_id is not None:
            self.append(tx, room_id, session_id, kind, data)

    def nudge(self, room_id: str) -> None:
        """Something lies in the outbox. One sequencer a room and process runs; it also takes what comes meanwhile."""
        with self._turn:
            self._dirty.add(room_id)
            if room_id in self._running:
                return
            self._running.add(room_id)
        self._defer(self._drain, room_id)

    def _drain(self, room_id: str) -> None:
        while True:
            with self._turn:
                if room_id not in self._dirty:
                    self._running.discard(room_id)
                    return
                self._dirty.discard(room_id)
            try:
                self.sequence(room_id)
            except Exception:  # the sweep comes back to it
                log.exception("numbering the events of %s failed", room_id)

    def sequence(self, room_id: str) -> int:
        """Number and publish what waits; how many events. Safe in several processes at once."""
        total = 0
        while True:
            media_at = self._media_at(room_id)
            events = self.db.write(lambda tx, media_at=media_at: _number(tx, room_id, media_at))  # type: ignore[misc]
            for event in events:
                self.realtime.publish(f"room:{room_id}", "room.event", event)
            total += len(events)
            if len(events) < BATCH:
                return total

    def settle(self, room_id: str) -> None:
        """Number what waits before somebody looks: whoever was told that something happened finds it in the log."""
        with self.db.read() as session:
            waiting = session.scalar(select(OutboxRow.id).where(OutboxRow.room_id == room_id).limit(1))
        if waiting is not None:
            try:
                self.sequence(room_id)
            except AppError:  # looking does not fail because writing does
                log.exception("numbering the events of %s failed", room_id)

    def sequence_all(self) -> int:
        """Number what a killed process left in the outbox; how many events."""
        with self.db.read() as session:
            waiting = session.scalars(select(OutboxRow.room_id).distinct()).all()
        return sum(self.sequence(room_id) for room_id in waiting)

    # -- reading --------------------------------------------------------------------------------------------------

    def snapshot(self, room_id: str) -> tuple[rooms.State, int]:
        """The state and the number of the last event in it: one row, hence consistent."""
        with self.db.read() as session:
            head = session.get(LogHead, room_id)
        if head is None:
            raise NotFound("room.not_found", "There is no such room.")
        return head.state, head.seq

    def heads(self, room_ids: Sequence[str]) -> dict[str, int]:
        """The last number of each of these rooms."""
        with self.db.read() as session:
            heads = session.scalars(select(LogHead).where(LogHead.room_id.in_(room_ids)))
            return {head.room_id: head.seq for head in heads}

    def events_after(self, room_id: str, seq: int, limit: int = PAGE) -> list[dict[str, Any]]:
        """Up to `limit` events that follow number `seq`, in order."""
        with self.db.read() as session:
            rows = session.scalars(
                select(EventRow)
                .where(EventRow.room_id == room_id, EventRow.seq > seq)
                .order_by(EventRow.seq)
                .limit(limit)
            )
            return [_event(row.room_id, row.seq, row.kind, row.at, row.media_at, row.data) for row in rows]

    def catch_up(self, room_id: str, after: int | None) -> tuple[rooms.State | None, list[dict[str, Any]], int]:
        """What somebody who knows `after` needs: the missed events, or a snapshot when they know nothing of ours or too little."""
        self.settle(room_id)
        if after is not None:
            events = self.events_after(room_id, after, PAGE + 1)
            last = events[-1]["seq"] if events else self.heads([room_id]).get(room_id, 0)
            if len(events) <= PAGE and last >= after and (events or last == after):
                return None, events, last
        state, seq = self.snapshot(room_id)
        return state, [], seq


def _number(tx: Write, room_id: str, media_at: datetime | None) -> list[dict[str, Any]]:
    """Holding the head row, move the waiting events into the log. Whoever else tries waits, then finds nothing."""
    head = tx.session.scalars(select(LogHead).where(LogHead.room_id == room_id).with_for_update()).one_or_none()
    waiting = _waiting(tx.session, room_id)
    if head is None or not waiting:
        return []
    state, seq, events, rows = head.state, head.seq, [], []
    for row in waiting:
        seq += 1
        event = _event(room_id, seq, row.kind, row.at, media_at, row.data)
        state = rooms.apply(state, event)
        events.append(event)
        rows.append(
            {
                "room_id": room_id,
                "seq": seq,
                "session_id": row.session_id,
                "kind": row.kind,
                "at": row.at,
                "media_at": media_at,
                "data": row.data,
            }
        )
    tx.session.execute(insert(EventRow), rows)
    tx.session.execute(
        delete(OutboxRow)
        .where(OutboxRow.id.in_([row.id for row in waiting]))
        .execution_options(synchronize_session=False)
    )
    head.state, head.seq = state, seq
    return events


def _waiting(session: Session, room_id: str) -> Sequence[Any]:
    table = OutboxRow
    columns = (table.id, table.session_id, table.kind, table.at, table.data)
    return session.execute(select(*columns).where(table.room_id == room_id).order_by(table.id).limit(BATCH)).all()


def _event(
    room_id: str, seq: int, kind: str, at: datetime, media_at: datetime | None, data: dict[str, Any]
) -> dict[str, Any]:
    return {
        "room": room_id,
        "seq": seq,
        "kind": kind,
        "at": rfc3339(at),
        "media_at": None if media_at is None else rfc3339(media_at),
        "data": data,
    }
