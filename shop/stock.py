"""The stock of a SKU: one row that always adds up, moved by conditional updates, and a ledger of every move.

received -> available -> reserved -> sold
                |  ^________|          |
                |  ^___________________|  (returned)
                v
             removed
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from kernel.db import Write
from kernel.errors import AppError, Conflict, FieldError, Invalid
from kernel.ids import new_id
from shop.facts import StockChanged
from shop.models import Stock, StockMove

RECEIVED, RESERVED, RELEASED, SOLD = "received", "reserved", "released", "sold"
RETURNED, REMOVED = "returned", "removed"

# kind -> (the column units leave, the column they enter); None: they come from outside.
MOVES: dict[str, tuple[str | None, str]] = {
    RECEIVED: (None, "available"),
    RESERVED: ("available", "reserved"),
    RELEASED: ("reserved", "available"),
    SOLD: ("reserved", "sold"),
    RETURNED: ("sold", "available"),
    REMOVED: ("available", "removed"),
}


MOST = 1_000_000_000
"""Units of one SKU that are ever received: no column of its row leaves 32 bits."""


@dataclass(frozen=True)
class Part:
    """Some units of one SKU."""

    sku_id: str
    qty: int


@dataclass(frozen=True)
class Level:
    """A stock row, in units."""

    sku_id: str
    received: int
    available: int
    reserved: int
    sold: int
    removed: int


_row = Stock.__table__.c
_LEVEL = (_row.sku_id, _row.received, _row.available, _row.reserved, _row.sold, _row.removed)


def _statement(kind: str) -> Any:
    leaves, enters = MOVES[kind]
    qty: Any = bindparam("qty")
    moved = update(Stock.__table__).where(_row.sku_id == bindparam("sku"))  # type: ignore[arg-type]
    if leaves is None:
        moved = moved.where(_row.received <= MOST - qty)
        values = {"received": _row.received + qty, enters: _row[enters] + qty}
    else:
        moved = moved.where(_row[leaves] >= qty)
        values = {leaves: _row[leaves] - qty, enters: _row[enters] + qty}
    return moved.values(values).returning(*_LEVEL)


# Built once: building a statement costs more than running it.
_STATEMENTS = {kind: _statement(kind) for kind in MOVES}
_LEDGER = insert(StockMove.__table__)  # type: ignore[arg-type]


def move(tx: Write, kind: str, part: Part) -> Level | None:
    """Move units in the row alone, or None when there are too few, or too many to receive; `book` writes the ledger."""
    found = tx.session.execute(_STATEMENTS[kind], {"sku": part.sku_id, "qty": part.qty}).first()
    return None if found is None else Level(*found)


def reserve(tx: Write, parts: Sequence[Part]) -> tuple[list[Level], Part | None]:
    """Take all parts, or none: the levels after it, or the part that was short. Call `book` when the order exists.

    Rows are taken in the order of their ids, so that two orders cannot wait for each other.
    """
    taken: list[tuple[Part, Level]] = []
    for part in sorted(parts, key=lambda part: part.sku_id):
        level = move(tx, RESERVED, part)
        if level is None:
            for done, _ in taken:
                move(tx, RELEASED, done)
            return [], part
        taken.append((part, level))
    return [level for _, level in taken], None


def book(
    tx: Write,
    kind: str,
    parts: Iterable[Part],
    levels: Iterable[Level],
    order: str | None = None,
    by: str | None = None,
) -> None:
    """Write the ledger for moves that were made, and say that stock changed."""
    rows = [
        {
            "id": new_id("move", tx.now),
            "sku_id": part.sku_id,
            "kind": kind,
            "quantity": part.qty,
            "order_id": order,
            "made_by": by,
            "at": tx.now,
        }
        for part in parts
    ]
    tx.session.execute(_LEDGER, rows)
    for level in levels:
        tx.record(StockChanged(level.sku_id, level.available, level.reserved))


def shift(tx: Write, kind: str, parts: Sequence[Part], order: str | None = None, by: str | None = None) -> list[Level]:
    """Move and book parts that must be there. Raises `stock.insufficient` otherwise, `stock.too_many` past `MOST` units."""
    levels = []
    for part in sorted(parts, key=lambda part: part.sku_id):
        level = move(tx, kind, part)
        if level is None:
            raise _refused(kind, part)
        levels.append(level)
    book(tx, kind, parts, levels, order, by)
    return levels


def _refused(kind: str, part: Part) -> AppError:
    if kind == RECEIVED:
        error = FieldError("quantity", "stock.too_many", f"more than {MOST} in all would have been received")
        return Invalid("stock.too_many", "No SKU has that many units.", [error])
    return Conflict("stock.insufficient", "There are not that many units.", sku=part.sku_id)


def locked_level(tx: Write, sku_id: str) -> Level | None:
    """The row as it is now, kept from moving until this commit."""
    found = tx.session.execute(select(*_LEVEL).where(_row.sku_id == sku_id).with_for_update()).first()
    return None if found is None else Level(*found)
