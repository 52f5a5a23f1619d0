"""What becomes of an order: paid, closed at `pay_by`, cancelled; and money that comes too late goes back.

Every step is one conditional update of the order's status, and whoever makes it moves the stock in the same commit:
so whatever arrives twice, or late, or at the same moment, stock and money move once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.orm import Session

from kernel import cursors
from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.db import Database, Write, insert_ignore
from kernel.errors import Conflict, Invalid, NotFound
from kernel.idempotency import Answer, once, replayed
from kernel.ports import PaymentIntent, Payments
from shop import stock, waiting
from shop.facts import OrderCancelled, OrderClosed, OrderPaid, OrderRefunded, PaymentOpened
from shop.models import Buyer, Order, OrderLine, Payment, SkuBuyer
from shop.quotes import order_shape, parts
from shop.receipts import shown, stored_lines
from shop.schemas import Cancelled, MoneyOut, OrderOut, OrderPage, PaymentOut

REFUND = "shop.refund_payment"
AGAIN = timedelta(minutes=1)

_order, _line, _payment = Order.__table__.c, OrderLine.__table__.c, Payment.__table__.c
_buyer, _sku_buyer = Buyer.__table__.c, SkuBuyer.__table__.c
_ORDER = select(Order.__table__).where(_order.id == bindparam("order_id"))
_LINES = select(OrderLine.__table__).where(_line.order_id == bindparam("order_id")).order_by(_line.position)


@dataclass(frozen=True)
class Settlement:
    """A payment that the provider says was made at `at`; `reference` is the order's id."""

    payment: str
    reference: str
    amount: int
    currency: str
    at: datetime


class OrderService:
    """`off_loop` runs calls to the provider where they stop nobody else; none is made inside a commit."""

    def __init__(self, db: Database, payments: Payments, off_loop: Callable[..., Any]) -> None:
        self.db = db
        self.payments = payments
        self._off_loop = off_loop

    # -- reading --------------------------------------------------------------------------------------------------

    def get(self, actor: Actor, order_id: str) -> OrderOut:
        """One of the caller's orders."""
        buyer = actor.require_account()
        with self.db.read() as session:
            return shown(session, [_own(session, order_id, buyer)])[0]

    def list(self, actor: Actor, cursor: str | None = None, limit: int = 20, state: str | None = None) -> OrderPage:
        """The caller's orders, newest first; only those in `state` when it is given."""
        query = select(Order.__table__).where(_order.buyer_id == actor.require_account())
        after = cursors.decode(cursor, str)
        if after is not None:
            query = query.where(_order.id < after[0])
        if state is not None:
            query = query.where(_order.status == state)
        with self.db.read() as session:
            rows = session.execute(query.order_by(_order.id.desc()).limit(limit + 1)).all()
            page, more = cursors.cut(rows, limit, lambda row: row.id)
            return OrderPage(items=shown(session, page), next_cursor=more)

    # -- paying ---------------------------------------------------------------------------------------------------

    def pay(self, actor: Actor, order_id: str, key: str) -> Answer:
        """Ask the provider for a payment page; the answer is a `PaymentOut`. `order.not_payable` when it is too late.

        The provider is asked between two looks at the order, never under its lock; an order has one intent, so
        asking again is harmless.
        """
        buyer, command = actor.require_account(), (actor, key, f"orders.pay:{order_id}", dict[str, Any]())
        if (again := replayed(self.db, *command)) is not None:
            return again
        with self.db.read() as session:
            order = _own(session, order_id, buyer)
        intent = self._ask_provider(_payable(order, self.db.clock.now()))
        return self.db.write(once(*command, lambda tx: _open_payment(tx, order_id, buyer, intent)))

    def _ask_provider(self, order: Row[Any]) -> PaymentIntent:
        intent: PaymentIntent = self._off_loop(
            self.payments.create, order.id, order.total, order.currency, f"order:{order.id}"
        )
        return intent

    def payment_reported(self, payload: bytes, signature: str) -> str:
        """Take the provider's webhook, at least once and in any order; what this delivery did.

        `paid`, `refund_due` (too late, or not what was asked), `failed`, `known` (seen before), `ignored` (another type).
        """
        body = self._off_loop(self.payments.verify, payload, signature)
        if body.get("type") == "payment.succeeded":
            settlement = _settlement(body)
            return self.db.write(lambda tx: self.settle(tx, settlement))
        if body.get("type") == "payment.failed":
            failed = update(Payment.__table__).where(_payment.id == str(body.get("payment")), _payment.status == "open")  # type: ignore[arg-type]
            self.db.write(lambda tx: tx.session.execute(failed.values(status="failed")))
            return "failed"
        return "ignored"

    def settle(self, tx: Write, made: Settlement) -> str:
        """A payment was made: complete the order, or send the money back, inside a larger write."""
        order = tx.session.execute(_ORDER, {"order_id": made.reference}).first()
        if order is None:
            raise NotFound("order.not_found", "There is no such order.")
        _remember_payment(tx, order.id, made.payment, made.amount, made.currency, "")
        paid = {"status": "succeeded", "amount": made.amount, "currency": made.currency}  # what goes back is what came
        if not _turn(tx, Payment, made.payment, ("open", "failed"), **paid):
            return "known"
        as_asked = (made.amount, made.currency) == (order.total, order.currency) and made.at <= order.pay_by
        paid_at = min(max(made.at, order.placed_at), tx.now)  # a provider's clock may be wrong
        if not as_asked or not _turn(tx, Order, order.id, ("placed",), status="paid", paid_at=paid_at):
            self._owe_back(tx, [made.payment])
            return "refund_due"
        lines = stored_lines(tx.session, [order.id])[order.id]
        for level in stock.shift(tx, stock.SOLD, parts(lines), order.id):
            waiting.units_gone(tx, level)
        _unpaid_no_more(tx, order.buyer_id)
        shape = order_shape(lines)
        tx.record(OrderPaid(order.id, order.buyer_id, order.total, order.currency, *shape, order.synthetic, paid_at))
        return "paid"

    def refund(self, payment_id: str) -> None:
        """Give one payment back at the provider. Idempotent: the provider knows the key, and the row its status."""
        with self.db.read() as session:
            row = session.execute(select(Payment.__table__).where(_payment.id == payment_id)).one()
            buyer = session.scalar(select(_order.buyer_id).where(_order.id == row.order_id)) or ""
        if row.status != "refund_due":
            return
        refund_id = self._off_loop(self.payments.refund, payment_id, row.amount, f"refund:{payment_id}")

        def write(tx: Write) -> None:
            if _turn(tx, Payment, payment_id, ("refund_due",), status="refunded", refund_id=refund_id):
                tx.record(OrderRefunded(row.order_id, buyer, payment_id, row.amount, row.currency))

        self.db.write(write)

    def refund_later(self, payment_id: str) -> None:
        """Try a refund again in a minute."""
        self.db.write(lambda tx: tx.enqueue(REFUND, {"payment_id": payment_id}, tx.now + AGAIN))

    def _owe_back(self, tx: Write, payment_ids: Sequence[str]) -> None:
        for payment_id in payment_ids:
            if _turn(tx, Payment, payment_id, ("succeeded",), status="refund_due"):
                tx.enqueue(REFUND, {"payment_id": payment_id})

    # -- ending ---------------------------------------------------------------------------------------------------

    def close_due(self, order_id: str) -> bool:
        """Close an order whose `pay_by` has passed and which is not paid; whether this call did it."""
        return self.db.write(lambda tx: self.close_within(tx, order_id))

    def close_within(self, tx: Write, order_id: str) -> bool:
        """`close_due` inside a larger write."""
        order = tx.session.execute(_ORDER, {"order_id": order_id}).one()
        if order.pay_by > tx.now or not _turn(tx, Order, order_id, ("placed",), status="closed", ended_at=tx.now):
            return False
        self._give_back(tx, order, stock.RELEASED)
        _unpaid_no_more(tx, order.buyer_id)
        tx.record(OrderClosed(order_id, order.buyer_id))
        return True

    def cancel(self, actor: Actor, order_id: str, key: str) -> Answer:
        """Cancel before shipping; what was paid is refunded at once. `order.not_cancellable` when it has ended."""
        buyer = actor.require_account()

        def write(tx: Write) -> dict[str, Any]:
            refund = self.cancel_within(tx, buyer, order_id)
            return Cancelled(order=order_id, status="cancelled", refund=refund).model_dump()

        return self.db.write(once(actor, key, f"orders.cancel:{order_id}", {}, write))

    def cancel_within(self, tx: Write, buyer: str, order_id: str) -> bool:
        """`cancel` inside a larger write; whether money goes back."""
        refund = self._end(tx, _own(tx.session, order_id, buyer))
        tx.record(OrderCancelled(order_id, buyer))
        return refund

    def _end(self, tx: Write, order: Row[Any]) -> bool:
        """Cancel an unpaid or a paid order; whether money goes back."""
        if _turn(tx, Order, order.id, ("placed",), status="cancelled", ended_at=tx.now):
            self._give_back(tx, order, stock.RELEASED)
            _unpaid_no_more(tx, order.buyer_id)
            return False
        if not _turn(tx, Order, order.id, ("paid",), status="cancelled", ended_at=tx.now):
            raise Conflict("order.not_cancellable", "This order has ended already.", state=order.status)
        self._give_back(tx, order, stock.RETURNED)
        paid = select(_payment.id).where(_payment.order_id == order.id, _payment.status == "succeeded")
        self._owe_back(tx, tx.session.scalars(paid).all())
        return True

    def _give_back(self, tx: Write, order: Row[Any], kind: str) -> None:
        """Stock and the person's limit come back, and who waits is told. Runs once: behind a turn of the status."""
        rows = tx.session.execute(_LINES, {"order_id": order.id}).all()
        levels = stock.shift(tx, kind, [stock.Part(row.sku_id, row.qty) for row in rows], order.id)
        for row in sorted(rows, key=lambda row: row.sku_id):
            if row.limited:
                mine = (_sku_buyer.sku_id == row.sku_id) & (_sku_buyer.account_id == order.buyer_id)
                less = update(SkuBuyer.__table__).where(mine).values(qty=_sku_buyer.qty - row.qty)  # type: ignore[arg-type]
                tx.session.execute(less)
        for level in levels:
            waiting.units_freed(tx, level)


def _turn(tx: Write, table: Any, id: str, old: tuple[str, ...], **values: Any) -> bool:
    """Move a row on from one of its `old` statuses; False when somebody else was first."""
    column = table.__table__.c
    turned = update(table.__table__).where(column.id == id, column.status.in_(old)).values(**values)
    return bool(tx.session.execute(turned).rowcount)  # type: ignore[attr-defined]


def _unpaid_no_more(tx: Write, buyer: str) -> None:
    less = update(Buyer.__table__).where(_buyer.account_id == buyer).values(unpaid=_buyer.unpaid - 1)  # type: ignore[arg-type]
    tx.session.execute(less)


def _own(session: Session, order_id: str, buyer: str) -> Row[Any]:
    order = session.execute(_ORDER, {"order_id": order_id}).first()
    if order is None or order.buyer_id != buyer:
        raise NotFound("order.not_found", "There is no such order.")
    return order


def _payable(order: Row[Any], now: datetime) -> Row[Any]:
    if order.status != "placed" or order.pay_by <= now:
        status = order.status if order.status != "placed" else "closed"
        raise Conflict("order.not_payable", "This order takes no payment any more.", state=status)
    return order


def _open_payment(tx: Write, order_id: str, buyer: str, intent: PaymentIntent) -> dict[str, Any]:
    order = _payable(_own(tx.session, order_id, buyer), tx.now)
    _remember_payment(tx, order_id, intent.id, order.total, order.currency, intent.url)
    tx.record(PaymentOpened(order_id, buyer))
    amount = MoneyOut(amount=order.total, currency=order.currency)
    return PaymentOut(payment=intent.id, url=intent.url, amount=amount, pay_by=rfc3339(order.pay_by)).model_dump()


def _remember_payment(tx: Write, order_id: str, id: str, amount: int, currency: str, url: str) -> None:
    row = {"id": id, "order_id": order_id, "amount": amount, "currency": currency, "status": "open", "url": url}
    insert_ignore(tx.session, Payment.__table__, {**row, "created_at": tx.now})


def _settlement(body: Mapping[str, Any]) -> Settlement:
    try:
        at = datetime.fromisoformat(body["at"])
        made = Settlement(body["payment"], body["reference"], body["amount"], body["currency"], at)
    except (KeyError, TypeError, ValueError):
        raise Invalid("payment.malformed", "The report lacks a field.") from None
    if at.tzinfo is None or type(made.amount) is not int or not 0 <= made.amount < 2**63:
        raise Invalid("payment.malformed", "The report has a field of a wrong type.")
    return made
