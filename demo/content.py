"""The value types of the demo's plan. Keys (not ids) tie them together; the loader maps keys to ids it is given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from demo.covers import CoverSpec


@dataclass(frozen=True)
class Account:
    """``handle`` is the key. ``password`` is None for the crowd: nobody can log in as them.

    ``roles`` are what the account holds (viewer / creator / merchant / moderator / admin); ``approved`` marks creators
    whose application is granted. ``avatar`` is a number for :func:`demo.covers.render_avatar`. ``synthetic``: staff and
    who plays the tour, counted beside the people and never among them.
    """

    handle: str
    name: str
    bio: str
    joined_on: date
    avatar: int
    roles: tuple[str, ...] = ("viewer",)
    approved: bool = False
    password: str | None = None
    synthetic: bool = False


@dataclass(frozen=True)
class Sku:
    """``key`` is the product's key, a colon, the size. ``price`` in fen (1/100 CNY); ``stock`` is the number of units received before the first demo day."""

    key: str
    size: str
    price: int
    stock: int


@dataclass(frozen=True)
class Product:
    """``clothing_id`` is the data's Clothing ID; None for the home, beauty and hobby goods that were made up."""

    key: str
    merchant: str
    title: str
    description: str
    category: str
    theme: str
    hero: str
    colour: str
    skus: tuple[Sku, ...]
    clothing_id: str | None = None

    @property
    def picture(self) -> CoverSpec:
        """The product's picture; notes about it show it in the same colour."""
        return CoverSpec(self.key, self.theme, "1:1", self.colour, "studio", self.hero)


@dataclass(frozen=True)
class Note:
    """``kind``: "post" (from the data), "picture" (from the data, without text), "essay" (ours, Chinese), "display" or
    "held" (kept back by screening).

    ``products`` are product keys; only authors past the gate, or merchants with their own listing, have any.
    ``rating`` (1-5) and ``helpful`` (votes) are the data's, None where there are none.
    """

    key: str
    kind: str
    author: str
    title: str
    text: str
    topics: tuple[str, ...]
    published_at: datetime
    cover: CoverSpec
    alt: str
    language: str
    products: tuple[str, ...] = ()
    rating: int | None = None
    helpful: int | None = None


@dataclass(frozen=True)
class Follow:
    follower: str
    followed: str


@dataclass(frozen=True)
class Comment:
    note: str
    author: str
    text: str
    at: datetime


@dataclass(frozen=True)
class Report:
    """``target`` is a note's key; ``reason`` one of spam, misleading, offensive, counterfeit, other."""

    target: str
    reporter: str
    reason: str
    text: str
    at: datetime


@dataclass(frozen=True)
class ChatLine:
    author: str
    text: str


@dataclass(frozen=True)
class Room:
    """A creator's room, live when the demo starts; ``shelf`` are SKU keys in the order in which they stand.

    The activity of the 30 days visits and buys from it too: the room is older than the broadcast that is on.
    """

    key: str
    host: str
    title: str
    shelf: tuple[str, ...]
    chat: tuple[ChatLine, ...]
    cover: CoverSpec


@dataclass(frozen=True)
class Plan:
    """Everything the demo holds before its 30 days of activity (:func:`demo.activity.activity`), whose number of active
    people ``scale`` multiplies."""

    seed: int
    today: date
    accounts: tuple[Account, ...]
    products: tuple[Product, ...]
    notes: tuple[Note, ...]
    follows: tuple[Follow, ...]
    comments: tuple[Comment, ...]
    reports: tuple[Report, ...]
    rooms: tuple[Room, ...]
    held_notes: tuple[Note, ...] = ()
    held_comments: tuple[Comment, ...] = ()
    scale: float = 1.0

    def counts(self) -> dict[str, int]:
        """How many of each, for progress and for the load's own check."""
        names = ("accounts", "products", "notes", "follows", "comments", "reports", "rooms")
        counted = {name: len(getattr(self, name)) for name in names}
        counted["skus"] = sum(len(product.skus) for product in self.products)
        counted["product_notes"] = sum(bool(note.products) for note in self.notes)
        return counted
