"""What an operator asks of the shop's tables: whether stock, ledger and orders say the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, case, func, or_, select
from sqlalchemy.orm import Session

from shop.models import Order, OrderLine, Product, Stock, StockMove
from shop.stock import MOVES

COLUMNS = ("received", "available", "reserved", "sold", "removed")
_ENDED = ("closed", "cancelled")


@dataclass(frozen=True)
class StockFault:
    """A SKU whose units are not where they should be; `what` tells how."""

    sku_id: str
    what: str


def listed(session: Session) -> int:
    """How many products search should find."""
    return session.scalar(select(func.count()).select_from(Product).where(Product.status == "listed")) or 0


def stock_faults(session: Session, limit: int = 100) -> list[StockFault]:
    """SKUs whose row does not add up, or differs from the ledger, or from what live and paid orders hold."""
    booked, held, row = _booked(), _held(), Stock.__table__.c
    totals = {name: func.coalesce(booked.c[name], 0) for name in COLUMNS}
    ordered = {name: func.coalesce(held.c[name], 0) for name in ("reserved", "sold")}
    wrong = or_(
        or_(*(row[name] < 0 for name in COLUMNS)),
        row.available + row.reserved + row.sold + row.removed != row.received,
        or_(*(row[name] != total for name, total in totals.items())),
        or_(*(row[name] != count for name, count in ordered.items())),
    )
    joined = Stock.__table__.outerjoin(booked, booked.c.sku_id == row.sku_id).outerjoin(
        held, held.c.sku_id == row.sku_id
    )
    columns = [total.label(f"booked_{name}") for name, total in totals.items()]
    columns += [count.label(f"held_{name}") for name, count in ordered.items()]
    found = select(Stock.__table__, *columns).select_from(joined).where(wrong)
    return [StockFault(one.sku_id, _told(one)) for one in session.execute(found.order_by(row.sku_id).limit(limit))]


def _booked() -> Any:
    """What the ledger's moves come to, by SKU."""
    move = StockMove.__table__.c
    sums = []
    for name in COLUMNS:
        effect = {kind: (name == enters) - (name == leaves) for kind, (leaves, enters) in MOVES.items()}
        if name == "received":
            effect = {kind: int(leaves is None) for kind, (leaves, _) in MOVES.items()}
        signs = case({kind: sign for kind, sign in effect.items() if sign}, value=move.kind, else_=0)
        sums.append(func.sum(signs * move.quantity).label(name))
    return select(move.sku_id, *sums).group_by(move.sku_id).subquery("booked")


def _held() -> Any:
    """Units in orders that wait for their payment (`reserved`), and in those that were paid (`sold`), by SKU."""
    order, line = Order.__table__.c, OrderLine.__table__.c
    reserved = func.sum(case((order.status == "placed", line.qty), else_=0)).label("reserved")
    sold = func.sum(case((order.status != "placed", line.qty), else_=0)).label("sold")
    joined = OrderLine.__table__.join(Order.__table__, order.id == line.order_id)
    lines = select(line.sku_id, reserved, sold).select_from(joined).where(order.status.not_in(_ENDED))
    return lines.group_by(line.sku_id).subquery("held")


def _told(one: Row[Any]) -> str:
    parts = [f"{name} {getattr(one, name)}" for name in COLUMNS]
    wrong = [f"the ledger says {name} {_of(one, 'booked', name)}" for name in COLUMNS if _differs(one, "booked", name)]
    wrong += [
        f"orders hold {_of(one, 'held', name)} {name}" for name in ("reserved", "sold") if _differs(one, "held", name)
    ]
    return f"{', '.join(parts)}; {', '.join(wrong) or 'it does not add up'}"


def _of(one: Row[Any], side: str, name: str) -> int:
    return int(getattr(one, f"{side}_{name}"))


def _differs(one: Row[Any], side: str, name: str) -> bool:
    return bool(getattr(one, name) != _of(one, side, name))
