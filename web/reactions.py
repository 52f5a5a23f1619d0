"""The table of consequences: what happened -> what follows within the commit, now, and later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import accounts as a
import metrics as x
import moderation as m
import notes as n
import shop as s
from engines.sql import AnyDatabase
from kernel.db import Write
from kernel.facts import Fact, Later, Reaction
from shop.jobs import handlers as shop_jobs
from web.verdicts import Verdicts

if TYPE_CHECKING:
    from web.app import Services


def connect(db: AnyDatabase, services: Services) -> None:
    """Fill the table and name the jobs' handlers."""
    db.reactions.table = table(services)
    services.worker.handlers.update(shop_jobs(services.orders, services.products))
    services.worker.handlers["moderation.screen"] = Verdicts(services).screen
    services.worker.handlers["moderation.screen_listing"] = Verdicts(services).screen_listing


def table(services: Services) -> dict[type[Fact], Reaction]:
    """Every fact has a line here, an empty one when nothing follows."""
    verdicts = Verdicts(services)
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
        m.Screened: Reaction(within=[verdicts.screened]),
        m.Reported: Reaction(),
        m.CaseActed: Reaction(within=[verdicts.acted]),
        m.ActionUndone: Reaction(within=[verdicts.undone]),
        m.StrikeGiven: Reaction(),
        m.NoticeSent: Reaction(),
        n.NoteSubmitted: Reaction(later=[Later("moderation.screen", lambda f: _subject("note", f.note_id, f.version))]),
        n.NotePublished: Reaction(),
        n.NoteLimited: Reaction(),
        n.NoteRejected: Reaction(),
        n.NoteHidden: Reaction(),
        n.NoteRemoved: Reaction(),
        n.NoteRestored: Reaction(),
        n.NoteDeleted: Reaction(),
        n.NoteProductsChanged: Reaction(),
        n.NoteLiked: Reaction(),
        n.NoteUnliked: Reaction(),
        n.NoteSaved: Reaction(),
        n.NoteUnsaved: Reaction(),
        n.NoteCommented: Reaction(later=[Later("moderation.screen", lambda f: _subject("comment", f.comment_id, 1))]),
        n.CommentHidden: Reaction(),
        n.CommentRestored: Reaction(),
        n.CommentDeleted: Reaction(),
        s.ProductListed: Reaction(),
        s.ProductChanged: Reaction(later=[Later("moderation.screen_listing", lambda f: {"product_id": f.product_id})]),
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


def _subject(kind: str, target_id: str, version: int) -> dict[str, Any]:
    return {"kind": kind, "id": target_id, "version": version}
