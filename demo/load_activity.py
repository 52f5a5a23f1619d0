"""Thirty days of activity: what people did, what they liked and saved, what they ordered and what became of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from demo.activity import Day, Event, Order, activity
from demo.posts import DAYS
from demo.writer import Writer
from engines.payments import FakePayments
from feed import Act
from kernel.actor import Actor
from kernel.db import Write
from metrics import Event as Counted
from notes import Mark
from shop import LineIn, QuoteIn, Settlement, Touchpoint

ACTIVITY = "days of activity"
# What is only opened or shown; likes and saves are counted as everybody's are (`web/acts.py`).
_NAMES = {
    "app.opened": "app.opened",
    "note.exposed": "impression",
    "note.viewed": "note.opened",
    "search.submitted": "search.made",
    "product.viewed": "product.opened",
    "room.joined": "room.opened",
}
_MARKS: dict[str, Mark] = {"note.liked": "like", "note.saved": "save"}
_ACTS = {"note.exposed": "shown", "note.viewed": "opened", "note.liked": "liked", "note.saved": "saved"}


class ActivityWriter:
    """Writes day after day. Nobody does anything with a note that screening kept back."""

    def __init__(self, writer: Writer, payments: FakePayments) -> None:
        self.w = writer
        self.payments = payments
        self.devices: dict[str, str] = {}

    def write(self) -> tuple[int, int]:
        """All days; how many events and orders."""
        events = orders = 0
        self.w.progress.begin(ACTIVITY, DAYS)
        for day in activity(self.w.plan):
            events += self._write_events(day)
            orders += self._write_orders(day)
            self.w.progress.step(ACTIVITY)
        return events, orders

    # -- events ---------------------------------------------------------------------------------------------------

    def _write_events(self, day: Day) -> int:
        done = [event for event in day.events if self._possible(event)]
        self._meet_devices(done)
        acts = [act for event in done if (act := self._act(event)) is not None]
        counted = [self._counted(day, n, event) for n, event in enumerate(done) if event.name in _NAMES]

        def write(tx: Write) -> None:
            for event in done:
                if event.name in _MARKS:
                    self.w.move(tx, event.at)
                    self.w.services.notes.mark(
                        tx, self.w.notes[event.target], self._person(event.person), _MARKS[event.name]
                    )
            self.w.services.metrics.record(tx, counted)
            self.w.services.candidates.absorb(tx, acts)

        self.w.db.write(write)
        return len(done)

    def _possible(self, event: Event) -> bool:
        if not event.name.startswith("note."):
            return True
        return event.target in self.w.notes and not (event.placement == "feed" and event.target in self.w.limited)

    def _meet_devices(self, events: list[Event]) -> None:
        """People who have not logged in get a device the first time they come."""
        new = {
            e.person: e.at for e in reversed(events) if e.person.startswith("device:") and e.person not in self.devices
        }

        def write(tx: Write) -> None:
            for person, at in sorted(new.items(), key=lambda pair: pair[1]):
                self.w.move(tx, at)
                self.devices[person] = self.w.services.accounts.add_device(tx)

        self.w.db.write(write)

    def _person(self, name: str) -> str:
        return self.devices[name] if name.startswith("device:") else self.w.people[name]

    def _act(self, event: Event) -> Act | None:
        """What the feed learns of it: only its own exposures, everybody's responses."""
        act = _ACTS.get(event.name)
        if act is None or (act == "shown" and event.placement != "feed"):
            return None
        return Act(event.at, self._person(event.person), self.w.notes[event.target], act, event.position + 1)

    def _counted(self, day: Day, number: int, event: Event) -> Counted:
        w = self.w
        target = w.notes.get(event.target) or w.products.get(event.target) or w.rooms.get(event.target)
        source, name = f"demo:{day.day}:{number}", _NAMES[event.name]
        return Counted(source, event.at, self._person(event.person), False, name, event.placement, target)

    # -- orders ---------------------------------------------------------------------------------------------------

    def _write_orders(self, day: Day) -> int:
        """Place the day's orders and end those that are not paid, let the payers pay, then complete theirs."""
        placed = self.w.db.write(lambda tx: [(order, *self._place(tx, order)) for order in day.orders])
        paid = [entry for entry in placed if entry[0].outcome == "paid"]
        payments = self.payments.record_paid((order_id, total, currency) for _, order_id, total, currency in paid)

        def settle(tx: Write) -> None:
            for payment, (order, order_id, total, currency) in zip(payments, paid, strict=True):
                self.w.move(tx, order.at + _moments_to_pay(order))
                self.w.services.orders.settle(tx, Settlement(payment, order_id, total, currency, tx.now))

        self.w.db.write(settle)
        return len(placed)

    def _place(self, tx: Write, order: Order) -> tuple[str, int, str]:
        """Id, total and currency of the order, which is closed or cancelled again when that is its outcome."""
        services, buyer = self.w.services, self.w.actor(order.account)
        self.w.move(tx, order.at - timedelta(seconds=15))
        line = LineIn(sku=self.w.skus[order.sku], qty=order.qty, touchpoint=self._touchpoint(order))
        quote = services.checkout.add_quote(tx, buyer, QuoteIn(lines=[line]))
        self.w.move(tx, order.at)
        answer = services.checkout.add_order(tx, buyer, quote.quote)
        if answer["result"] != "accepted":
            raise RuntimeError(f"The plan sold more of {order.sku} than there was: {answer}.")
        self._end(tx, order, answer, buyer)
        tx.jobs.clear()  # the job that would close it at `pay_by` finds it ended, one way or another
        return answer["order"], quote.total.amount, quote.total.currency

    def _end(self, tx: Write, order: Order, answer: dict[str, str], buyer: Actor) -> None:
        if order.outcome == "closed":
            self.w.move(tx, datetime.fromisoformat(answer["pay_by"]))
            self.w.services.orders.close_within(tx, answer["order"])
        elif order.outcome == "cancelled":
            self.w.move(tx, order.at + timedelta(minutes=3))
            self.w.services.orders.cancel_within(tx, buyer.require_account(), answer["order"])

    def _touchpoint(self, order: Order) -> Touchpoint:
        if order.touchpoint in self.w.rooms:
            return Touchpoint(placement="room", room_id=self.w.rooms[order.touchpoint])
        note_id = self.w.notes.get(order.touchpoint)
        placement = order.placement if note_id else "product"  # of a note that nobody saw only the product is left
        return Touchpoint.model_validate({"placement": placement, "note_id": note_id})


def _moments_to_pay(order: Order) -> timedelta:
    """Half a minute to four minutes, within what an order from a room is given."""
    return timedelta(seconds=30 + order.at.microsecond // 1000 % 210)
