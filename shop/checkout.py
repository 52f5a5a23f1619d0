"""From a quote to an order. The hot path: plain SQL statements built once, in one commit, refusals before effects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from accounts import AccountService
from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.db import Database, Write, prune
from kernel.errors import Conflict, NotFound, Unavailable
from kernel.idempotency import Answer, IdempotencyKey, check_key, once
from kernel.ids import new_id
from kernel.money import HOME, Currency
from kernel.policy import Policies
from shop import stock, waiting
from shop.facts import OrderPlaced
from shop.limits import count, within_limit
from shop.models import Order, OrderLine, Quote, SkuBuyer
from shop.quotes import (
    Limits,
    line_out,
    not_available,
    open_quote,
    order_shape,
    parts,
    priced,
    refuse_own,
    refuse_suspended,
    remembered_address,
    unchanged,
    used,
)
from shop.schemas import Address, MoneyOut, Placed, PlaceIn, QuoteIn, QuoteOut, StoredLine
from shop.stock import Level, Part
from shop.touchpoints import Origins, Touchpoints

PLACE = "orders.create"
CLOSE_ORDER = "shop.close_order"
ATTRIBUTION = "last_touch.1"  # the line keeps the touchpoint it was put into the quote with
QUOTE_LIFE = timedelta(minutes=15)
QUOTE_KEPT = timedelta(days=1)
PAY_BY, PAY_BY_ROOM, UNPAID_CAP = "order.pay_by", "order.pay_by_room", "order.unpaid_cap"

_sku_buyer, _idempotency = SkuBuyer.__table__.c, IdempotencyKey.__table__.c

_INSERT_QUOTE = insert(Quote.__table__)  # type: ignore[arg-type]
_INSERT_ORDER = insert(Order.__table__)  # type: ignore[arg-type]
_INSERT_LINES = insert(OrderLine.__table__)  # type: ignore[arg-type]


class CheckoutService:
    """Quotes and orders. `place` is answered once per key, whether it came over HTTP or over a socket."""

    def __init__(
        self, db: Database, accounts: AccountService, policies: Policies, origins: Origins, currency: Currency = HOME
    ) -> None:
        self.db = db
        self.currency = currency
        self.accounts = accounts
        self.policies = policies
        self.touchpoints = Touchpoints(origins)
        policies.declare(PAY_BY, 1800, 1, 86_400)
        policies.declare(PAY_BY_ROOM, 300, 1, 86_400)
        policies.declare(UNPAID_CAP, 5, 1, 1000)

    # -- quote ----------------------------------------------------------------------------------------------------

    def quote(self, actor: Actor, form: QuoteIn) -> QuoteOut:
        """Lines, total and expiry at the present prices; holds no stock. The address is remembered for the next one."""
        actor.require_account()
        return self.db.write(lambda tx: self.add_quote(tx, actor, form))

    def quote_once(self, actor: Actor, form: QuoteIn, key: str) -> Answer:
        """`quote` under an idempotency key; the answer is a `QuoteOut` as JSON."""
        write = once(
            actor, key, "quotes.create", form.model_dump(), lambda tx: self.add_quote(tx, actor, form).model_dump()
        )
        return self.db.write(write)

    def add_quote(self, tx: Write, actor: Actor, form: QuoteIn) -> QuoteOut:
        """Write a quote inside a larger write.

        Refused, with nothing changed: `sku.not_found`, `product.not_available`, `merchant.not_selling`, `merchant.own_goods`,
        `touchpoint.untrue`, and what the lines lack. A touchpoint is kept as far as it is proven, and dropped when its time
        is over or what it names is gone.
        """
        buyer = actor.require_account()
        lines, currency = priced(tx.session, buyer, form.lines)
        refuse_own(buyer, lines)
        if currency != self.currency:  # listed while the site's was another: not for sale before it has a price in it
            raise not_available([line.sku for line in lines])
        refuse_suspended(tx.session, self.accounts, lines)
        lines = self.touchpoints.checked(tx.session, actor, lines, tx.now)
        total = sum(line.price * line.qty for line in lines)
        address = remembered_address(tx, buyer, form.address)
        quote_id, expires_at = new_id("quote", tx.now), tx.now + QUOTE_LIFE
        row = {
            "id": quote_id,
            "buyer_id": buyer,
            "lines": [line.model_dump() for line in lines],
            "total": total,
            "currency": currency,
            "address": address,
            "expires_at": expires_at,
        }
        tx.session.execute(_INSERT_QUOTE, row)
        return QuoteOut(
            quote=quote_id,
            lines=[line_out(line, currency) for line in lines],
            total=MoneyOut(amount=total, currency=currency),
            address=Address(**address) if address else None,
            expires_at=rfc3339(expires_at),
        )

    def forget_quotes(self) -> None:
        """Delete quotes a day after they expired; an order has its own lines. Until then they are answered as expired."""
        prune(self.db, Quote.__table__, Quote.__table__.c.expires_at < self.db.clock.now() - QUOTE_KEPT)

    # -- place ----------------------------------------------------------------------------------------------------

    def place(self, actor: Actor, form: PlaceIn, key: str) -> Answer:
        """Turn a quote into an order that holds its stock until `pay_by`. The answer is a `Placed`.

        Refused, with nothing changed: `quote.not_found`, `quote.used`, `quote.expired`, `quote.changed`,
        `product.not_available`, `merchant.not_selling`, `merchant.own_goods`, `stock.insufficient`, `stock.person_limit`,
        `order.too_many_unpaid`.
        """
        actor.require_account()
        write = once(actor, key, PLACE, form.model_dump(), lambda tx: self.add_order(tx, actor, form.quote, key))
        return self.db.write(write)

    def add_order(self, tx: Write, actor: Actor, quote_id: str, key: str = "") -> dict[str, Any]:
        """Place an order inside a larger write; a `Placed` as JSON."""
        buyer = actor.require_account()
        quote = open_quote(tx, quote_id, buyer)
        lines = [StoredLine(**line) for line in quote.lines]
        refuse_own(buyer, lines)
        limits = unchanged(tx.session, buyer, lines)
        refuse_suspended(tx.session, self.accounts, lines)
        levels, refusal = self._reserve(tx, buyer, lines, limits, key)
        if refusal is not None:
            return refusal
        terms = self._terms(tx.session, lines)
        count(tx, buyer, lines, limits, terms[UNPAID_CAP])
        order_id, pay_by = new_id("ord", tx.now), tx.now + timedelta(seconds=terms[PAY_BY])
        self._write_order(tx, order_id, pay_by, quote, lines, limits, actor.synthetic)
        stock.book(tx, stock.RESERVED, parts(lines), levels, order_id, buyer)
        tx.enqueue(CLOSE_ORDER, {"order_id": order_id}, pay_by)
        shape = order_shape(lines)
        tx.record(OrderPlaced(order_id, buyer, quote.total, quote.currency, *shape, actor.synthetic))
        return Placed(result="accepted", order=order_id, pay_by=rfc3339(pay_by)).model_dump(exclude_none=True)

    def result(self, actor: Actor, key: str) -> Answer:
        """What `place` answered to this key of this person, again. `order.key_unknown` when there was no such answer."""
        check_key(key)
        mine = (_idempotency.person == actor.require_account()) & (_idempotency.key == key)
        with self.db.read() as session:
            answer = session.scalar(select(_idempotency.answer).where(mine, _idempotency.operation == PLACE))
        if answer is None:
            raise NotFound("order.key_unknown", "No order was answered under this key.")
        return Answer(answer, replayed=True)

    def _reserve(
        self, tx: Write, buyer: str, lines: Sequence[StoredLine], limits: Limits, key: str
    ) -> tuple[list[Level], dict[str, Any] | None]:
        """The stock levels after taking every line, or the answer to give when a line is short."""
        for _ in range(len(lines) + 1):  # a short row is locked when it is looked at, so each is short at most once
            levels, short = stock.reserve(tx, parts(lines))
            if short is None:
                return levels, None
            answer = _shortage(tx, buyer, short, limits, key)
            if answer is not None:
                return [], answer
        raise Unavailable("stock.busy", "Too many people buy this at once; nothing was ordered.")

    def _terms(self, session: Session, lines: Sequence[StoredLine]) -> dict[str, int]:
        """The unpaid cap, and the shortest time to pay that any line asks for, in seconds."""
        timed = [(PAY_BY, line.sku) for line in lines]
        timed += [(PAY_BY_ROOM, line.sku) for line in lines if (line.touchpoint or {}).get("room_id")]
        found = self.policies.values(session, [(UNPAID_CAP, ""), *timed])
        return {UNPAID_CAP: int(found[UNPAID_CAP, ""]), PAY_BY: int(min(found[one] for one in timed))}

    def _write_order(
        self,
        tx: Write,
        order_id: str,
        pay_by: datetime,
        quote: Row[Any],
        lines: Sequence[StoredLine],
        limits: Limits,
        synthetic: bool,
    ) -> None:
        order = {
            "id": order_id,
            "buyer_id": quote.buyer_id,
            "quote_id": quote.id,
            "status": "placed",
            "total": quote.total,
            "currency": quote.currency,
            "channel": order_shape(lines)[0],
            "address": quote.address,
            "synthetic": synthetic,
            "placed_at": tx.now,
            "pay_by": pay_by,
            "paid_at": None,
            "ended_at": None,
        }
        try:
            tx.session.execute(_INSERT_ORDER, order)
        except IntegrityError as error:
            if "quote_id" in str(error.orig):  # two keys placed the same quote at the same moment
                raise used() from None
            raise
        tx.session.execute(_INSERT_LINES, [_row(order_id, n, line, limits) for n, line in enumerate(lines)])


def _shortage(tx: Write, buyer: str, short: Part, limits: Limits, key: str) -> dict[str, Any] | None:
    """Sold out, or a place in the queue; None when the units came back while we looked."""
    level = stock.locked_level(tx, short.sku_id)
    assert level is not None
    if level.available >= short.qty:
        return None
    if not level.available + level.reserved:
        return Placed(result="sold_out", sku=short.sku_id).model_dump(exclude_none=True)
    if level.available + level.reserved < short.qty:
        raise Conflict(
            "stock.insufficient", "There are not that many units.", sku=short.sku_id, available=level.available
        )
    if short.sku_id in limits:
        mine = (_sku_buyer.sku_id == short.sku_id) & (_sku_buyer.account_id == buyer)
        bought = tx.session.scalar(select(_sku_buyer.qty).where(mine)) or 0
        within_limit(bought + short.qty <= limits[short.sku_id], short.sku_id, limits)
    place = waiting.join(tx, short, buyer, key)
    return Placed(result="all_held", sku=short.sku_id, place=place).model_dump(exclude_none=True)


def _row(order_id: str, position: int, line: StoredLine, limits: Limits) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "sku_id": line.sku,
        "position": position,
        "product_id": line.product_id,
        "merchant_id": line.merchant_id,
        "title": line.title,
        "name": line.name,
        "qty": line.qty,
        "price": line.price,
        "limited": line.sku in limits,
        "touchpoint": line.touchpoint,
        "attribution": ATTRIBUTION,
    }
