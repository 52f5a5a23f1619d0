"""Orders as their buyers see them, read in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from kernel.clock import rfc3339
from shop.models import OrderLine, Payment
from shop.quotes import line_out
from shop.schemas import Address, MoneyOut, OrderOut, PaymentRef, StoredLine

_line, _payment = OrderLine.__table__.c, Payment.__table__.c


def stored_lines(session: Session, order_ids: Sequence[str]) -> dict[str, list[StoredLine]]:
    """The lines of orders, by order."""
    found: dict[str, list[StoredLine]] = {}
    query = select(OrderLine.__table__).where(_line.order_id.in_(order_ids)).order_by(_line.order_id, _line.position)
    for row in session.execute(query):
        line = StoredLine(
            sku=row.sku_id,
            product_id=row.product_id,
            merchant_id=row.merchant_id,
            title=row.title,
            name=row.name,
            qty=row.qty,
            price=row.price,
            touchpoint=row.touchpoint,
        )
        found.setdefault(row.order_id, []).append(line)
    return found


def shown(session: Session, orders: Sequence[Row[Any]]) -> list[OrderOut]:
    """The orders in their order, with their lines and their newest payment."""
    ids = [order.id for order in orders]
    lines = stored_lines(session, ids)
    # The newest payment last, so that it is the one shown.
    query = select(Payment.__table__).where(_payment.order_id.in_(ids)).order_by(_payment.created_at)
    paid = {row.order_id: row for row in session.execute(query)}
    return [order_out(order, lines[order.id], paid.get(order.id)) for order in orders]


def order_out(order: Row[Any], lines: Sequence[StoredLine], payment: Row[Any] | None) -> OrderOut:
    return OrderOut(
        id=order.id,
        status=order.status,
        lines=[line_out(line, order.currency) for line in lines],
        total=MoneyOut(amount=order.total, currency=order.currency),
        channel=order.channel,
        address=Address(**order.address) if order.address else None,
        placed_at=rfc3339(order.placed_at),
        pay_by=rfc3339(order.pay_by),
        paid_at=rfc3339(order.paid_at) if order.paid_at else None,
        ended_at=rfc3339(order.ended_at) if order.ended_at else None,
        payment=PaymentRef(id=payment.id, status=payment.status, url=payment.url) if payment else None,
    )
