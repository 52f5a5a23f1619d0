"""Rooms: made, put on air, filled with products, looked at, ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from accounts import AccountRef, AccountService
from kernel import cursors
from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.db import Database, Write, in_chunks
from kernel.errors import AppError, Conflict, FieldError, Forbidden, Invalid, NotFound
from kernel.idempotency import Answer, once
from kernel.ids import new_id
from kernel.ports import MediaServer
from live.facts import ProductPinned, RoomCreated, RoomEnded, RoomStarted, ShelfChanged
from live.log import RoomLog
from live.models import Room, RoomSession, ShelfItem
from live.presence import Presence
from live.schemas import Cover, Disclosure, EventsOut, RoomCard, RoomIn, RoomOut
from live.state import stock_state
from live.visibility import listed, playable, visible

log = logging.getLogger("offshelf.live")
SWEEP = "live.sweep"
SWEEP_EVERY = timedelta(seconds=5)
POSTER = (540, 960)
PRODUCTS = Disclosure(kind="product", label="Contains products")
OWN_PRODUCTS = Disclosure(kind="own_product", label="Contains the host's own products")
SYNTHETIC = Disclosure(kind="synthetic_host", label="Hosted by a synthetic account")


class Gate(Protocol):
    """What notes answers: may this account attach these SKUs? Raises the refusal."""

    def check(self, actor: Actor, sku_ids: Sequence[str]) -> Any: ...


class Products(Protocol):
    """What shop answers: how SKUs look, and whose they are."""

    def chips(self, sku_ids: Sequence[str]) -> dict[str, Any]: ...

    def merchants(self, sku_ids: Sequence[str]) -> dict[str, str]: ...

    def sku_ids(self, product_ids: Sequence[str]) -> dict[str, tuple[str, ...]]: ...

    def level_within(self, tx: Write, sku_id: str) -> Any:
        """`available` and `reserved` of a SKU inside a write, kept from moving until its commit; None when unknown."""
        ...


@dataclass(frozen=True)
class RoomContent:
    """A room as search and feed weigh it; nothing here says who may see it."""

    id: str
    host_id: str
    title: str
    status: str
    hidden: bool
    has_product: bool
    started_at: datetime | None


class RoomService:
    """`source` is what the media server broadcasts: the test picture, or what the operator configured."""

    def __init__(
        self,
        db: Database,
        accounts: AccountService,
        gate: Gate,
        products: Products,
        media: MediaServer,
        presence: Presence,
        log: RoomLog,
        source: str = "test",
    ) -> None:
        self.db = db
        self.accounts = accounts
        self.gate = gate
        self.products = products
        self.media = media
        self.presence = presence
        self.log = log
        self.source = source

    # -- the host -------------------------------------------------------------------------------------------------

    def create(self, actor: Actor, form: RoomIn, key: str | None = None) -> Answer:
        """Make a room, not yet on air. A shelf goes through the product gate."""
        host_id = actor.require_account()
        self._check_shelf(actor, form.shelf)
        own = self._own(host_id, form.shelf)

        def write(tx: Write) -> dict[str, Any]:
            room_id = self.add(tx, host_id, form.title)
            _fill_shelf(tx, room_id, form.shelf, own)
            return {"room": room_id}

        return self._present(actor, self.db.write(once(actor, key, "rooms.create", form.model_dump(), write)))

    def add(self, tx: Write, host_id: str, title: str) -> str:
        """Write a room inside a larger write; its id."""
        room_id = new_id("room", tx.now)
        tx.session.add(Room(id=room_id, host_id=host_id, title=title, created_at=tx.now))
        tx.session.flush()
        self.log.open(tx, room_id)
        tx.record(RoomCreated(room_id, host_id))
        return room_id

    def start(self, actor: Actor, room_id: str, key: str | None = None) -> Answer:
        """Go on air: the stream first, then the commit that says so. `room.already_live`, `room.hidden`."""
        room = self.hosted(actor, room_id)
        skus = self._skus(room_id)
        self._check_shelf(actor, skus)
        items, disclosure = self._selling(room.host_id, skus)
        self.media.start(room_id, self.source)

        def write(tx: Write) -> dict[str, Any]:
            session_id = new_id("live", tx.now)
            changed = {"status": "live", "session_id": session_id, "started_at": tx.now, "ended_at": None, "cut": False}
            off_air = (Room.id == room_id, Room.status != "live", Room.hidden.is_(False))
            if not _change(tx, *off_air, **changed, pinned_sku=None):
                raise _cannot_start(tx.session.get_one(Room, room_id))
            tx.session.add(RoomSession(id=session_id, room_id=room_id, started_at=tx.now, swept_at=tx.now))
            shelf = self._with_stock(tx, items)
            data = {
                "session": session_id,
                "title": room.title,
                "slow": room.slow,
                "shelf": shelf,
                "disclosure": disclosure,
            }
            self.log.append(tx, room_id, session_id, "room.started", data)
            tx.enqueue(SWEEP, {"session_id": session_id}, tx.now + SWEEP_EVERY)
            tx.record(RoomStarted(room_id, session_id, room.host_id))
            return {"room": room_id}

        try:
            answer = self.db.write(once(actor, key, f"rooms.start:{room_id}", {}, write))
        except AppError:
            self.follow_stream(room_id)
            raise
        if answer.replayed:
            self.follow_stream(room_id)
        return self._present(actor, answer)

    def end(self, actor: Actor, room_id: str, key: str | None = None) -> Answer:
        """Go off air. By the host or a moderator. `room.not_live`."""
        self.hosted(actor, room_id, "moderator", "admin")

        def write(tx: Write) -> dict[str, Any]:
            if not self.finish(tx, room_id, "host"):
                raise Conflict("room.not_live", "This room is not on air.")
            return {"room": room_id}

        return self._present(actor, self.db.write(once(actor, key, f"rooms.end:{room_id}", {}, write)))

    def finish(self, tx: Write, room_id: str, reason: str) -> bool:
        """End the session inside a larger write; False when the room is not on air."""
        room = tx.session.execute(select(Room.session_id, Room.host_id).where(Room.id == room_id)).one()
        if room.session_id is None:
            return False
        cut = reason != "host"
        live = (Room.id == room_id, Room.status == "live", Room.session_id == room.session_id)
        if not _change(tx, *live, status="ended", ended_at=tx.now, pinned_sku=None, cut=cut):
            return False
        tx.session.execute(update(RoomSession).where(RoomSession.id == room.session_id).values(ended_at=tx.now))
        self.log.append(tx, room_id, room.session_id, "room.ended", {"reason": reason})
        tx.record(RoomEnded(room_id, room.session_id, room.host_id, reason))
        return True

    def set_shelf(self, actor: Actor, room_id: str, sku_ids: Sequence[str]) -> RoomOut:
        """Replace the shelf, through the product gate. Viewers of a live room see it at once."""
        room = self.hosted(actor, room_id)
        self._check_shelf(actor, sku_ids)
        own = self._own(room.host_id, sku_ids)
        items, disclosure = self._selling(room.host_id, sku_ids, own)

        def write(tx: Write) -> None:
            tx.session.execute(delete(ShelfItem).where(ShelfItem.room_id == room_id))
            _fill_shelf(tx, room_id, sku_ids, own)
            _change(tx, Room.id == room_id, Room.pinned_sku.not_in(list(sku_ids)), pinned_sku=None)
            self._tell_shelf(tx, room_id, items, disclosure)
            tx.record(ShelfChanged(room_id, tuple(sku_ids)))

        self.db.write(write)
        return self.get(actor, room_id)

    def pin(self, actor: Actor, room_id: str, sku_id: str | None) -> RoomOut:
        """Show one product of the shelf above the others, or none. `pin.not_on_shelf`, `room.not_live`."""
        self.hosted(actor, room_id)
        self.db.write(lambda tx: self.pin_within(tx, room_id, sku_id))
        return self.get(actor, room_id)

    def pin_within(self, tx: Write, room_id: str, sku_id: str | None) -> None:
        """Pin or unpin inside a larger write."""
        if sku_id is not None and tx.session.get(ShelfItem, (room_id, sku_id)) is None:
            raise Invalid(
                "pin.not_on_shelf",
                "Only what stands on the shelf can be pinned.",
                [FieldError("sku", "pin.not_on_shelf", "is not on this room's shelf")],
            )
        if not _change(tx, Room.id == room_id, Room.status == "live", pinned_sku=sku_id):
            raise Conflict("room.not_live", "This room is not on air.")
        self.tell(tx, room_id, "product.pinned", {"sku_id": sku_id})
        tx.record(ProductPinned(room_id, sku_id))

    # -- reading --------------------------------------------------------------------------------------------------

    def get(self, viewer: Actor, room_id: str) -> RoomOut:
        """One room as `viewer` sees it, with its state and the number of the last event in it."""
        room = self.seen(viewer, room_id)
        self.log.settle(room_id)
        state, seq = self.log.snapshot(room_id)
        skus = self._skus(room_id)
        return RoomOut(
            **self._card(room, self.host(room), bool(skus), self._own_any(room_id)).model_dump(),
            status=room.status,  # type: ignore[arg-type]
            shelf=skus,
            pinned=room.pinned_sku,
            slow=room.slow,
            playlist=playlist(room),
            ended_at=_when(room.ended_at),
            created_at=rfc3339(room.created_at),
            hidden=room.hidden,
            state=state,
            seq=seq,
        )

    def events(self, viewer: Actor, room_id: str, after: int) -> EventsOut:
        """The events that follow number `after`, a page of them."""
        self.seen(viewer, room_id)
        self.log.settle(room_id)
        found = self.log.events_after(room_id, after)
        seq = max(self.log.heads([room_id])[room_id], found[-1]["seq"] if found else 0)
        return EventsOut.model_validate({"events": found, "seq": seq, "more": bool(found) and found[-1]["seq"] < seq})

    def seen(self, viewer: Actor, room_id: str) -> Room:
        """The room when `viewer` may see it (its host and moderators always), else `NotFound`."""
        with self.db.read() as session:
            room = session.get(Room, room_id)
        if room is None:
            raise _absent()
        if viewer.account_id == room.host_id or viewer.has("moderator", "admin"):
            return room
        if not visible(room, self.accounts.walled_off(viewer), self.accounts.hidden_authors([room.host_id])):
            raise _absent()
        return room

    def cards(self, viewer: Actor, ids: Sequence[str]) -> list[RoomCard]:
        """Cards of those rooms that are on air and visible, order kept."""
        rooms = self._rooms(ids)
        walls = self.accounts.walled_off(viewer)
        gone = self.accounts.hidden_authors([room.host_id for room in rooms.values()])
        shown = [rooms[i] for i in ids if i in rooms and listed(rooms[i], walls, gone)]
        hosts = self.accounts.refs(room.host_id for room in shown)
        selling = self._sells([room.id for room in shown])
        return [
            self._card(room, hosts[room.host_id], room.id in selling, selling.get(room.id, False))
            for room in shown
            if room.host_id in hosts
        ]

    def page(self, viewer: Actor, cursor: str | None, limit: int) -> tuple[list[RoomCard], str | None]:
        """Rooms on air, newest first, and the next cursor; a page that the rules shorten is refilled."""
        position, items = cursors.decode(cursor, str), list[RoomCard]()
        while len(items) < limit:
            ids = self.live_ids(before=position[0] if position else None, limit=limit)
            for number, room_id in enumerate(ids, 1):
                items += self.cards(viewer, [room_id])
                position = (room_id,)
                if len(items) == limit:
                    more = number < len(ids) or len(ids) == limit
                    return items, cursors.encode(room_id) if more else None
            if len(ids) < limit:
                break
        return items, None

    def live_ids(self, before: str | None = None, limit: int = 1000) -> list[str]:
        """Rooms on air and not hidden, newest first."""
        query = select(Room.id).where(Room.status == "live", Room.hidden.is_(False))
        if before is not None:
            query = query.where(Room.id < before)
        with self.db.read() as session:
            return list(session.scalars(query.order_by(Room.id.desc()).limit(limit)))

    def by_host(self, viewer: Actor, host_id: str, limit: int = 50) -> list[RoomOut]:
        """A host's rooms, newest first; for everybody but the host only what is visible."""
        with self.db.read() as session:
            ids = session.scalars(
                select(Room.id).where(Room.host_id == host_id).order_by(Room.id.desc()).limit(limit)
            ).all()
        found = []
        for room_id in ids:
            with suppress(NotFound):
                found.append(self.get(viewer, room_id))
        return found

    def live_hosts(self, account_ids: Sequence[str]) -> set[str]:
        """Which of these accounts are on air."""
        with self.db.read() as session:
            return {
                host
                for chunk in in_chunks(list(account_ids))
                for host in session.scalars(
                    select(Room.host_id).where(Room.host_id.in_(chunk), Room.status == "live", Room.hidden.is_(False))
                )
            }

    def contents(self, ids: Sequence[str]) -> dict[str, RoomContent]:
        """Rooms as search and feed weigh them, by id."""
        selling = self._sells(ids)
        return {
            room.id: RoomContent(
                room.id, room.host_id, room.title, room.status, room.hidden, room.id in selling, room.started_at
            )
            for room in self._rooms(ids).values()
        }

    def media_file(self, room_id: str, name: str) -> Path:
        """The playlist, a segment or the poster of a stream that may be watched, else `NotFound`."""
        with self.db.read() as session:
            room = session.get(Room, room_id)
        if room is None or not playable(room, self.accounts.hidden_authors([room.host_id]), self.db.clock.now()):
            raise _absent()
        path = self._poster(room_id) if name == "poster.jpg" else self.media.file(room_id, name)
        if path is None:
            raise NotFound("media.not_found", "There is no such file in this stream.")
        return path

    # -- the stream follows the room -------------------------------------------------------------------------------

    def follow_stream(self, room_id: str) -> None:
        """Make the stream run when the room is on air, and stop when it is not; idempotent."""
        with self.db.read() as session:
            room = session.get(Room, room_id)
        if room is not None and room.status == "live" and not room.hidden:
            self.media.start(room_id, self.source)
        else:
            self.media.stop(room_id)

    def resume_live(self) -> list[str]:
        """After a start of the process: number what waits, and take up the streams of the rooms that were on air."""
        self.log.sequence_all()
        rooms = self.live_ids()
        for room_id in rooms:
            try:
                self.follow_stream(room_id)
            except AppError:
                log.exception("the stream of %s did not come back", room_id)
        return rooms

    # -- what others cause, within their commits ---------------------------------------------------------------------

    def stock_changed(self, tx: Write, sku_id: str, available: int, reserved: int) -> None:
        """Tell every live room that has this SKU on its shelf."""
        state = stock_state(available, reserved)
        data = {"sku_id": sku_id, "available": available, "reserved": reserved, "state": state}
        on_shelf = select(Room.id, Room.session_id).join(ShelfItem, ShelfItem.room_id == Room.id)
        for room_id, session_id in tx.session.execute(
            on_shelf.where(ShelfItem.sku_id == sku_id, Room.status == "live")
        ).all():
            self.log.append(tx, room_id, str(session_id), "stock.changed", data)

    def order_placed(self, tx: Write, room_ids: Iterable[str], sku_ids: Sequence[str]) -> None:
        """Tell the rooms an order came from, about what stands on their shelf; who bought is nobody's business."""
        for room_id in sorted(set(room_ids)):
            here = select(ShelfItem.sku_id).where(ShelfItem.room_id == room_id, ShelfItem.sku_id.in_(list(sku_ids)))
            if sold := list(tx.session.scalars(here.order_by(ShelfItem.position))):
                self.tell(tx, room_id, "order.placed", {"sku_ids": sold})

    def refresh_shelves(self, product_skus: Sequence[str]) -> None:
        """Show live rooms the present title and price of these SKUs."""
        with self.db.read() as session:
            query = select(ShelfItem.room_id).join(Room, Room.id == ShelfItem.room_id)
            query = query.where(ShelfItem.sku_id.in_(list(product_skus)), Room.status == "live").distinct()
            rooms = [session.get_one(Room, room_id) for room_id in session.scalars(query)]
        for room in rooms:
            items, disclosure = self._selling(room.host_id, self._skus(room.id))
            self.db.write(lambda tx, x=(room.id, items, disclosure): self._tell_shelf(tx, *x))  # type: ignore[misc]

    def _tell_shelf(
        self, tx: Write, room_id: str, items: list[dict[str, Any]], disclosure: dict[str, Any] | None
    ) -> None:
        self.tell(tx, room_id, "shelf.changed", {"shelf": self._with_stock(tx, items), "disclosure": disclosure})

    def _with_stock(self, tx: Write, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The items with the stock of this commit; rows are taken in the order in which orders take them."""
        levels = {sku: self.products.level_within(tx, sku) for sku in sorted(item["sku_id"] for item in items)}
        return [{**item, "stock": _stock(levels[item["sku_id"]])} for item in items]

    def tell(self, tx: Write, room_id: str, kind: str, data: dict[str, Any]) -> None:
        """An event of the running session; nothing when the room is not on air."""
        session_id = tx.session.scalar(select(Room.session_id).where(Room.id == room_id, Room.status == "live"))
        if session_id is not None:
            self.log.append(tx, room_id, session_id, kind, data)

    # -- parts ----------------------------------------------------------------------------------------------------

    def hosted(self, actor: Actor, room_id: str, *or_roles: str) -> Room:
        """The room when `actor` hosts it (or has one of the roles); a stranger learns only what strangers may."""
        account_id = actor.require_account()
        room = self.seen(actor, room_id)
        if room.host_id != account_id and not (or_roles and actor.has(*or_roles)):
            raise Forbidden("room.not_host", "Only its host may do this.")
        return room

    def _check_shelf(self, actor: Actor, sku_ids: Sequence[str]) -> None:
        if len(set(sku_ids)) != len(sku_ids):
            raise Invalid(
                "shelf.repeated",
                "A product stands on a shelf once.",
                [FieldError("skus", "shelf.repeated", "named twice")],
            )
        if sku_ids:
            self.gate.check(actor, sku_ids)

    def _own(self, host_id: str, sku_ids: Sequence[str]) -> set[str]:
        merchants = self.products.merchants(sku_ids) if sku_ids else {}
        return {sku for sku in sku_ids if merchants.get(sku) == host_id}

    def _selling(
        self, host_id: str, sku_ids: Sequence[str], own: set[str] | None = None
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        chips = self.products.chips(sku_ids) if sku_ids else {}
        items = [_plain(chips[sku]) for sku in sku_ids if sku in chips]
        own = self._own(host_id, sku_ids) if own is None else own
        label = self._disclosure(host_id, bool(sku_ids), bool(own))
        return items, label.model_dump() if label else None

    def _disclosure(self, host_id: str, sells: bool, own: bool) -> Disclosure | None:
        if sells:
            return OWN_PRODUCTS if own else PRODUCTS
        return SYNTHETIC if self.accounts.synthetic_ids([host_id]) else None

    def _card(self, room: Room, host: AccountRef, sells: bool, own: bool) -> RoomCard:
        live = room.status == "live"
        return RoomCard(
            id=room.id,
            title=room.title,
            cover=_cover(room) if live else None,
            host=host,
            viewers=self.presence.viewers(room.id) if live else 0,
            commercial=live and sells,
            disclosure=self._disclosure(room.host_id, sells, own),
            started_at=_when(room.started_at),
        )

    def host(self, room: Room) -> AccountRef:
        refs = self.accounts.refs([room.host_id])
        if room.host_id not in refs:
            raise _absent()
        return refs[room.host_id]

    def _rooms(self, ids: Sequence[str]) -> dict[str, Room]:
        with self.db.read() as session:
            return {
                room.id: room
                for chunk in in_chunks(list(ids))
                for room in session.scalars(select(Room).where(Room.id.in_(chunk)))
            }

    def _skus(self, room_id: str) -> list[str]:
        with self.db.read() as session:
            query = select(ShelfItem.sku_id).where(ShelfItem.room_id == room_id).order_by(ShelfItem.position)
            return list(session.scalars(query))

    def _sells(self, ids: Sequence[str]) -> dict[str, bool]:
        """Rooms with a shelf; the value says whether something on it is the host's own."""
        with self.db.read() as session:
            return _shelves(session, ids)

    def _own_any(self, room_id: str) -> bool:
        return self._sells([room_id]).get(room_id, False)

    def _poster(self, room_id: str) -> Path | None:
        make: Callable[[str], Path | None] | None = getattr(self.media, "poster", None)
        return make(room_id) if make is not None else self.media.file(room_id, "poster.jpg")

    def _present(self, actor: Actor, answer: Answer) -> Answer:
        return Answer(self.get(actor, answer.value["room"]).model_dump(mode="json"), answer.replayed)


def playlist(room: Room) -> str | None:
    """Where a player finds the stream, while there is one."""
    return f"/media/live/{room.id}/index.m3u8" if room.status == "live" and not room.hidden else None


def _shelves(session: Session, ids: Sequence[str]) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for chunk in in_chunks(list(ids)):
        rows = session.execute(select(ShelfItem.room_id, ShelfItem.own).where(ShelfItem.room_id.in_(chunk)))
        for room_id, own in rows:
            found[room_id] = found.get(room_id, False) or own
    return found


def _fill_shelf(tx: Write, room_id: str, sku_ids: Sequence[str], own: set[str]) -> None:
    rows = [
        {"room_id": room_id, "sku_id": sku, "position": position, "own": sku in own}
        for position, sku in enumerate(sku_ids)
    ]
    if rows:
        tx.session.execute(insert(ShelfItem), rows)


def _change(tx: Write, *where: Any, **values: Any) -> bool:
    changed = update(Room).where(*where).values(**values).execution_options(synchronize_session=False)
    return bool(tx.session.execute(changed).rowcount)  # type: ignore[attr-defined]


def _cannot_start(room: Room) -> AppError:
    if room.hidden:
        return Forbidden("room.hidden", "This room was hidden by moderation.")
    return Conflict("room.already_live", "This room is on air already.")


def _cover(room: Room) -> Cover:
    return Cover(url=f"/media/live/{room.id}/poster.jpg", width=POSTER[0], height=POSTER[1], alt=room.title)


def _plain(chip: Any) -> dict[str, Any]:
    return chip.model_dump(mode="json") if isinstance(chip, BaseModel) else dict(chip)


def _stock(level: Any) -> dict[str, Any] | None:
    if level is None:
        return None
    state = stock_state(level.available, level.reserved)
    return {"available": level.available, "reserved": level.reserved, "state": state}


def _when(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)


def _absent() -> NotFound:
    return NotFound("room.not_found", "There is no such room.")
