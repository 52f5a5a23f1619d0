"""The table of consequences: what happened -> what follows within the commit, now, and later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import accounts as a
import metrics as x
import moderation as m
import shop as s
from engines.sql import AnyDatabase
from kernel.db import Write
from kernel.facts import Fact, Reaction
from shop.jobs import handlers as shop_jobs

if TYPE_CHECKING:
    from web.app import Services


def connect(db: AnyDatabase, services: Services) -> None:
    """Fill the table and name the jobs' handlers."""
    db.reactions.table = table(services)
    services.worker.handlers.update(shop_jobs(services.orders, services.products))


def table(services: Services) -> dict[type[Fact], Reaction]:
    """Every fact has a line here, an empty one when nothing follows."""
    return {
        a.AccountRegistered: Reaction(),
        a.LoggedIn: Reaction(),
        a.DeviceMerged: Reaction(within=[lambda tx, f: services.metrics.merge(tx, f.device_id, f.account_id)]),
        a.Followed: Reaction(),
        a.Unfollowed: Reaction(),
        a.Blocked: Reaction(),
        a.Unblocked: Reaction(),
        a.AccountSuspended: Reaction(),
        a.CreatorApplied: Reaction(),
        a.CreatorApproved: Reaction(),
        a.CreatorRefused: Reaction(),
        a.CreatorWithdrawn: Reaction(
            within=[
                lambda tx, f: services.moderation.witness(
                    tx, f.by_id, "creator_application.withdrawn", f.account_id, {"application": f.application_id}
                )
            ]
        ),
        x.EventsIngested: Reaction(),
        m.Screened: Reaction(),
        m.Reported: Reaction(),
        m.CaseActed: Reaction(),
        m.ActionUndone: Reaction(),
        m.StrikeGiven: Reaction(),
        m.NoticeSent: Reaction(),
        s.ProductListed: Reaction(),
        s.ProductChanged: Reaction(),
        s.ProductHidden: Reaction(),
        s.ProductRestored: Reaction(),
        s.StockChanged: Reaction(),
        s.OrderPlaced: Reaction(within=[lambda tx, f: _count_order(services, tx, "order.placed", f)]),
        s.OrderPaid: Reaction(within=[lambda tx, f: _count_order(services, tx, "order.paid", f)]),
        s.OrderClosed: Reaction(),
        s.OrderCancelled: Reaction(),
        s.OrderRefunded: Reaction(),
        s.WaiterServed: Reaction(),
        s.WaiterDisappointed: Reaction(),
    }


def _count_order(services: Services, tx: Write, kind: str, f: s.OrderPlaced | s.OrderPaid) -> None:
    order = x.OrderEvent(kind, f.order_id, tx.now, f.buyer_id, f.synthetic, f.channel, f.total)
    services.metrics.record(tx, [order])
