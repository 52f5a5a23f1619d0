"""Opaque keyset cursors: where a page ended, as a caller may carry it but not read it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from kernel.errors import Malformed

Row = TypeVar("Row")
_MAX_LENGTH = 2048
_LAST_PLACE = 1_000_000


def encode(*position: str | int | float | None) -> str:
    """The cursor after the row with these sort values."""
    text = json.dumps(position, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str | None, *types: type) -> tuple[Any, ...] | None:
    """The sort values, checked against `types`; None for no cursor. Anything else is `Malformed` (`cursor.malformed`)."""
    if cursor is None:
        return None
    try:
        if len(cursor) > _MAX_LENGTH:
            raise ValueError("too long")
        position = json.loads(_unpacked(cursor))
        fits = isinstance(position, list) and len(position) == len(types)
        if not fits or not all(_is(value, kind) for value, kind in zip(position, types, strict=True)):
            raise ValueError("not ours")
    except (ValueError, binascii.Error, RecursionError):
        raise Malformed("cursor.malformed", "The cursor is not one this server gave out.") from None
    return tuple(position)


def cut(rows: Sequence[Row], limit: int, position: Callable[[Row], str | int]) -> tuple[Sequence[Row], str | None]:
    """A page and the cursor after it, of rows of which one more than `limit` was asked for, sorted by `position`."""
    page = rows[:limit]
    return page, encode(position(page[-1])) if len(rows) > limit else None


def place(cursor: str | None) -> int:
    """How many items came before, from a cursor of a list that is counted; 0 for no cursor. Raises `cursor.malformed`."""
    return counted((decode(cursor, int) or (0,))[0])


def counted(place: int) -> int:
    """A number of items out of a cursor. Raises `cursor.malformed` for one that no list is long enough for."""
    if not 0 <= place <= _LAST_PLACE:
        raise Malformed("cursor.malformed", "The cursor is not one this server gave out.")
    return place


def _unpacked(cursor: str) -> bytes:
    padding = "=" * (-len(cursor) % 4)
    return base64.b64decode((cursor + padding).encode("ascii"), altchars=b"-_", validate=True)


def _is(value: Any, kind: type) -> bool:
    if kind is int:
        return type(value) is int and abs(value) < 2**62
    if kind is float:
        return type(value) in (int, float) and abs(value) < 1e300
    if kind is str:  # ids and times only: no database should have to digest NUL or a lone surrogate
        return isinstance(value, str) and value.isascii() and value.isprintable()
    return isinstance(value, kind)
