"""The table of consequences: what happened -> what follows within the commit, now, and later."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import accounts as a
import feed as fd
import live as l
import metrics as x
import moderation as m
import notes as n
import shop as s
from engines.sql import AnyDatabase
from kernel.db import Write
from kernel.facts import Fact, Later, Reaction
from kernel.idempotency import forget
from live.jobs import REFRESH, STREAM
from search import FILL, REBUILD
from shop.jobs import handlers as shop_jobs
from web.acts import counted
from web.broadcast import Broadcast
from web.payments import DELIVER
from web.services import Services
from web.verdicts import Verdicts


def connect(db: AnyDatabase, services: Services) -> None:
    """Fill the table and name the jobs' handlers."""
    db.reactions.table = counted(table(services), lambda tx, act: _count_act(services, tx, act))
    worker, verdicts = services.worker, Verdicts(services)
    worker.repeat(DELIVER, timedelta(seconds=10), services.provider.deliver_due)
    worker.repeat("metrics.seal", timedelta(hours=1), services.metrics.seal)
    worker.repeat("feed.rescore", timedelta(minutes=5), services.candidates.rescore_all)
    worker.repeat("feed.watch_rooms", timedelta(seconds=30), services.broadcasts.watch)
    worker.repeat("idempotency.forget", timedelta(hours=1), lambda: forget(db))
    worker.repeat("accounts.forget_sessions", timedelta(hours=1), services.accounts.forget_sessions)
    worker.repeat("shop.forget_quotes", timedelta(hours=1), services.checkout.forget_quotes)
    worker.repeat("live.clear_streams", timedelta(minutes=5), services.streams.clear_ended)
    worker.repeat("notes.sweep_uploads", timedelta(hours=1), services.uploads.sweep)
    worker.repeat(FILL, timedelta(minutes=1), services.search.fill_if_lost)
    # An index that fills must not keep an order from being closed at its time.
    worker.slow |= {"metrics.seal", "feed.rescore", "notes.sweep_uploads"}
    worker.slow |= {REBUILD, FILL, "search.index", "moderation.screen_listing"}
    worker.handlers.update(shop_jobs(services.orders, services.products))
    worker.handlers.update(services.live_jobs.handlers)
    worker.handlers[n.DROP_FILES] = lambda args: services.uploads.drop_files(args["names"])
    worker.handlers["search.index"] = lambda args: services.search.index_things(args["kind"], args["ids"])
    worker.handlers[REBUILD] = services.search.rebuild_asked
    worker.handlers["feed.refresh"] = lambda args: services.candidates.refresh(args["note_ids"])
    worker.handlers["feed.line_up"] = lambda args: services.candidates.line_up(args["author_id"])
    worker.handlers["moderation.screen"] = verdicts.screen
    worker.handlers["moderation.screen_listing"] = verdicts.screen_listing


def table(services: Services) -> dict[type[Fact], Reaction]:
    """Every fact has a line here, an empty one when nothing follows but that it is counted (`web/acts.py`)."""
    verdicts = Verdicts(services)
    chat, desk, shelf, streams = services.chat, services.desk, services.shelf, services.streams
    room_log = services.rooms.log
    cast = Broadcast(room_log.realtime)
    refresh = Later("feed.refresh", lambda f: {"note_ids": [f.note_id]})
    found = Later("search.index", lambda f: {"kind": "note", "ids": [f.note_id]})
    listed = Later("search.index", lambda f: {"kind": "product", "ids": [f.product_id]})
    shelves = Later(REFRESH, lambda f: {"product_id": f.product_id})
    on_air = Later("search.index", lambda f: {"kind": "room", "ids": [f.room_id]})
    their_goods = Later(REFRESH, lambda f: {"merchant_id": f.account_id})
    forget = lambda tx, f: services.candidates.drop(tx, f.note_id)  # noqa: E731

    def did(act: str) -> Callable[[Write, Any], None]:
        return lambda tx, f: services.candidates.respond(tx, f.account_id, f.note_id, act)

    def undid(act: str) -> Callable[[Write, Any], None]:
        return lambda tx, f: services.candidates.take_back(tx, f.account_id, f.note_id, act)

    def unsaid(tx: Write, f: n.CommentHeld | n.CommentHidden | n.CommentDeleted) -> None:
        if not services.notes.commented(tx.session, f.note_id, f.account_id):
            services.candidates.take_back(tx, f.account_id, f.note_id, "commented")

    return {
        a.AccountRegistered: Reaction(),
        a.LoggedIn: Reaction(),
        a.LoggedOut: Reaction(now=[cast.logged_out]),
        a.DeviceMerged: Reaction(
            within=[
                lambda tx, f: _merge(services, tx, f),
                lambda tx, f: services.candidates.merge(tx, f.device_id, f.account_id),
            ]
        ),
        a.ProfileChanged: Reaction(),
        a.ProfileWorded: Reaction(within=[verdicts.screen_profile]),
        a.Followed: Reaction(),
        a.Unfollowed: Reaction(),
        a.Blocked: Reaction(now=[cast.walls]),
        a.Unblocked: Reaction(now=[cast.walls]),
        a.AccountSuspended: Reaction(
            within=[
                lambda tx, f: desk.end_rooms_of(tx, f.account_id),
                lambda tx, f: services.candidates.step_aside(tx, f.account_id),
            ],
            now=[cast.suspended],
            later=[their_goods],
        ),
        a.AccountReinstated: Reaction(
            later=[their_goods, Later("feed.line_up", lambda f: {"author_id": f.account_id})]
        ),
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
        fd.FeedbackGiven: Reaction(),
        fd.PlaceFreed: Reaction(later=[Later("feed.line_up", lambda f: {"author_id": f.author_id})]),
        x.EventsIngested: Reaction(),
        x.NoteOpened: Reaction(within=[lambda tx, f: services.candidates.opened(tx, f.person, f.note_id)]),
        m.Screened: Reaction(within=[verdicts.screened]),
        m.Reported: Reaction(),
        m.CaseActed: Reaction(within=[verdicts.acted]),
        m.ActionUndone: Reaction(within=[verdicts.undone]),
        m.StrikeGiven: Reaction(),
        m.NoticeSent: Reaction(),
        n.NoteWritten: Reaction(),
        n.NoteSubmitted: Reaction(later=[Later("moderation.screen", lambda f: _subject("note", f.note_id, f.version))]),
        n.NotePublished: Reaction(later=[refresh, found]),
        n.NoteLimited: Reaction(later=[refresh, found]),
        n.NoteRefused: Reaction(within=[verdicts.refused]),
        n.NoteRejected: Reaction(later=[refresh, found]),
        n.NoteHidden: Reaction(within=[forget], later=[found]),
        n.NoteRemoved: Reaction(within=[forget], later=[found]),
        n.NoteRestored: Reaction(later=[refresh, found]),
        n.NoteDeleted: Reaction(within=[forget], later=[found]),
        n.NoteProductsChanged: Reaction(),
        n.NoteLiked: Reaction(within=[did("liked")]),
        n.NoteUnliked: Reaction(within=[undid("liked")]),
        n.NoteSaved: Reaction(within=[did("saved")]),
        n.NoteUnsaved: Reaction(within=[undid("saved")]),
        n.NoteCommented: Reaction(within=[did("commented"), verdicts.screen_comment]),
        n.CommentHeld: Reaction(within=[unsaid]),
        n.CommentHidden: Reaction(within=[unsaid]),
        n.CommentRestored: Reaction(within=[did("commented")]),
        n.CommentDeleted: Reaction(within=[unsaid]),
        s.ProductListed: Reaction(later=[listed]),
        s.ProductWorded: Reaction(within=[verdicts.screen_product]),
        s.ProductChanged: Reaction(
            later=[listed, Later("moderation.screen_listing", lambda f: {"product_id": f.product_id}), shelves]
        ),
        s.ProductRepriced: Reaction(later=[shelves]),
        s.ProductHidden: Reaction(later=[listed, shelves]),
        s.ProductRestored: Reaction(later=[listed, shelves]),
        s.StockChanged: Reaction(within=[lambda tx, f: shelf.stock_changed(tx, f.sku_id, f.available, f.reserved)]),
        s.OrderPlaced: Reaction(
            within=[
                lambda tx, f: _count_order(services, tx, "order.placed", f, tx.now),
                lambda tx, f: shelf.order_placed(tx, f.room_ids, f.sku_ids),
            ],
            now=[lambda f: cast.order(f, "placed")],
        ),
        s.PaymentOpened: Reaction(),
        s.OrderPaid: Reaction(
            within=[lambda tx, f: _count_order(services, tx, "order.paid", f, f.paid_at)],
            now=[lambda f: cast.order(f, "paid")],
        ),
        s.OrderClosed: Reaction(now=[lambda f: cast.order(f, "closed")]),
        s.OrderCancelled: Reaction(now=[lambda f: cast.order(f, "cancelled")]),
        s.OrderRefunded: Reaction(now=[lambda f: cast.order(f, "refunded")]),
        s.WaiterServed: Reaction(now=[lambda f: cast.waiter(f, "unit_freed")]),
        s.WaiterDisappointed: Reaction(now=[lambda f: cast.waiter(f, "sold_out")]),
        l.RoomCreated: Reaction(),
        l.RoomTitled: Reaction(within=[verdicts.screen_title]),
        l.RoomStarted: Reaction(
            within=[lambda tx, f: services.broadcasts.begin(tx, f.room_id, f.host_id)],
            now=[lambda f: streams.follow(f.room_id)],
            later=[on_air],
        ),
        l.RoomEnded: Reaction(
            within=[lambda tx, f: services.broadcasts.end(tx, f.room_id)],
            now=[lambda f: streams.follow(f.room_id)],
            later=[on_air, Later(STREAM, _room)],
        ),
        l.RoomHidden: Reaction(
            now=[cast.hidden, lambda f: streams.follow(f.room_id)], later=[on_air, Later(STREAM, _room)]
        ),
        l.RoomRestored: Reaction(now=[lambda f: streams.follow(f.room_id)], later=[on_air, Later(STREAM, _room)]),
        l.ShelfChanged: Reaction(),
        l.ProductPinned: Reaction(),
        l.RoomEventQueued: Reaction(now=[lambda f: room_log.nudge(f.room_id)]),
        l.ChatSent: Reaction(
            within=[lambda tx, f: services.broadcasts.chatted(tx, f.account_id, f.room_id)],
            now=[lambda f: chat.publish(f.chat_id)],
        ),
        l.ChatDeleted: Reaction(now=[lambda f: chat.retract(f.chat_id)]),
        l.ViewerRestricted: Reaction(now=[cast.restricted]),
        l.ViewerReleased: Reaction(),
    }


def _merge(services: Services, tx: Write, f: a.DeviceMerged) -> None:
    synthetic = bool(services.accounts.no_persons(tx.session, [f.account_id]))
    services.metrics.merge(tx, f.device_id, f.account_id, synthetic)


def _count_act(services: Services, tx: Write, act: x.Act) -> None:
    synthetic = bool(services.accounts.no_persons(tx.session, [act.person]))
    services.metrics.record(tx, [act.event(tx.now, synthetic)])


def _count_order(services: Services, tx: Write, kind: str, f: s.OrderPlaced | s.OrderPaid, at: datetime) -> None:
    order = x.OrderEvent(kind, f.order_id, at, f.buyer_id, f.synthetic, f.channel, f.total)
    services.metrics.record(tx, [order])


def _room(f: l.RoomEnded | l.RoomHidden | l.RoomRestored) -> dict[str, Any]:
    return {"room_id": f.room_id}


def _subject(kind: str, target_id: str, version: int) -> dict[str, Any]:
    return {"kind": kind, "id": target_id, "version": version}
