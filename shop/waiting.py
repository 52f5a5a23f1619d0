"""The waiting list of a SKU whose units are all held: told in order when one comes back, told together when none will.

Whoever joins has locked the stock row, and whoever frees a unit has changed it, so no free unit is missed in between.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import case, func, select, update

from kernel.db import Write, insert_ignore
from kernel.ids import new_id
from shop.facts import WaiterDisappointed, WaiterServed
from shop.models import Waiter
from shop.stock import Level, Part

SERVE_WAITERS = "shop.serve_waiters"
GRACE = timedelta(seconds=60)  # what the person who was told has to themselves before the next is told
_REACH = 200  # how far down the queue one freed unit looks for somebody whose wish it fits

_waiter = Waiter.__table__.c


def join(tx: Write, part: Part, account_id: str, key: str) -> int:
    """Enter the queue at its end, or keep one's place in it while one waits; the place, from 1."""
    fresh = {
        "sku_id": part.sku_id,
        "account_id": account_id,
        "number": new_id("wait", tx.now),
        "key": key,
        "qty": part.qty,
        "status": "waiting",
    }
    mine = (_waiter.sku_id == part.sku_id) & (_waiter.account_id == account_id)
    if not insert_ignore(tx.session, Waiter.__table__, fresh):
        number = case(
            (_waiter.status == "waiting", _waiter.number), else_=fresh["number"]
        )  # whoever was told had their turn
        again = update(Waiter.__table__).where(mine)  # type: ignore[arg-type]
        tx.session.execute(again.values(status="waiting", number=number, key=key, qty=part.qty))
    place = select(_waiter.number).where(mine).scalar_subquery()
    ahead = select(func.count()).where(
        _waiter.sku_id == part.sku_id, _waiter.status == "waiting", _waiter.number <= place
    )
    return tx.session.scalar(ahead) or 1


def units_freed(tx: Write, level: Level) -> None:
    """Tell the first waiters whose wish fits what is free; when others remain, ask again after the grace."""
    if not level.available:
        return
    waiting = (_waiter.sku_id == level.sku_id) & (_waiter.status == "waiting")
    queue = select(_waiter.account_id, _waiter.key, _waiter.qty).where(waiting).order_by(_waiter.number).limit(_REACH)
    free, told, left = level.available, 0, 0
    for account_id, key, qty in tx.session.execute(queue).all():
        if qty > free:
            left += 1
            continue
        free, told = free - qty, told + 1
        served = update(Waiter.__table__).where(waiting, _waiter.account_id == account_id)  # type: ignore[arg-type]
        tx.session.execute(served.values(status="served"))
        tx.record(WaiterServed(level.sku_id, account_id, key))
    if told and left:
        tx.enqueue(SERVE_WAITERS, {"sku_id": level.sku_id}, tx.now + GRACE)


def units_gone(tx: Write, level: Level) -> None:
    """When no unit is free or held any more, everybody who still waits hears it."""
    if level.available or level.reserved:
        return
    waiting = (_waiter.sku_id == level.sku_id) & (_waiter.status == "waiting")
    gone = update(Waiter.__table__).where(waiting).values(status="disappointed")  # type: ignore[arg-type]
    for account_id, key in tx.session.execute(gone.returning(_waiter.account_id, _waiter.key)).all():
        tx.record(WaiterDisappointed(level.sku_id, account_id, key))
