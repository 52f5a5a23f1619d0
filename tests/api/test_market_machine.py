"""Whatever people do in the shop, in whatever order: stock adds up, caps hold, and everything comes back exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from kernel.actor import Actor
from kernel.errors import AppError
from kernel.ids import new_id
from shop import LineIn, MoneyIn, PlaceIn, ProductIn, QuoteIn, SkuIn
from shop.models import Buyer, Order, OrderLine, Payment, SkuBuyer, Stock, StockMove, Waiter
from shop.stock import MOVES
from tests.house import House

LIMIT, UNPAID_CAP = 3, 5
who, which, units = st.integers(0, 2), st.integers(0, 1), st.integers(1, 4)


@contextmanager
def refused_only_as(*codes: str) -> Iterator[None]:
    """The command may be refused, for these reasons only."""
    try:
        yield
    except AppError as refusal:
        if refusal.code not in codes:
            raise


class Market(RuleBasedStateMachine):
    """Three buyers, an unlimited SKU of 4 and a SKU of 6 with a limit per person, both of one product."""

    house: House

    def __init__(self) -> None:
        super().__init__()
        db, clock = self.house.engines.db, self.house.clock
        clock.advance(days=1)  # quotes, orders and jobs of the last run are over
        self.buyers = [Actor(new_id("acct", clock.now())) for _ in range(3)]
        skus = [
            SkuIn(name="M", price=MoneyIn(amount=700, currency="CNY"), stock=4),
            SkuIn(name="L", price=MoneyIn(amount=900, currency="CNY"), stock=6, person_limit=LIMIT),
        ]
        form = ProductIn(title="Shirt", skus=skus)
        merchant = new_id("acct", clock.now())
        product = db.write(lambda tx: self.house.services.products.add_product(tx, merchant, form))
        self.skus = self.house.services.products.sku_ids([product])[product]
        self.answers: dict[tuple[int, str], tuple[str, dict[str, Any]]] = {}
        self.orders: list[tuple[Actor, str]] = []
        self.webhooks: list[Any] = []

    # -- what people do -----------------------------------------------------------------------------------------------

    @initialize()
    def opening(self) -> None:
        """Most of it is held, so that each run begins where it gets interesting."""
        for number in range(3):
            self.buy(number, 0, 1, both=True)

    @rule(buyer=who, sku=which, qty=units, both=st.booleans())
    def buy(self, buyer: int, sku: int, qty: int, both: bool) -> None:
        lines = [LineIn(sku=self.skus[sku], qty=qty)] + [LineIn(sku=self.skus[1 - sku], qty=1)] * both
        checkout, actor = self.house.services.checkout, self.buyers[buyer]
        quote, key = checkout.quote(actor, QuoteIn(lines=lines)).quote, f"k{len(self.answers)}"
        with refused_only_as("order.too_many_unpaid", "stock.person_limit", "stock.insufficient"):
            answer = checkout.place(actor, PlaceIn(quote=quote), key).value
            self.answers[buyer, key] = (quote, answer)
            if answer["result"] == "accepted":
                self.orders.append((actor, answer["order"]))

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def send_the_same_key_again(self, data: st.DataObject) -> None:
        buyer, key = data.draw(st.sampled_from(sorted(self.answers)))
        quote, answer = self.answers[buyer, key]
        again = self.house.services.checkout.place(self.buyers[buyer], PlaceIn(quote=quote), key)
        assert (again.value, again.replayed) == (answer, True)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), report=st.booleans())
    def pay(self, data: st.DataObject, report: bool) -> None:
        actor, order = data.draw(st.sampled_from(self.orders))
        with refused_only_as("order.not_payable"):
            asked = self.house.services.orders.pay(actor, order, new_id("key", self.house.clock.now())).value
            self.webhooks.append(self.house.engines.payments.pay(asked["payment"]))
            if report:
                self._report(len(self.webhooks) - 1)

    @precondition(lambda self: self.webhooks)
    @rule(data=st.data())
    def the_provider_reports_again(self, data: st.DataObject) -> None:
        self._report(data.draw(st.integers(0, len(self.webhooks) - 1)))

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        actor, order = data.draw(st.sampled_from(self.orders))
        with refused_only_as("order.not_cancellable"):
            self.house.services.orders.cancel(actor, order, new_id("key", self.house.clock.now()))

    @rule(sku=which, qty=units, kind=st.sampled_from(["received", "removed"]))
    def move_stock(self, sku: int, qty: int, kind: str) -> None:
        products = self.house.services.products
        with refused_only_as(*["stock.insufficient"] * (kind == "removed")):
            self.house.engines.db.write(lambda tx: products.add_stock(tx, self.skus[sku], qty, kind))

    @rule(minutes=st.sampled_from([1, 14, 31]), jobs=st.booleans())
    def time_passes(self, minutes: int, jobs: bool) -> None:
        self.house.clock.advance(minutes=minutes)
        if jobs:
            self.house.jobs()

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def a_closing_job_runs_twice(self, data: st.DataObject) -> None:
        _, order = data.draw(st.sampled_from(self.orders))
        self.house.services.orders.close_due(order)
        assert self.house.services.orders.close_due(order) is False

    def _report(self, number: int) -> None:
        webhook = self.house.engines.payments._sign(self.webhooks[number].id, self.webhooks[number].payload)
        self.house.services.orders.payment_reported(webhook.payload, webhook.signature)

    # -- what holds at every moment -----------------------------------------------------------------------------------

    @invariant()
    def stock_adds_up_and_is_what_the_ledger_says(self) -> None:
        with self.house.engines.db.read() as session:
            rows = session.scalars(select(Stock).where(Stock.sku_id.in_(self.skus))).all()
            moves = session.scalars(select(StockMove).where(StockMove.sku_id.in_(self.skus))).all()
        for row in rows:
            counted: Counter[str] = Counter()
            for move in moves:
                if move.sku_id == row.sku_id:
                    leaves, enters = MOVES[move.kind]
                    counted[leaves or "outside"] -= move.quantity
                    counted[enters] += move.quantity
            kept = {"available": row.available, "reserved": row.reserved, "sold": row.sold, "removed": row.removed}
            assert sum(kept.values()) == row.received == -counted["outside"]
            assert kept == {name: counted[name] for name in kept}
            assert min(kept.values()) >= 0

    @invariant()
    def no_order_without_its_stock_and_no_stock_held_without_an_order(self) -> None:
        held: Counter[tuple[str, str]] = Counter()
        persons: Counter[tuple[str, str]] = Counter()
        unpaid: Counter[str] = Counter()
        with self.house.engines.db.read() as session:
            mine = select(Order, OrderLine).join(OrderLine, OrderLine.order_id == Order.id)
            for order, line in session.execute(mine.where(OrderLine.sku_id.in_(self.skus))):
                held[line.sku_id, order.status] += line.qty
                persons[line.sku_id, order.buyer_id] += line.qty * (order.status in ("placed", "paid"))
            ids = [actor.account_id for actor in self.buyers]
            unpaid.update(
                session.scalars(select(Order.buyer_id).where(Order.buyer_id.in_(ids), Order.status == "placed"))
            )
            stock = session.scalars(select(Stock).where(Stock.sku_id.in_(self.skus))).all()
            counted = session.scalars(select(Buyer).where(Buyer.account_id.in_(ids))).all()
            limited = session.scalars(select(SkuBuyer).where(SkuBuyer.sku_id == self.skus[1])).all()
        assert [(row.reserved, row.sold) for row in stock] == [
            (held[row.sku_id, "placed"], held[row.sku_id, "paid"]) for row in stock
        ]
        assert {row.account_id: row.unpaid for row in counted} == {
            row.account_id: unpaid[row.account_id] for row in counted
        }
        assert max(unpaid.values(), default=0) <= UNPAID_CAP
        for row in limited:
            assert row.qty == persons[row.sku_id, row.account_id] <= LIMIT

    @invariant()
    def nobody_waits_for_what_is_sold_out(self) -> None:
        with self.house.engines.db.read() as session:
            gone = select(Stock.sku_id).where(Stock.sku_id.in_(self.skus), Stock.available + Stock.reserved == 0)
            waiting = select(Waiter).where(Waiter.sku_id.in_(gone), Waiter.status == "waiting")
            assert session.scalars(waiting).all() == []

    def teardown(self) -> None:
        """In the end every payment was either for a paid order or has gone back whole, and no order is open."""
        for number in range(len(self.webhooks)):
            self._report(number)
        self.house.clock.advance(hours=1)
        self.house.jobs()
        ids = [order for _, order in self.orders]
        with self.house.engines.db.read() as session:
            statuses = dict(session.execute(select(Order.id, Order.status).where(Order.id.in_(ids))).all())
            payments = session.scalars(select(Payment).where(Payment.order_id.in_(ids))).all()
        assert "placed" not in statuses.values()
        for payment in payments:
            expected = "succeeded" if statuses[payment.order_id] == "paid" else "refunded"
            assert payment.status == expected
            with self.house.engines.payments._writing() as tx:
                back = tx.execute("SELECT refunded FROM intent WHERE id = ?", (payment.id,)).fetchone()[0]
            assert back == (0 if expected == "succeeded" else payment.amount)
        self.stock_adds_up_and_is_what_the_ledger_says()
        self.no_order_without_its_stock_and_no_stock_held_without_an_order()


@pytest.mark.timeout(300)
def test_the_market_keeps_its_invariants(any_house: House) -> None:
    on_sqlite = any_house.settings.database_url == ""
    market: Callable[[], Market] = type("AMarket", (Market,), {"house": any_house})
    run_state_machine_as_test(
        market,
        settings=settings(
            max_examples=40 if on_sqlite else 5,
            stateful_step_count=30 if on_sqlite else 15,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
