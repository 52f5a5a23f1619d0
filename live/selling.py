"""What a room sells: its shelf as rows, as chips with price and stock, and the label that selling forces on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from pydantic import BaseModel
from sqlalchemy import and_, insert, select
from sqlalchemy.orm import Session

from accounts import AccountService, out_of_sight
from kernel.db import Database, Write
from kernel.errors import FieldError, Invalid
from live.models import Room, ShelfItem
from live.schemas import Disclosure
from live.state import stock_state

PRODUCTS = Disclosure(kind="product", label="Contains products")
OWN_PRODUCTS = Disclosure(kind="own_product", label="Contains the host's own products")
SYNTHETIC = Disclosure(kind="synthetic_host", label="Hosted by a synthetic account")
Item = dict[str, Any]


class Gate(Protocol):
    """What notes answers: may this account attach these SKUs? Raises the refusal."""

    def check(self, session: Session, account_id: str, sku_ids: Sequence[str]) -> Any: ...


class Products(Protocol):
    """What shop answers: how SKUs look, and whose they are."""

    def chips(self, viewer_id: str | None, sku_ids: Sequence[str]) -> dict[str, Any]: ...

    def owners(self, session: Session, sku_ids: Sequence[str]) -> dict[str, str]: ...

    def sku_ids(self, product_ids: Sequence[str]) -> dict[str, tuple[str, ...]]: ...

    def level_within(self, tx: Write, sku_id: str) -> Any:
        """`available` and `reserved` of a SKU inside a write, kept from moving until its commit; None when unknown."""
        ...


class Selling:
    """Knows goods and labels; whether the room is on air, and who may see it, is asked elsewhere."""

    def __init__(self, db: Database, accounts: AccountService, gate: Gate, products: Products) -> None:
        self.db = db
        self.accounts = accounts
        self.gate = gate
        self.products = products

    def clear(self, session: Session, host_id: str, sku_ids: Sequence[str]) -> set[str]:
        """Let a shelf through the product gate; those of it that the host sells as a merchant. `shelf.repeated`, and what
        the gate says."""
        if len(set(sku_ids)) != len(sku_ids):
            repeated = FieldError("skus", "shelf.repeated", "named twice")
            raise Invalid("shelf.repeated", "A product stands on a shelf once.", [repeated])
        if not sku_ids:
            return set()
        self.gate.check(session, host_id, sku_ids)
        owners = self.products.owners(session, sku_ids)
        return {sku for sku in sku_ids if owners.get(sku) == host_id}

    def offer(self, host_id: str, sku_ids: Sequence[str], own: bool) -> tuple[list[Item], dict[str, Any] | None]:
        """The shelf, yet without stock, and its label. A room's log is one for all who watch, so that the shelf is as a stranger
        sees it; across a block of the viewer's own nothing can be bought from it."""
        chips = self.products.chips(None, sku_ids) if sku_ids else {}
        items = [_plain(chips[sku]) for sku in sku_ids if sku in chips]
        label = self.disclosure(host_id, bool(sku_ids), own)
        return items, label.model_dump() if label else None

    def disclosure(self, host_id: str, sells: bool, own: bool) -> Disclosure | None:
        """The label a room must carry."""
        return label(sells, own, not sells and bool(self.accounts.synthetic_ids([host_id])))

    def with_stock(self, tx: Write, items: list[Item]) -> list[Item]:
        """The items with the stock of this commit; rows are taken in the order in which orders take them."""
        levels = {sku: self.products.level_within(tx, sku) for sku in sorted(item["sku_id"] for item in items)}
        return [{**item, "stock": _stock(levels[item["sku_id"]])} for item in items]

    def fill(self, tx: Write, room_id: str, sku_ids: Sequence[str], own: set[str]) -> None:
        """Put these on an empty shelf, in this order."""
        rows = [
            {"room_id": room_id, "sku_id": sku, "position": position, "own": sku in own}
            for position, sku in enumerate(sku_ids)
        ]
        if rows:
            tx.session.execute(insert(ShelfItem), rows)

    def skus(self, room_id: str) -> list[str]:
        """What stands on a shelf, in the host's order."""
        with self.db.read() as session:
            return self.skus_within(session, room_id)

    def skus_within(self, session: Session, room_id: str) -> list[str]:
        """`skus`, as the write or read under way sees them."""
        query = select(ShelfItem.sku_id).where(ShelfItem.room_id == room_id).order_by(ShelfItem.position)
        return list(session.scalars(query))

    def carries(self, session: Session, viewer_id: str, room_id: str, sku_ids: Sequence[str]) -> bool | None:
        """Whether one of these stands on the room's shelf, as the write or read under way sees it; None when the room is out of
        this viewer's sight."""
        item = select(ShelfItem.sku_id).where(ShelfItem.room_id == room_id, ShelfItem.sku_id.in_(sku_ids)).exists()
        there = and_(~Room.hidden, ~out_of_sight(Room.host_id, viewer_id))
        row = session.execute(select(there.label("there"), item.label("item")).where(Room.id == room_id)).first()
        return False if row is None else bool(row.item) if row.there else None


def label(sells: bool, own: bool, synthetic: bool) -> Disclosure | None:
    """What selling, selling one's own, and being a program force on a room."""
    if sells:
        return OWN_PRODUCTS if own else PRODUCTS
    return SYNTHETIC if synthetic else None


def _plain(chip: Any) -> Item:
    """A chip for the log, whose `stock` alone says how many are left."""
    item = chip.model_dump(mode="json") if isinstance(chip, BaseModel) else dict(chip)
    return {name: value for name, value in item.items() if name != "available_units"}


def _stock(level: Any) -> dict[str, Any] | None:
    if level is None:
        return None
    state = stock_state(level.available, level.reserved)
    return {"available": level.available, "reserved": level.reserved, "state": state}
