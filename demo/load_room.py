"""The room that is on air when the demo starts."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from demo.content import Room
from demo.writer import Writer
from kernel.idempotency import new_key
from kernel.ports import Ingest, Stream
from live import RoomIn

ROOM = "live room"
_AHEAD = timedelta(minutes=12)
"""How long the broadcast has been on when somebody comes."""


class NoStream:
    """A media server for the time of the load: nobody watches yet. The server takes the stream up when it starts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._on: dict[str, datetime] = {}

    def start(self, stream_id: str, source: str | Ingest = "test") -> Stream:
        began = self._on.setdefault(stream_id, datetime.now().astimezone())
        return Stream(stream_id, self._folder / stream_id, began)

    def receiving(self, stream_id: str) -> bool:
        return False

    def kept(self, stream_id: str) -> bool:
        return stream_id in self._on

    def tend(self) -> None:
        pass

    def stored(self) -> list[str]:
        return []

    def clear(self, stream_id: str) -> None:
        pass

    def stop(self, stream_id: str) -> None:
        self._on.pop(stream_id, None)

    def file(self, stream_id: str, name: str) -> Path | None:
        return None

    def media_at(self, stream_id: str) -> datetime | None:
        return None

    def close(self) -> None:
        self._on.clear()


def open_rooms(w: Writer) -> None:
    """The rooms stand on the eve of the 30 days, with their shelves: people come and buy on earlier evenings too."""
    w.clock.move_to(w.before_all(hours=2))
    for room in w.plan.rooms:
        form = RoomIn(title=room.title, shelf=[w.skus[key] for key in room.shelf])
        w.rooms[room.key] = w.services.rooms.create(w.actor(room.host), form).value["id"]


def go_on_air(w: Writer, now: datetime) -> None:
    """Each room starts a while before ``now``; people chat, and the host shows a product."""
    w.progress.begin(ROOM, len(w.plan.rooms))
    for room in w.plan.rooms:
        _broadcast(w, room, now)
        w.progress.step(ROOM)


def _broadcast(w: Writer, room: Room, now: datetime) -> None:
    rooms, room_id, host = w.services.rooms, w.rooms[room.key], w.actor(room.host)
    w.clock.move_to(now - _AHEAD)
    rooms.start(host, room_id)
    for number, line in enumerate(room.chat):
        w.clock.move_to(now - _AHEAD + (number + 1) * _AHEAD / (len(room.chat) + 2))
        w.services.chat.send(w.actor(line.author), room_id, line.text, new_key())
        if number == len(room.chat) // 2:
            w.services.shelf.pin(host, room_id, w.skus[room.shelf[1]])
    w.clock.move_to(now)
