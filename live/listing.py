"""Rooms as a page loads them: the row, whether it sells, and whether its host's own things, in one statement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, select

from live.models import Room, ShelfItem

_ON_SHELF = select(ShelfItem.sku_id).where(ShelfItem.room_id == Room.id)
ROOMS = select(Room, _ON_SHELF.exists().label("sells"), _ON_SHELF.where(ShelfItem.own).exists().label("own"))


def on_air() -> ColumnElement[bool]:
    """Rooms that broadcast and were not hidden."""
    return (Room.status == "live") & Room.hidden.is_(False)


@dataclass(frozen=True)
class RoomContent:
    """A room as search and feed weigh it; nothing here says who may see it."""

    id: str
    host_id: str
    title: str
    status: str
    hidden: bool
    has_product: bool
    started_at: datetime | None


@dataclass(frozen=True)
class Listed:
    """A room and what its shelf says of it."""

    room: Room
    sells: bool
    own: bool

    @property
    def content(self) -> RoomContent:
        room = self.room
        return RoomContent(room.id, room.host_id, room.title, room.status, room.hidden, self.sells, room.started_at)


class RoomRows:
    """Rooms as they were loaded, newest first; says nothing of who may see them."""

    def __init__(self, rows: Iterable[Row[Any]]) -> None:
        self.found = {row.Room.id: Listed(row.Room, row.sells, row.own) for row in rows}

    @property
    def hosts(self) -> set[str]:
        return {listed.room.host_id for listed in self.found.values()}

    @property
    def live_hosts(self) -> set[str]:
        rooms = (listed.room for listed in self.found.values())
        return {room.host_id for room in rooms if room.status == "live" and not room.hidden}

    def contents(self) -> dict[str, RoomContent]:
        return {room_id: listed.content for room_id, listed in self.found.items()}
