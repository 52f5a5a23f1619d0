"""Who sits where in this process: connections, their places in rooms, and what presence hears of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kernel.actor import Actor
from kernel.errors import Unauthenticated
from live.delivery import Delivery, Emit, channel
from live.presence import RENEW, Presence


class Authenticate(Protocol):
    """Who connects, from `auth` or the cookies of the handshake; raises `Unauthenticated`."""

    def __call__(self, auth: Mapping[str, Any] | None, environ: Mapping[str, Any]) -> Actor: ...


@dataclass(frozen=True, eq=False)
class Seat:
    """A connection's place in a room; another join is another seat."""

    host_id: str


@dataclass
class Connection:
    """One socket. `who` names it in presence: a person once, however many tabs they have open. `address` is its own."""

    sid: str
    actor: Actor
    again: Callable[[], Actor]
    checked: float
    who: str
    address: str = ""
    rooms: dict[str, Seat] = field(default_factory=dict)
    walls: frozenset[str] = frozenset()

    def look_again(self, now: float) -> None:
        """Whose it is, in which roles; `Unauthenticated` when its log-in has ended."""
        if self.actor.account_id is None:
            return
        actor = self.again()
        actor.require_account()
        self.actor, self.checked = actor, now


class Audience:
    """`leave(sid, channel)` takes a connection out of a Socket.IO room; `left(room_id, person)` tells every process that this
    one has no connection of theirs left there."""

    def __init__(
        self,
        presence: Presence,
        delivery: Delivery,
        emit: Emit,
        leave: Callable[[str, str], None],
        left: Callable[[str, str], None],
    ) -> None:
        self.presence = presence
        self.delivery = delivery
        self.connections: dict[str, Connection] = {}
        self._emit, self._leave, self._left = emit, leave, left
        self._seats: Counter[tuple[str, str]] = Counter()  # (room, person) -> connections
        self._viewers: dict[str, int | None] = {}
        self._ticks = 0

    def gone(self, sid: str) -> None:
        """A connection has ended."""
        connection = self.connections.pop(sid, None)
        if connection is not None:
            for room_id in list(connection.rooms):
                self.out(connection, room_id)
            self.delivery.wall(sid, connection.walls, ())

    # -- seats ----------------------------------------------------------------------------------------------------

    def sit(self, connection: Connection, room_id: str, host_id: str) -> Seat:
        """Take a place; who has gone meanwhile gets none, for nobody would take it back."""
        if connection.sid not in self.connections:
            raise Unauthenticated("session.required", "This connection is not open.")
        seat = connection.rooms[room_id] = Seat(host_id)
        self._seats[room_id, connection.who] += 1
        self.presence.enter(room_id, connection.who)
        return seat

    def holds(self, connection: Connection, room_id: str, seat: Seat) -> bool:
        """Whether this very seat is still taken."""
        return connection.sid in self.connections and connection.rooms.get(room_id) is seat

    def admit(self, connection: Connection, room_id: str, seq: int, seat: Seat) -> None:
        """Begin to send events to a connection that knows everything up to `seq`."""
        self.delivery.admit(connection.sid, room_id, seq, lambda: self.holds(connection, room_id, seat))

    def out(self, connection: Connection, room_id: str) -> None:
        """Give the place back."""
        if connection.rooms.pop(room_id, None) is None:
            return
        self.delivery.dismiss(connection.sid, room_id)
        if connection.sid in self.connections:
            self._leave(connection.sid, channel(room_id))
        place = (room_id, connection.who)
        self._seats[place] -= 1
        if self._seats[place] <= 0:
            del self._seats[place]
            self.presence.leave(*place)
            if connection.actor.person is not None:  # who is nobody has this one connection
                self._left(*place)

    def stays(self, room_id: str, person: str) -> None:
        """They left the room in some process: who has a connection here, too, goes on being there."""
        if (room_id, person) in self._seats:
            self.presence.enter(room_id, person)

    def throw_out(self, connection: Connection, room_id: str, code: str) -> None:
        """Take the place away, and say why."""
        if room_id in connection.rooms:
            self.out(connection, room_id)
            self._emit("room.gone", {"room": room_id, "code": code}, to=connection.sid)

    def in_room(self, room_id: str) -> list[Connection]:
        """Who has a seat, those included who are not admitted yet."""
        return [connection for connection in list(self.connections.values()) if room_id in connection.rooms]

    def of(self, account_id: str) -> list[Connection]:
        """The connections of an account."""
        return [one for one in list(self.connections.values()) if one.actor.account_id == account_id]

    # -- the clock ------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Once a second: viewer counts that changed; now and then renewed leases and what the bus lost."""
        self._ticks += 1
        if (
            self._ticks % int(RENEW) == 0 or None in self._viewers.values()
        ):  # a store that comes back may come back empty
            for place in list(self._seats):
                self.presence.enter(*place)
        if self._ticks % 2 == 0:
            self.delivery.catch_up()
        watched = self.delivery.rooms()
        for room_id in watched:
            viewers = self.presence.viewers(room_id)
            if self._viewers.get(room_id) != viewers:
                self._viewers[room_id] = viewers
                self._emit("presence", {"room": room_id, "viewers": viewers}, to=channel(room_id))
        for room_id in set(self._viewers) - set(watched):
            del self._viewers[room_id]
