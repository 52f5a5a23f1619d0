"""Chat: best effort, with a counter of its own. What is refused here is refused for everybody alike, on every door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from accounts import STAFF, AccountRef, AccountService, out_of_sight
from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.db import Database, Write
from kernel.errors import Conflict, Forbidden, NotFound, TooMany
from kernel.idempotency import Answer, once, replayed
from kernel.ids import new_id
from kernel.ports import KeyValue, Realtime
from live.desk import restriction
from live.directory import RoomDirectory
from live.facts import ChatSent
from live.models import ChatRow, Room
from live.words import DOUBT, REFUSE, refused, weigh
from moderation import Screening, Subject

RECENT = 50


@dataclass(frozen=True)
class ChatRate:
    """At most `limit` messages of a person in `window` seconds, in all rooms together."""

    limit: int = 5
    window: float = 5.0


class ChatService:
    """Messages are kept, so that they can be reported and moderated."""

    def __init__(
        self,
        db: Database,
        accounts: AccountService,
        directory: RoomDirectory,
        kv: KeyValue,
        realtime: Realtime,
        screening: Screening,
        rate: ChatRate | None = ChatRate(),
    ) -> None:
        self.db = db
        self.accounts = accounts
        self.directory = directory
        self.kv = kv
        self.realtime = realtime
        self.screening = screening
        self.rate = rate

    def send(self, actor: Actor, room_id: str, text: str, key: str) -> Answer:
        """Say something: `{"id", "n"}`. `room.not_live`, `chat.muted`, `room.banned`, `chat.slow`, `chat.too_fast`,
        `chat.refused`: what certainly breaks a rule, or is doubtful while an earlier doubt about the speaker is open."""
        account_id = actor.require_account()
        if (again := self.said(actor, room_id, text, key)) is not None:
            return again
        self._spend(account_id, self.directory.seen(actor, room_id))
        weight = weigh(text)
        if weight == REFUSE:
            raise refused()

        def write(tx: Write) -> dict[str, Any]:
            self._check_speaker(tx, room_id, actor)
            counted = update(Room).where(Room.id == room_id, Room.status == "live", Room.hidden.is_(False))
            n = tx.session.scalar(counted.values(chat_n=Room.chat_n + 1).returning(Room.chat_n))
            if n is None:
                raise Conflict("room.not_live", "This room is not on air.")
            row = ChatRow(id=new_id("chat", tx.now), room_id=room_id, account_id=account_id, n=n, text=text, at=tx.now)
            tx.session.add(row)
            if weight == DOUBT and not self.screening.doubt(tx, Subject("chat", row.id, 1, account_id, text)):
                raise refused()
            tx.record(ChatSent(room_id, row.id, account_id))
            return {"id": row.id, "n": n}

        return self.db.write(once(*_command(actor, room_id, text, key), write))

    def said(self, actor: Actor, room_id: str, text: str, key: str) -> Answer | None:
        """What this was answered when it was said already, whatever became of the room or the speaker since."""
        return replayed(self.db, *_command(actor, room_id, text, key))

    def publish(self, chat_id: str) -> None:
        """Pass a committed message on to the sockets."""
        with self.db.read() as session:
            row = session.get(ChatRow, chat_id)
        if row is not None and row.deleted_by is None:
            senders = self.accounts.refs([row.account_id])
            self.realtime.publish(f"room:{row.room_id}", "chat.message", _message(row, senders[row.account_id]))

    def retract(self, chat_id: str) -> None:
        """Tell the sockets that a message is gone."""
        with self.db.read() as session:
            row = session.get_one(ChatRow, chat_id)
        gone = {"room": row.room_id, "id": row.id, "n": row.n}
        self.realtime.publish(f"room:{row.room_id}", "chat.deleted", gone)

    def recent(self, viewer: Actor, room_id: str, limit: int = RECENT) -> list[dict[str, Any]]:
        """The last messages, oldest first, without those of suspended accounts and of people behind a block."""
        there = ChatRow.deleted_by.is_(None), ~out_of_sight(ChatRow.account_id, viewer.account_id)
        query = select(ChatRow).where(ChatRow.room_id == room_id, *there).order_by(ChatRow.n.desc()).limit(limit)
        with self.db.read() as session:
            rows = list(session.scalars(query))
        senders = self.accounts.refs(row.account_id for row in rows)
        return [_message(row, senders[row.account_id]) for row in reversed(rows) if row.account_id in senders]

    def get(self, chat_id: str) -> dict[str, Any]:
        """One message, for whoever moderates it."""
        with self.db.read() as session:
            row = session.get(ChatRow, chat_id)
        if row is None:
            raise NotFound("chat.not_found", "There is no such message.")
        return {"id": row.id, "room": row.room_id, "account": row.account_id, "text": row.text, "n": row.n}

    def to_judge(self, viewer: Actor, chat_id: str) -> ChatRow:
        """A message in a room that `viewer` may see; deleted ones for staff only. Raises `chat.not_found`."""
        with self.db.read() as session:
            row = session.get(ChatRow, chat_id)
        if row is None or (row.deleted_by is not None and not viewer.has(*STAFF)):
            raise NotFound("chat.not_found", "There is no such message.")
        self.directory.seen(viewer, row.room_id)
        return row

    def _spend(self, account_id: str, room: Room) -> None:
        if room.slow and account_id != room.host_id:
            allowance = self.kv.spend(f"chat-slow:{room.id}:{account_id}", 1, room.slow)
            if not allowance.allowed:
                raise TooMany("chat.slow", f"One message in {room.slow} seconds here.", retry_after=allowance.reset)
        if self.rate is not None:
            allowance = self.kv.spend(f"chat:{account_id}", self.rate.limit, self.rate.window)
            if not allowance.allowed:
                raise TooMany("chat.too_fast", "You speak faster than anybody reads.", retry_after=allowance.reset)

    def _check_speaker(self, tx: Write, room_id: str, actor: Actor) -> None:
        found = restriction(tx.session, room_id, actor.require_account(), tx.now)
        if found is not None and not actor.has(*STAFF):
            until = None if found.until is None else rfc3339(found.until)
            code = "room.banned" if found.kind == "ban" else "chat.muted"
            raise Forbidden(code, "You may not speak in this room.", until=until)


def _command(actor: Actor, room_id: str, text: str, key: str) -> tuple[Actor, str, str, dict[str, str]]:
    return actor, key, "chat.send", {"room": room_id, "text": text}


def _message(row: ChatRow, sender: AccountRef) -> dict[str, Any]:
    who = sender.model_dump(mode="json")
    return {"room": row.room_id, "id": row.id, "n": row.n, "from": who, "text": row.text, "at": rfc3339(row.at)}
