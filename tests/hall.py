"""The live namespace with its services, on a server of wood: a test decides what happens between two steps."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from live import LiveNamespace, ShopCounter
from tests.house import House
from web.errors import ack_problem
from web.sockets import authenticator


class Wood:
    """Socket.IO without sockets: who is in which room, and what was emitted to whom."""

    def __init__(self, closed: Callable[[str], None]) -> None:
        self.closed = closed
        self.here: set[str] = set()
        self.rooms: set[tuple[str, str]] = set()
        self.sent: list[tuple[str, str, Any]] = []
        self.manager = SimpleNamespace(is_connected=lambda sid, namespace: sid in self.here)

    def enter_room(self, sid: str, room: str, namespace: str) -> None:
        self.rooms.add((sid, room))

    def leave_room(self, sid: str, room: str, namespace: str) -> None:
        self.rooms.discard((sid, room))

    def disconnect(self, sid: str, namespace: str) -> None:
        self.here.discard(sid)
        self.rooms = {(one, room) for one, room in self.rooms if one != sid}
        self.closed(sid)

    def emit(self, event: str, data: Any, to: str, namespace: str, skip_sid: Any) -> None:
        receivers = {sid for sid, room in self.rooms if room == to} | ({to} & self.here)
        self.sent += [(event, sid, data) for sid in receivers]


class Hall:
    """A namespace in which what comes after an ack waits until it is let."""

    def __init__(self, house: House) -> None:
        services, self.later = house.services, list[tuple[Callable[..., None], tuple[Any, ...]]]()
        self.live = LiveNamespace(
            rooms=services.directory,
            chat=services.chat,
            desk=services.desk,
            checkout=ShopCounter(services.checkout),
            realtime=house.engines.realtime,
            clock=house.clock,
            authenticate=authenticator(services.accounts),
            problem=ack_problem,
            defer=lambda fn, *args: self.later.append((fn, args)),
        )
        self.server = self.live.server = Wood(lambda sid: self.live.trigger_event("disconnect", sid))

    def enter(self, sid: str, token: str | None = None, address: str = "", cookie: str = "") -> None:
        self.server.here.add(sid)
        environ = {"REMOTE_ADDR": address, "HTTP_COOKIE": cookie}
        self.live.trigger_event("connect", sid, environ, {"token": token} if token else None)

    def join(self, sid: str, room: str, after: int | None = None) -> dict[str, Any]:
        frame = {"room": room} if after is None else {"room": room, "after": after}
        answer: dict[str, Any] = self.live.trigger_event("room.join", sid, frame)
        return answer

    def leave(self, sid: str) -> None:
        self.server.here.discard(sid)
        self.live.trigger_event("disconnect", sid)

    def settle(self) -> None:
        """What was to come after the acks."""
        waiting, self.later[:] = list(self.later), []
        for act, args in waiting:
            act(*args)

    def heard(self, event: str) -> list[Any]:
        return [data for name, _, data in self.server.sent if name == event]


def token_of(client: Any) -> str:
    return str(client.headers["Authorization"].removeprefix("Bearer "))
