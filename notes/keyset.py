"""Where a page ends: positions in lists sorted by time and id, and the opaque cursors that carry them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_

from kernel.cursors import decode, encode
from kernel.errors import Malformed
from kernel.ids import is_id

Position = tuple[datetime, str]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def cursor_of(position: Position | None) -> str | None:
    """A keyset position as an opaque cursor, exact to the microsecond."""
    return None if position is None else encode((position[0] - _EPOCH) // timedelta(microseconds=1), position[1])


def id_of(cursor: str | None, prefix: str) -> str | None:
    """The id in a cursor of a list that is sorted by id. Raises `cursor.malformed`."""
    values = decode(cursor, str)
    if values is None:
        return None
    check_id(values[0], prefix)
    return str(values[0])


def check_id(text: str, prefix: str) -> None:
    """Refuse a cursor with anything but an id in it: no engine should have to digest it."""
    if not is_id(text, prefix):
        raise Malformed("cursor.malformed", "The cursor is not one this server gave out.")


def position_of(cursor: str | None) -> Position | None:
    """The position of a cursor. Raises `cursor.malformed`."""
    values = decode(cursor, int, str)
    if values is None:
        return None
    check_id(values[1], "note")
    micros = min(max(values[0], 0), 2**53)
    return _EPOCH + timedelta(microseconds=micros), values[1]


def position(row: Any) -> Position:
    """A row of (time, id)."""
    return row[0], row[1]


def before(at: Any, key: Any, place: Position) -> Any:
    """The condition of coming after `place` in a list whose newest is first."""
    return or_(at < place[0], and_(at == place[0], key < place[1]))
