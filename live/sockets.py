"""The live namespace: frames in, acks back, events out. A frame is parsed, given to one service, and answered.

Every frame is acked with `{"ok": true, ..}` or `{"ok": false, "problem": ..}`; a frame that is refused changed nothing.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from flask_socketio import Namespace
from socketio.exceptions import ConnectionRefusedError as Refused

from kernel.actor import Actor
from kernel.context import request_id
from kernel.errors import Forbidden, Invalid, Malformed, TooMany, Unauthenticated
from kernel.http import parse
from kernel.ports import Clock, Realtime
from live import frames
from live import schemas as s
from live.chat import ChatService
from live.delivery import Delivery, channel
from live.desk import RoomDesk
from live.directory import RoomDirectory, playlist
from live.log import Defer, at_once
from live.presence import RENEW

log = logging.getLogger("offshelf.live")
Ack = dict[str, Any]
MAX_ROOMS = 20
FRAMES, WINDOW = 100, 10.0  # at most so many frames in so many seconds on one connection
RECHECK = 15.0  # how old a log-in may be, in seconds, before speaking or buying looks at it again


class Checkout(Protocol):
    """What shop answers to the frames that buy. JSON in, JSON out, refusals raised."""

    def quote(self, actor: Actor, room_id: str, frame: s.OfferQuote) -> dict[str, Any]: ...

    def place(self, actor: Actor, quote: str, key: str) -> dict[str, Any]: ...

    def result(self, actor: Actor, key: str) -> dict[str, Any]: ...


class Authenticate(Protocol):
    """Who connects, from `auth` or the cookies of the handshake; raises `Unauthenticated`."""

    def __call__(self, auth: Mapping[str, Any] | None, environ: Mapping[str, Any]) -> Actor: ...


@dataclass(frozen=True, eq=False)
class Seat:
    """A connection's place in a room; another join is another seat."""

    host_id: str


@dataclass
class Connection:
    """One socket. `who` names it in presence: a person once, however many tabs they have open."""

    sid: str
    actor: Actor
    again: Callable[[], Actor]
    checked: float
    who: str
    rooms: dict[str, Seat] = field(default_factory=dict)
    walls: frozenset[str] = frozenset()
    frames: int = 0
    window: float = 0.0


class LiveNamespace(Namespace):  # type: ignore[misc]
    """`problem` turns an exception into the ack of a refused frame; `defer` runs something after the ack has gone out."""

    def __init__(
        self,
        rooms: RoomDirectory,
        chat: ChatService,
        desk: RoomDesk,
        checkout: Checkout,
        realtime: Realtime,
        clock: Clock,
        authenticate: Authenticate,
        problem: Callable[[Exception], Ack],
        defer: Defer = at_once,
        path: str = "/live",
    ) -> None:
        super().__init__(path)
        self.rooms, self.chat, self.desk, self.checkout = rooms, chat, desk, checkout
        self.clock, self.authenticate, self.problem, self.defer = clock, authenticate, problem, defer
        self.delivery = Delivery(rooms.log, clock, self._emit, self._enter)
        self._connections: dict[str, Connection] = {}
        self._seats: Counter[tuple[str, str]] = Counter()  # (room, person) -> connections
        self._viewers: dict[str, int] = {}
        self._ticks = 0
        self._handlers: dict[str, Callable[[Connection, Any], Ack]] = {
            "room.join": self._join,
            "room.leave": self._leave,
            "chat.send": self._chat,
            "offer.quote": self._quote,
            "order.purchase": self._purchase,
            "order.result": self._result,
        }
        realtime.subscribe(self.hear)

    # -- the door -------------------------------------------------------------------------------------------------

    def trigger_event(self, event: Any, *args: Any) -> Any:
        """Dispatch what python-socketio read. Handlers do without Flask's request context: there is no request."""
        request_id.set(secrets.token_hex(8))
        sid = args[0]
        known = self._connections.get(sid)
        if event == "connect" and known is None and len(args) > 1:
            return self._connect(sid, args[1], args[2] if len(args) > 2 else None)
        if event == "disconnect" and not self.server.manager.is_connected(sid, self.namespace):
            return self._disconnect(sid)
        try:
            return self._frame(known, event, args[1:])
        except Exception as error:
            return self.problem(error)

    def _connect(self, sid: str, environ: Mapping[str, Any], auth: Any) -> None:
        try:
            if auth is not None and not isinstance(auth, dict):
                raise Malformed("auth.malformed", 'auth takes an object: {"token": TOKEN}, or nothing.')
            actor = self.authenticate(auth, environ)
        except Exception as error:
            body = self.problem(error)["problem"]
            raise Refused(body["detail"], body) from None

        def again() -> Actor:
            return self.authenticate(auth, environ)

        now = self.clock.now().timestamp()
        connection = Connection(sid, actor, again, now, actor.person or sid, window=now)
        self._connections[sid] = connection
        self._look_behind_walls(connection)
        if actor.person is not None:  # after the connect packet, so that nothing overtakes it
            self.defer(self._enter, sid, f"account:{actor.person}")

    def _disconnect(self, sid: str) -> None:
        connection = self._connections.pop(sid, None)
        if connection is not None:
            for room_id in list(connection.rooms):
                self._out(connection, room_id)
            self.delivery.wall(sid, connection.walls, ())

    def _frame(self, connection: Connection | None, event: Any, args: tuple[Any, ...]) -> Ack:
        if connection is None:
            raise Unauthenticated("session.required", "This connection is not open.")
        self._spend(connection)
        handle = self._handlers.get(event) if isinstance(event, str) else None
        if handle is None:
            raise Invalid("event.unknown", f"This namespace takes {', '.join(frames.IN)}.")
        if len(args) != 1 or not isinstance(args[0], dict):
            raise Malformed("frame.malformed", f"{event} takes one JSON object.")
        return {"ok": True, **handle(connection, parse(frames.IN[event].body, args[0]))}

    def _spend(self, connection: Connection) -> None:
        now = self.clock.now().timestamp()
        if now - connection.window >= WINDOW:
            connection.window, connection.frames = now, 0
        connection.frames += 1
        if connection.frames > FRAMES:
            wait = max(0.0, WINDOW - (now - connection.window))
            raise TooMany("rate.limited", f"At most {FRAMES} frames in {WINDOW:g} seconds.", retry_after=wait)

    def _account(self, connection: Connection) -> Actor:
        """The actor of a frame that speaks or buys, looked at again when the log-in was checked a while ago."""
        now = self.clock.now().timestamp()
        if now - connection.checked > RECHECK:
            connection.actor, connection.checked = connection.again(), now
        connection.actor.require_account()
        return connection.actor

    # -- frames ---------------------------------------------------------------------------------------------------

    def _join(self, connection: Connection, frame: s.RoomJoin) -> Ack:
        room = self.rooms.seen(connection.actor, frame.room)
        self.desk.check_entry(connection.actor, frame.room)
        if len(connection.rooms) >= MAX_ROOMS and frame.room not in connection.rooms:
            raise TooMany("room.too_many", f"At most {MAX_ROOMS} rooms on one connection.", retry_after=1)
        host = self.rooms.host(room)
        chat = self.chat.recent(connection.actor, room.id)
        if room.id in connection.rooms:
            self._out(connection, room.id)
        state, events, seq = self.rooms.log.catch_up(room.id, frame.after)
        seat = self._sit(connection, room.id, room.host_id)
        known = {"snapshot": state} if state is not None else {"events": events}
        self.defer(self._admit, connection, room.id, seq, seat)
        viewers = self.rooms.presence.viewers(room.id)
        about = {"viewers": viewers, "host": host.model_dump(mode="json"), "playlist": playlist(room), "chat": chat}
        return {**known, "seq": seq, **about}

    def _sit(self, connection: Connection, room_id: str, host_id: str) -> Seat:
        seat = connection.rooms[room_id] = Seat(host_id)
        self._seats[room_id, connection.who] += 1
        self.rooms.presence.enter(room_id, connection.who)
        return seat

    def _admit(self, connection: Connection, room_id: str, seq: int, seat: Seat) -> None:
        def wanted() -> bool:
            return connection.sid in self._connections and connection.rooms.get(room_id) is seat

        self.delivery.admit(connection.sid, room_id, seq, wanted)

    def _leave(self, connection: Connection, frame: s.RoomLeave) -> Ack:
        if frame.room in connection.rooms:
            self._out(connection, frame.room)
        return {}

    def _chat(self, connection: Connection, frame: s.ChatSend) -> Ack:
        actor = self._account(connection)
        self._must_be_in(connection, frame.room)
        return self.chat.send(actor, frame.room, frame.text, frame.key).value

    def _quote(self, connection: Connection, frame: s.OfferQuote) -> Ack:
        actor = self._account(connection)
        self._must_be_in(connection, frame.room)
        return self.checkout.quote(actor, frame.room, frame)

    def _purchase(self, connection: Connection, frame: s.OrderPurchase) -> Ack:
        return self.checkout.place(self._account(connection), frame.quote, frame.key)

    def _result(self, connection: Connection, frame: s.OrderResult) -> Ack:
        return self.checkout.result(self._account(connection), frame.key)

    def _must_be_in(self, connection: Connection, room_id: str) -> None:
        if room_id not in connection.rooms:
            self.rooms.seen(connection.actor, room_id)
            raise Forbidden("room.not_joined", "Join the room first.")

    # -- what the bus says ----------------------------------------------------------------------------------------

    def hear(self, topic: str, event: str, data: dict[str, Any]) -> None:
        """Something was published, here or in another process."""
        kind, _, who = topic.partition(":")
        if kind == "room":
            self._hear_room(who, event, data)
        elif kind == "account":
            self._hear_account(who, event, data)

    def _hear_room(self, room_id: str, event: str, data: dict[str, Any]) -> None:
        if event == "room.event":
            self.delivery.event(room_id, data)
        elif event in ("chat.message", "chat.deleted"):
            self.delivery.chat(room_id, event, data)
        elif event == "room.hidden":
            for connection in self._in_room(room_id):
                if not connection.actor.has("moderator", "admin"):
                    self._throw_out(connection, room_id, "room.not_found")

    def _hear_account(self, account_id: str, event: str, data: dict[str, Any]) -> None:
        acts: dict[str, Callable[[Connection], Any]] = {
            "walls.changed": self._look_behind_walls,
            "account.suspended": lambda c: self.disconnect(c.sid),
            "room.banned": lambda c: self._throw_out(c, data["room"], "room.banned"),
        }
        if (act := acts.get(event)) is None:
            return self._emit(event, data, to=f"account:{account_id}")
        for connection in list(self._connections.values()):
            if connection.actor.account_id == account_id:
                act(connection)
        return None

    def _look_behind_walls(self, connection: Connection) -> None:
        """Nobody hears, or stays with, whom they blocked or who blocked them."""
        if connection.actor.account_id is None:
            return
        walls = self.rooms.accounts.walled_off(connection.actor)
        self.delivery.wall(connection.sid, connection.walls, walls)
        connection.walls = walls
        for room_id, seat in list(connection.rooms.items()):
            if seat.host_id in walls:
                self._throw_out(connection, room_id, "room.not_found")

    # -- the clock ------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Once a second: viewer counts that changed; now and then renewed leases and what the bus lost."""
        self._ticks += 1
        if self._ticks % int(RENEW) == 0:
            self._renew()
        if self._ticks % 2 == 0:
            self.delivery.catch_up()
        for room_id in self.delivery.rooms():
            viewers = self.rooms.presence.viewers(room_id)
            if self._viewers.get(room_id) != viewers:
                self._viewers[room_id] = viewers
                self._emit("presence", {"room": room_id, "viewers": viewers}, to=channel(room_id))
        for room_id in set(self._viewers) - set(self.delivery.rooms()):
            del self._viewers[room_id]

    def _renew(self) -> None:
        for room_id, who in list(self._seats):
            self.rooms.presence.enter(room_id, who)

    # -- parts ----------------------------------------------------------------------------------------------------

    def _out(self, connection: Connection, room_id: str) -> None:
        del connection.rooms[room_id]
        self.delivery.dismiss(connection.sid, room_id)
        if connection.sid in self._connections:
            self.leave_room(connection.sid, channel(room_id))
        place = (room_id, connection.who)
        self._seats[place] -= 1
        if self._seats[place] <= 0:
            del self._seats[place]
            self.rooms.presence.leave(*place)

    def _throw_out(self, connection: Connection, room_id: str, code: str) -> None:
        if room_id in connection.rooms:
            self._out(connection, room_id)
            self._emit("room.gone", {"room": room_id, "code": code}, to=connection.sid)

    def _in_room(self, room_id: str) -> list[Connection]:
        return [self._connections[sid] for sid in self.delivery.members(room_id) if sid in self._connections]

    def _emit(self, event: str, data: dict[str, Any], to: str, skip: Collection[str] = ()) -> None:
        server: Any = self.server
        server.emit(event, data, to=to, namespace=self.namespace, skip_sid=list(skip) or None)

    def _enter(self, sid: str, room: str) -> None:
        if self.server.manager.is_connected(sid, self.namespace):
            self.enter_room(sid, room)
