"""What is searchable and how it is read: one source per kind, each answered by the service that owns it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from live import RoomDirectory
from notes import NoteService
from shop import ProductService


@dataclass(frozen=True)
class Text:
    """A searchable thing as words. `terms` are exact-match filters."""

    id: str
    title: str
    texts: tuple[str, ...]
    terms: dict[str, str | Sequence[str]]
    topics: tuple[str, ...] = ()


class Source(Protocol):
    """One kind of thing: its words for the index, its ids for a rebuild."""

    def texts(self, ids: Sequence[str]) -> dict[str, Text]: ...

    def all_ids(self) -> Iterator[Sequence[str]]: ...


class NoteSource:
    """Public notes, limited ones too: limited reach means followers and search."""

    def __init__(self, notes: NoteService) -> None:
        self.notes = notes

    def texts(self, ids: Sequence[str]) -> dict[str, Text]:
        return {
            c.id: Text(
                c.id, c.title, (c.text, " ".join(c.topics)), {"author": c.author_id, "topic": list(c.topics)}, c.topics
            )
            for c in self.notes.contents(ids).values()
            if c.findable
        }

    def all_ids(self) -> Iterator[Sequence[str]]:
        before = None
        while page := self.notes.public_ids(before, 500, limited=True):
            yield [note_id for _, note_id in page]
            before = page[-1]


class ProductSource:
    """Listed products. Their price is not among the words."""

    def __init__(self, products: ProductService) -> None:
        self.products = products

    def texts(self, ids: Sequence[str]) -> dict[str, Text]:
        return {
            c.id: Text(c.id, c.title, (c.text, c.category), {"author": c.merchant_id})
            for c in self.products.contents(ids).values()
            if c.status == "listed"
        }

    def all_ids(self) -> Iterator[Sequence[str]]:
        after = None
        while page := self.products.all_ids(after, 500):
            yield page
            after = page[-1]


class RoomSource:
    """Rooms that are on air."""

    def __init__(self, rooms: RoomDirectory) -> None:
        self.rooms = rooms

    def texts(self, ids: Sequence[str]) -> dict[str, Text]:
        return {
            c.id: Text(c.id, c.title, (), {"author": c.host_id})
            for c in self.rooms.contents(ids).values()
            if c.status == "live" and not c.hidden
        }

    def all_ids(self) -> Iterator[Sequence[str]]:
        before = None
        while page := self.rooms.live_ids(before, 500):
            yield page
            before = page[-1]
