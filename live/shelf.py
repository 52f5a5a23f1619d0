"""The shelf of a room: what the host puts on it and explains, and what orders and stock do to it while people watch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import delete, select

from kernel.actor import Actor
from kernel.db import Database, Write
from kernel.errors import Conflict, FieldError, Invalid
from live.directory import RoomDirectory
from live.facts import ProductPinned, ShelfChanged
from live.log import RoomLog
from live.models import Room, ShelfItem, change_room, hold_room
from live.schemas import RoomOut
from live.selling import Item, Selling
from live.state import stock_state


class RoomShelf:
    """The methods that take `tx` are for what others cause, within their commits."""

    def __init__(self, db: Database, directory: RoomDirectory, selling: Selling, log: RoomLog) -> None:
        self.db = db
        self.directory = directory
        self.selling = selling
        self.log = log

    # -- the host -------------------------------------------------------------------------------------------------

    def replace(self, actor: Actor, room_id: str, sku_ids: Sequence[str]) -> RoomOut:
        """Replace the shelf, through the product gate. Viewers of a live room see it at once."""
        room = self.directory.hosted(actor, room_id)
        with self.db.read() as session:
            own = self.selling.clear(session, room.host_id, sku_ids)
        items, disclosure = self.selling.offer(room.host_id, sku_ids, bool(own))

        def write(tx: Write) -> None:
            hold_room(tx, room_id)
            self.selling.clear(tx.session, room.host_id, sku_ids)
            tx.session.execute(delete(ShelfItem).where(ShelfItem.room_id == room_id))
            self.selling.fill(tx, room_id, sku_ids, own)
            change_room(tx, Room.id == room_id, Room.pinned_sku.not_in(list(sku_ids)), pinned_sku=None)
            self._tell(tx, room_id, items, disclosure)
            tx.record(ShelfChanged(room_id, tuple(sku_ids)))

        self.db.write(write)
        return self.directory.get(actor, room_id)

    def pin(self, actor: Actor, room_id: str, sku_id: str | None) -> RoomOut:
        """Show one product of the shelf above the others, or none. `pin.not_on_shelf`, `room.not_live`."""
        self.directory.hosted(actor, room_id)
        self.db.write(lambda tx: self.pin_within(tx, room_id, sku_id))
        return self.directory.get(actor, room_id)

    def pin_within(self, tx: Write, room_id: str, sku_id: str | None) -> None:
        """Pin or unpin inside a larger write."""
        if sku_id is not None and tx.session.get(ShelfItem, (room_id, sku_id)) is None:
            absent = FieldError("sku", "pin.not_on_shelf", "is not on this room's shelf")
            raise Invalid("pin.not_on_shelf", "Only what stands on the shelf can be pinned.", [absent])
        if not change_room(tx, Room.id == room_id, Room.status == "live", pinned_sku=sku_id):
            raise Conflict("room.not_live", "This room is not on air.")
        self.log.tell(tx, room_id, "product.pinned", {"sku_id": sku_id})
        tx.record(ProductPinned(room_id, sku_id))

    # -- what others cause ----------------------------------------------------------------------------------------

    def stock_changed(self, tx: Write, sku_id: str, available: int, reserved: int) -> None:
        """Tell every live room that has this SKU on its shelf."""
        state = stock_state(available, reserved)
        data = {"sku_id": sku_id, "available": available, "reserved": reserved, "state": state}
        on_shelf = select(Room.id, Room.session_id).join(ShelfItem, ShelfItem.room_id == Room.id)
        on_air = on_shelf.where(ShelfItem.sku_id == sku_id, Room.status == "live")
        for room_id, session_id in tx.session.execute(on_air).all():
            self.log.append(tx, room_id, str(session_id), "stock.changed", data)

    def order_placed(self, tx: Write, room_ids: Iterable[str], sku_ids: Sequence[str]) -> None:
        """Tell the rooms an order came from, about what stands on their shelf; who bought is nobody's business."""
        for room_id in sorted(set(room_ids)):
            here = select(ShelfItem.sku_id).where(ShelfItem.room_id == room_id, ShelfItem.sku_id.in_(list(sku_ids)))
            if sold := list(tx.session.scalars(here.order_by(ShelfItem.position))):
                self.log.tell(tx, room_id, "order.placed", {"sku_ids": sold})

    def refresh(self, product_id: str) -> None:
        """Show live rooms the present title and price of a product."""
        self._show_again([sku for found in self.selling.products.sku_ids([product_id]).values() for sku in found])

    def refresh_goods_of(self, merchant_id: str) -> None:
        """Take the goods of a merchant who was suspended off the shelves of live rooms, or put them back."""
        on_air = select(ShelfItem.sku_id).join(Room, Room.id == ShelfItem.room_id).where(Room.status == "live")
        with self.db.read() as session:
            owners = self.selling.products.owners(session, session.scalars(on_air.distinct()).all())
        self._show_again([sku for sku, owner in owners.items() if owner == merchant_id])

    def _show_again(self, skus: Sequence[str]) -> None:
        """Tell the live rooms that have one of these on their shelf how it looks now."""
        with self.db.read() as session:
            query = select(ShelfItem.room_id).join(Room, Room.id == ShelfItem.room_id)
            query = query.where(ShelfItem.sku_id.in_(skus), Room.status == "live").distinct()
            rooms = [session.get_one(Room, room_id) for room_id in session.scalars(query)]
        for room in rooms:
            while not self._told_again(room):  # the host put other things on it meanwhile
                pass

    def _told_again(self, room: Room) -> bool:
        """Whether the shelf still was the one that was looked at."""
        skus, own = self.selling.skus(room.id), self.directory.rows([room.id]).found[room.id].own
        items, disclosure = self.selling.offer(room.host_id, skus, own)

        def write(tx: Write) -> bool:
            hold_room(tx, room.id)
            if self.selling.skus_within(tx.session, room.id) != skus:
                return False
            self._tell(tx, room.id, items, disclosure)
            return True

        return self.db.write(write)

    def _tell(self, tx: Write, room_id: str, items: list[Item], disclosure: dict[str, Any] | None) -> None:
        shelf = self.selling.with_stock(tx, items)
        self.log.tell(tx, room_id, "shelf.changed", {"shelf": shelf, "disclosure": disclosure})
