"""Cards of notes, products and rooms together: rows in batches, one statement for each table whatever the page holds, then
the owners' rules, then cards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accounts import AccountService, Company
from kernel.actor import Actor
from live import RoomDirectory, RoomRows
from notes import NoteService, Placement
from shop import ProductService

PREFIX = {"note": "note_", "product": "prod_", "room": "room_"}


class Cards:
    """The owners' rows are read once each, and the people of all of them together."""

    def __init__(
        self, accounts: AccountService, notes: NoteService, products: ProductService, rooms: RoomDirectory
    ) -> None:
        self.accounts = accounts
        self.notes = notes
        self.products = products
        self.rooms = rooms

    def of(
        self,
        viewer: Actor,
        ids: Sequence[str],
        placement: Placement,
        rooms: RoomRows | None = None,
        people: Company | None = None,
    ) -> dict[str, Any]:
        """Cards by id, re-read from SQL; what the viewer may not see at this placement is not there. Who has read the rooms
        or the people already hands them in."""
        note_ids, product_ids, room_ids = (_of(kind, ids) for kind in PREFIX)
        notes = self.notes.rows(note_ids)
        goods = self.products.rows(viewer.account_id, product_ids, notes.skus)
        authors = notes.authors | goods.merchants
        rooms = self.rooms.rows(room_ids, authors) if rooms is None else rooms
        people = self.accounts.company(viewer, authors | rooms.hosts, rooms.live_hosts) if people is None else people
        cards: list[Any] = [
            *self.notes.show(notes, viewer, placement, people, goods.chips()),
            *self.products.show(goods, product_ids, people),
            *self.rooms.show(rooms, room_ids, people),
        ]
        return {card.id: card for card in cards}


def _of(kind: str, ids: Sequence[str]) -> list[str]:
    return [thing for thing in dict.fromkeys(ids) if thing.startswith(PREFIX[kind])]
