"""The live namespace: frames in, acks back, events out. A frame is parsed, given to one service, and answered.

Every frame is acked with `{"ok": true, ..}` or `{"ok": false, "problem": ..}`; a frame that is refused changed nothing.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from flask_socketio import Namespace
from socketio.exceptions import ConnectionRefusedError as Refused

from accounts import STAFF
from kernel.actor import Actor
from kernel.context import request_id
from kernel.errors import AppError, Forbidden, Invalid, Malformed, TooMany, Unauthenticated
from kernel.http import parse
from kernel.ports import Clock, Realtime
from live import frames
from live.allowance import FrameAllowance
from live.audience import Audience, Authenticate, Connection, Seat
from live.chat import ChatService
from live.counter import Checkout
from live.delivery import Delivery
from live.desk import RoomDesk
from live.directory import RoomDirectory, playlist
from live.log import Defer, at_once
from live.models import Room

log = logging.getLogger("offshelf.live")
Ack = dict[str, Any]
MAX_ROOMS = 20
RECHECK = 15.0  # how old a log-in may be, in seconds, before speaking or buying looks at it again


class LiveNamespace(Namespace):  # type: ignore[misc]
    """`problem` turns an exception into the ack of a refused frame; `defer` runs something after the ack has gone out;
    `count` hears of each frame's kind and result."""

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
        count: Callable[[str, str], None] = lambda kind, result: None,
        limit_addresses: bool = True,
        path: str = "/live",
    ) -> None:
        super().__init__(path)
        self.rooms, self.chat, self.desk, self.checkout = rooms, chat, desk, checkout
        self.count, self.allowance = count, FrameAllowance(limit_addresses)
        self.clock, self.authenticate, self.problem, self.defer = clock, authenticate, problem, defer
        self.delivery = Delivery(rooms.log, clock, self._emit, self._enter)
        self.realtime, self._degraded = realtime, realtime.degraded
        self.audience = Audience(rooms.presence, self.delivery, self._emit, self.leave_room, self._left)
        self._handlers: dict[str, Callable[[Connection, Any], Ack]] = {
            "room.join": self._join,
            "room.leave": self._leave,
            "chat.send": self._chat,
            "offer.quote": self._quote,
            "order.purchase": self._purchase,
            "order.result": self._result,
        }
        realtime.subscribe(self.hear)

    def tick(self) -> None:
        """Once a second: tell everybody when the bus went away or came back, then what the audience waits for."""
        if (degraded := self.realtime.degraded) != self._degraded:
            self._degraded = degraded
            for sid in list(self.audience.connections):
                self._emit("degraded", {"realtime": degraded}, to=sid)
        self.allowance.forget(self.clock.now().timestamp())
        self.audience.tick()

    # -- the door -------------------------------------------------------------------------------------------------

    def trigger_event(self, event: Any, *args: Any) -> Any:
        """Dispatch what python-socketio read. Handlers do without Flask's request context: there is no request."""
        request_id.set(secrets.token_hex(8))
        sid = args[0]
        known = self.audience.connections.get(sid)
        if event == "connect" and known is None and len(args) > 1:
            return self._connect(sid, args[1], args[2] if len(args) > 2 else None)
        if event == "disconnect" and not self.server.manager.is_connected(sid, self.namespace):
            return self.audience.gone(sid)
        kind, result = (event if isinstance(event, str) and event in self._handlers else "other"), "ok"
        try:
            return self._frame(known, event, args[1:])
        except Exception as error:
            result = "refused" if isinstance(error, AppError) else "failed"
            return self.problem(error)
        finally:
            self.count(kind, result)

    def _connect(self, sid: str, environ: Mapping[str, Any], auth: Any) -> None:
        again = partial(self.authenticate, auth, environ)
        try:
            if auth is not None and not isinstance(auth, dict):
                raise Malformed("auth.malformed", 'auth takes an object: {"token": TOKEN}, or nothing.')
            actor = again()
        except Exception as error:
            body = self.problem(error)["problem"]
            raise Refused(body["detail"], body) from None

        now = self.clock.now().timestamp()
        connection = Connection(sid, actor, again, now, actor.person or sid, str(environ.get("REMOTE_ADDR", "")))
        self.audience.connections[sid] = connection
        self._look_behind_walls(connection)
        if actor.account_id is not None:  # after the connect packet, so that nothing overtakes it
            self.defer(self._enter, sid, f"account:{actor.account_id}")
            self.defer(self._close_if_ended, connection)  # what ended the log-in meanwhile found nobody

    def _frame(self, connection: Connection | None, event: Any, args: tuple[Any, ...]) -> Ack:
        if connection is None:
            raise Unauthenticated("session.required", "This connection is not open.")
        self._spend(connection)
        if event is None:  # what stands for a frame that cannot be read
            raise Malformed("frame.malformed", "A frame is a JSON list: the event's name, then one object.")
        handle = self._handlers.get(event) if isinstance(event, str) else None
        if handle is None:
            raise Invalid("event.unknown", f"This namespace takes {', '.join(frames.IN)}.")
        if len(args) != 1 or not isinstance(args[0], dict):
            raise Malformed("frame.malformed", f"{event} takes one JSON object.")
        return {"ok": True, **handle(connection, parse(frames.IN[event].body, args[0]))}

    def _spend(self, connection: Connection) -> None:
        now, person = self.clock.now().timestamp(), connection.actor.person
        self.allowance.spend(person or connection.address, now, person is not None)

    def _account(self, connection: Connection) -> Actor:
        """The actor of a frame that speaks or buys, looked at again when the log-in was checked a while ago."""
        if connection.actor.has(*STAFF) or self.clock.now().timestamp() - connection.checked > RECHECK:
            self._look_again(connection)
        connection.actor.require_account()
        return connection.actor

    def _look_again(self, connection: Connection) -> None:
        """Whose connection it is, in which roles; it ends with its log-in, once the frame is answered."""
        try:
            connection.look_again(self.clock.now().timestamp())
        except Unauthenticated as ended:
            self.defer(self._close, connection, ended.code)
            raise

    def _close_if_ended(self, connection: Connection) -> None:
        """Who cannot be asked now is asked when they come again."""
        try:
            connection.look_again(self.clock.now().timestamp())
        except AppError as error:
            self._close(connection, error.code)

    def _close(self, connection: Connection, code: str) -> None:
        if connection.sid in self.audience.connections:
            self._emit("session.ended", {"code": code}, to=connection.sid)
            self.disconnect(connection.sid)

    # -- frames ---------------------------------------------------------------------------------------------------

    def _join(self, connection: Connection, frame: frames.RoomJoin) -> Ack:
        if len(connection.rooms) >= MAX_ROOMS and frame.room not in connection.rooms:
            raise TooMany("room.too_many", f"At most {MAX_ROOMS} rooms on one connection.", retry_after=1)
        self._look_again(connection)
        room = self._may_enter(connection, frame.room)
        host = self.rooms.host(room)
        chat = self.chat.recent(connection.actor, room.id)
        self.audience.out(connection, room.id)
        state, events, seq = self.rooms.log.catch_up(room.id, frame.after)
        seat = self._sit(connection, room)
        known = {"snapshot": state} if state is not None else {"events": events}
        self.defer(self._admit, connection, room.id, seq, seat)
        viewers = self.rooms.presence.viewers(room.id)
        about = {"viewers": viewers, "host": host.model_dump(mode="json"), "playlist": playlist(room), "chat": chat}
        return {**known, "seq": seq, **about, "degraded": self._degraded}

    def _may_enter(self, connection: Connection, room_id: str) -> Room:
        room = self.rooms.seen(connection.actor, room_id)
        self.desk.check_entry(connection.actor, room_id)
        return room

    def _sit(self, connection: Connection, room: Room) -> Seat:
        """Looked at again once seated: what hid the room or banned the viewer meanwhile found nobody to throw out."""
        seat = self.audience.sit(connection, room.id, room.host_id)
        try:
            self._may_enter(connection, room.id)
        except AppError:
            if self.audience.holds(connection, room.id, seat):
                self.audience.out(connection, room.id)
            raise
        return seat

    def _admit(self, connection: Connection, room_id: str, seq: int, seat: Seat) -> None:
        """After the ack. Who cannot be let in now is thrown out with the code of what failed: they would sit there and hear nothing."""
        try:
            self.audience.admit(connection, room_id, seq, seat)
        except Exception as error:
            code = self.problem(error)["problem"]["code"]
            if self.audience.holds(connection, room_id, seat):
                self.audience.throw_out(connection, room_id, code)

    def _leave(self, connection: Connection, frame: frames.RoomLeave) -> Ack:
        self.audience.out(connection, frame.room)
        return {}

    def _chat(self, connection: Connection, frame: frames.ChatSend) -> Ack:
        actor, said = self._account(connection), (frame.room, frame.text, frame.key)
        if frame.room not in connection.rooms and (again := self.chat.said(actor, *said)) is not None:
            return again.value
        self._must_be_in(connection, frame.room)
        return self.chat.send(actor, *said).value

    def _quote(self, connection: Connection, frame: frames.OfferQuote) -> Ack:
        actor = self._account(connection)
        self._must_be_in(connection, frame.room)
        return self.checkout.quote(actor, frame.room, frame)

    def _purchase(self, connection: Connection, frame: frames.OrderPurchase) -> Ack:
        return self.checkout.place(self._account(connection), frame.quote, frame.key)

    def _result(self, connection: Connection, frame: frames.OrderResult) -> Ack:
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
        elif event == "presence.left":
            self.audience.stays(room_id, data["person"])
        elif event == "room.hidden":
            for connection in self.audience.in_room(room_id):
                seat = connection.rooms.get(room_id)
                if seat and connection.actor.account_id != seat.host_id and not self._is_staff(connection):
                    self.audience.throw_out(connection, room_id, "room.not_found")

    def _hear_account(self, account_id: str, event: str, data: dict[str, Any]) -> None:
        acts: dict[str, Callable[[Connection], Any]] = {
            "walls.changed": self._look_behind_walls,
            "account.suspended": lambda c: self._close(c, "account.suspended"),
            "account.logged_out": self._close_if_ended,
            "room.banned": lambda c: self.audience.throw_out(c, data["room"], "room.banned"),
        }
        if (act := acts.get(event)) is None:
            return self._emit(event, data, to=f"account:{account_id}")
        for connection in self.audience.of(account_id):
            act(connection)
        return None

    def _is_staff(self, connection: Connection) -> bool:
        if connection.actor.has(*STAFF):
            self._close_if_ended(connection)
        return connection.actor.has(*STAFF)

    def _look_behind_walls(self, connection: Connection) -> None:
        """Nobody hears, or stays with, whom they blocked or who blocked them."""
        if connection.actor.account_id is None:
            return
        walls = self.rooms.accounts.walled_off(connection.actor)
        self.delivery.wall(connection.sid, connection.walls, walls)
        connection.walls = walls
        for room_id, seat in list(connection.rooms.items()):
            if seat.host_id in walls:
                self.audience.throw_out(connection, room_id, "room.not_found")

    # -- parts ----------------------------------------------------------------------------------------------------

    def _left(self, room_id: str, person: str) -> None:
        self.realtime.publish(f"room:{room_id}", "presence.left", {"person": person})

    def _emit(self, event: str, data: dict[str, Any], to: str, skip: Collection[str] = ()) -> None:
        server: Any = self.server
        server.emit(event, data, to=to, namespace=self.namespace, skip_sid=list(skip) or None)

    def _enter(self, sid: str, room: str) -> None:
        if self.server.manager.is_connected(sid, self.namespace):
            self.enter_room(sid, room)
