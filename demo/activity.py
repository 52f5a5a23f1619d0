"""Thirty days of what people did: day by day, from a seed, consistent with the plan's stock and publication times."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate

from demo.content import Note, Plan, Product, Sku
from demo.posts import DAYS, ZONE, moment, words

DEVICES = 420
EVENT_NAMES = (
    "app.opened", "note.exposed", "note.viewed", "note.liked", "note.saved", "search.submitted", "product.viewed", "room.joined",
)  # fmt: skip
PLACEMENTS = ("app", "feed", "following", "search", "profile", "room", "note", "product")
OUTCOMES = ("paid", "closed", "cancelled")


@dataclass(frozen=True, slots=True)
class Event:
    """``person`` is an account's handle, or ``device:N`` for one who has not logged in.

    ``target`` is a note, product or room key, or the words of a search; "" for ``app.opened``. ``position`` counts from 0
    in the list where the target was shown.
    """

    at: datetime
    person: str
    name: str
    placement: str
    target: str
    position: int = 0


@dataclass(frozen=True, slots=True)
class Order:
    """One order line. ``touchpoint`` is the note or room that led to it, seen in ``placement``.

    ``outcome``: "paid" within minutes, "closed" (not paid at ``pay_by``) or "cancelled" by the buyer before paying.
    """

    at: datetime
    account: str
    sku: str
    qty: int
    placement: str
    touchpoint: str
    outcome: str


@dataclass(frozen=True)
class Day:
    """One business day; events and orders each in order of time. Who ordered also opened the app that day, before."""

    day: date
    events: tuple[Event, ...]
    orders: tuple[Order, ...]


def activity(plan: Plan, seed: int | None = None) -> Iterator[Day]:
    """The 30 business days before ``plan.today``, oldest first: about 50,000 events and orders.

    Named accounts do nothing, so that a person who tries the demo finds them unused. Orders of a SKU never add up to more
    than its stock, whatever their outcome.
    """
    crowd = _Crowd(plan, random.Random(f"{plan.seed if seed is None else seed}/activity"))
    for index in range(DAYS):
        yield crowd.day(plan.today - timedelta(days=DAYS - index), index)


class _Crowd:
    def __init__(self, plan: Plan, rng: random.Random) -> None:
        self.rng = rng
        accounts = [account.handle for account in plan.accounts if account.password is None]
        self.people = accounts + [f"device:{n}" for n in range(1, DEVICES + 1)]
        rng.shuffle(self.people)
        self.habit = [0.15 + rng.paretovariate(1.6) for _ in self.people]
        self.scale = plan.scale
        self.notes = plan.notes
        self.times = [note.published_at for note in plan.notes]
        self.weights = list(accumulate(_appeal(note) for note in plan.notes))
        self.products = {product.key: product for product in plan.products}
        self.stock = {sku.key: sku.stock for product in plan.products for sku in product.skus}
        self.room = plan.rooms[0]
        of_sku = {sku.key: product for product in plan.products for sku in product.skus}
        self.shelf = [of_sku[key] for key in self.room.shelf]
        self.seen: set[tuple[str, str]] = set()
        self.events: list[Event] = []
        self.orders: list[Order] = []

    def day(self, day: date, index: int) -> Day:
        rng, self.events, self.orders = self.rng, [], []
        active = self._active(round(_audience(rng, day, index) * self.scale))
        for person in active:
            for _ in range(1 if rng.random() < 0.8 else 2):
                self._visit(person, moment(rng, day), day)
        buyers = [person for person in active if not person.startswith("device:")]
        wanted = round(len(active) * rng.uniform(0.075, 0.105))
        first = {event.person: event.at for event in sorted(self.events, key=lambda e: e.at, reverse=True)}
        for buyer in rng.sample(buyers, min(wanted, len(buyers))):
            for _ in range(1 if rng.random() < 0.88 else 2):
                self._order(buyer, first[buyer], day)
        events = sorted(self.events, key=lambda event: (event.at, event.person))
        return Day(day, tuple(events), tuple(sorted(self.orders, key=lambda order: (order.at, order.account))))

    def _active(self, count: int) -> list[str]:
        """``count`` different people, those of strong habit more often (keys of Efraimidis and Spirakis)."""
        keyed = sorted(
            ((self.rng.random() ** (1 / h), p) for h, p in zip(self.habit, self.people, strict=True)), reverse=True
        )
        return [person for _, person in keyed[:count]]

    def _visit(self, person: str, at: datetime, day: date) -> None:
        rng = self.rng
        end = at + timedelta(minutes=20)
        if end.astimezone(ZONE).date() != day:  # a visit stays within its business day
            at -= timedelta(minutes=25)
        self._did(at, person, "app.opened", "app", "")
        placement = rng.choices(("feed", "search", "following", "profile", "room"), (58, 16, 14, 8, 4))[0]
        if placement == "following" and person.startswith("device:"):  # who has no account follows nobody
            placement = "feed"
        if placement == "room":
            at = self._later(at)
            return self._did(at, person, "room.joined", "room", self.room.key)
        if placement == "search":
            at = self._later(at)
            self._did(at, person, "search.submitted", "search", str(rng.choice(words()["queries"])))
        for position in range(rng.choice((1, 1, 2, 2, 3))):
            at = self._meet(person, placement, position, at)
        return None

    def _meet(self, person: str, placement: str, position: int, at: datetime) -> datetime:
        """One note comes by: shown, perhaps read, perhaps liked or saved, perhaps its product looked at."""
        rng, note = self.rng, self._note(at, placement)
        if note is None or (person, note.key) in self.seen:
            return at
        self.seen.add((person, note.key))
        at = self._later(at)
        self._did(at, person, "note.exposed", placement, note.key, position)
        pull = _appeal(note)
        if rng.random() > min(0.75, 0.32 + pull * 0.055) / (1 + 0.08 * position):
            return at
        at = self._later(at)
        self._did(at, person, "note.viewed", placement, note.key, position)
        for name, share in (("note.liked", 0.055), ("note.saved", 0.032)):
            if not person.startswith("device:") and rng.random() < min(0.6, 0.05 + pull * share):
                at = self._later(at)
                self._did(at, person, name, "note", note.key)
        if note.products and rng.random() < 0.3:
            at = self._later(at)
            self._did(at, person, "product.viewed", "note", note.products[0])
        return at

    def _note(self, at: datetime, placement: str) -> Note | None:
        """A note that was public by then; notes that merely display a product never come by in the feed."""
        known = bisect_right(self.times, at)
        if not known:
            return None
        place = bisect_right(self.weights, self.rng.random() * self.weights[known - 1])
        note = self.notes[min(place, known - 1)]
        return None if note.kind == "display" and placement == "feed" else note

    def _order(self, buyer: str, opened: datetime, day: date) -> None:
        rng = self.rng
        at = opened + timedelta(seconds=rng.randrange(60, 900))
        placement = rng.choices(("feed", "search", "room", "profile"), (46, 24, 20, 10))[0]
        found = self._wanted(placement, at)
        if found is None:
            return
        product, touchpoint = found
        sku = self._sku(product)
        if sku is None:
            return
        qty = 2 if rng.random() < 0.06 and self.stock[sku.key] >= 2 else 1
        self.stock[sku.key] -= qty
        self._did(
            at - timedelta(seconds=20), buyer, "product.viewed", "room" if placement == "room" else "note", product.key
        )
        outcome = rng.choices(OUTCOMES, (79, 13, 8))[0]
        self.orders.append(Order(at, buyer, sku.key, qty, placement, touchpoint, outcome))

    def _wanted(self, placement: str, at: datetime) -> tuple[Product, str] | None:
        if placement == "room":
            return self.rng.choice(self.shelf), self.room.key
        for _ in range(40):
            note = self._note(at, placement)
            if note is not None and note.products:
                return self.products[note.products[0]], note.key
        return None

    def _sku(self, product: Product) -> Sku | None:
        """A size that is left; the last three units of each are kept for whoever tries the demo."""
        left = [sku for sku in product.skus if self.stock[sku.key] > 3]
        return self.rng.choice(left) if left else None

    def _later(self, at: datetime) -> datetime:
        return at + timedelta(milliseconds=self.rng.randrange(1_500, 45_000))

    def _did(self, at: datetime, person: str, name: str, placement: str, target: str, position: int = 0) -> None:
        self.events.append(Event(at, person, name, placement, target, position))


def _audience(rng: random.Random, day: date, index: int) -> int:
    """Active people of a day: slow growth, fuller weekends, some noise; between 250 and 420."""
    weekend = (1.0, 0.97, 0.98, 1.0, 1.05, 1.15, 1.13)[day.weekday()]
    return max(250, min(420, round((288 + 2.4 * index) * weekend * rng.uniform(0.96, 1.04))))


def _appeal(note: Note) -> float:
    """How much a note draws people: helpful votes of the real posts above all, then length and rating; never its price."""
    if note.kind == "display":
        return 0.25
    if note.kind == "essay":
        return 4.0 + len(note.text) / 60
    length = math.log1p(len(note.text)) / 4
    return 0.4 + length + 1.3 * math.log1p(note.helpful or 0) + 0.15 * (note.rating or 3)
