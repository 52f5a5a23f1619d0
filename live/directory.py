"""Rooms looked up: one as its viewer may see it, those on air, those of a host."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select

from accounts import AccountRef, AccountService, Company
from kernel import cursors
from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.db import Database, in_chunks
from kernel.errors import Forbidden, NotFound
from live.listing import ROOMS, RoomContent, RoomRows, on_air
from live.log import RoomLog
from live.models import Room
from live.presence import Presence
from live.schemas import Cover, Disclosure, EventsOut, RoomCard, RoomOut, StreamChoice
from live.selling import Selling, label
from live.visibility import listed, visible

POSTER = (540, 960)


class RoomDirectory:
    """Reads only. What a viewer may not see is not found."""

    def __init__(
        self, db: Database, accounts: AccountService, selling: Selling, presence: Presence, log: RoomLog
    ) -> None:
        self.db = db
        self.accounts = accounts
        self.selling = selling
        self.presence = presence
        self.log = log

    # -- one room -------------------------------------------------------------------------------------------------

    def get(self, viewer: Actor, room_id: str) -> RoomOut:
        """One room as `viewer` sees it, with its state and the number of the last event in it."""
        room = self.seen(viewer, room_id)
        self.log.settle(room_id)
        state, seq = self.log.snapshot(room_id)
        skus = self.selling.skus(room_id)
        shown = self.rows([room_id]).found[room_id]
        disclosure = self.selling.disclosure(room.host_id, bool(skus), shown.own)
        return RoomOut(
            **self._card(room, self.host(room), bool(skus), disclosure).model_dump(),
            status=room.status,  # type: ignore[arg-type]
            shelf=skus,
            pinned=room.pinned_sku,
            slow=room.slow,
            stream=StreamChoice(kind=room.stream),  # type: ignore[arg-type]
            playlist=playlist(room),
            ended_at=_when(room.ended_at),
            created_at=rfc3339(room.created_at),
            hidden=room.hidden,
            version=room.version,
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
            raise absent()
        if viewer.account_id == room.host_id or viewer.has("moderator", "admin"):
            return room
        if not visible(room, self.accounts.walled_off(viewer), self.accounts.hidden_authors([room.host_id])):
            raise absent()
        return room

    def hosted(self, actor: Actor, room_id: str, *or_roles: str) -> Room:
        """The room when `actor` hosts it (or has one of the roles); a stranger learns only what strangers may."""
        account_id = actor.require_account()
        room = self.seen(actor, room_id)
        if room.host_id != account_id and not (or_roles and actor.has(*or_roles)):
            raise Forbidden("room.not_host", "Only its host may do this.")
        return room

    def host(self, room: Room) -> AccountRef:
        """Who hosts it; a room without a host is not there."""
        refs = self.accounts.refs([room.host_id])
        if room.host_id not in refs:
            raise absent()
        return refs[room.host_id]

    # -- many rooms -----------------------------------------------------------------------------------------------

    def cards(self, viewer: Actor, ids: Sequence[str]) -> list[RoomCard]:
        """Cards of those rooms that are on air and visible, order kept."""
        rows = self.rows(ids)
        return self.show(rows, ids, self.accounts.company(viewer, rows.hosts))

    def rows(self, ids: Sequence[str], hosts: Iterable[str] = ()) -> RoomRows:
        """These rooms, and those on air of these hosts, in one statement."""
        return self._rows(or_(Room.id.in_(ids), on_air() & Room.host_id.in_(list(hosts))))

    def newest(self, limit: int, hosts: Iterable[str] = ()) -> RoomRows:
        """The newest rooms on air, and all on air of these hosts, in one statement."""
        ids = select(Room.id).where(on_air()).order_by(Room.id.desc()).limit(limit)
        return self._rows(on_air() & or_(Room.id.in_(ids), Room.host_id.in_(list(hosts))))

    def _rows(self, which: ColumnElement[bool]) -> RoomRows:
        with self.db.read() as session:
            return RoomRows(session.execute(ROOMS.where(which).order_by(Room.id.desc())))

    def show(self, rows: RoomRows, ids: Sequence[str], people: Company) -> list[RoomCard]:
        """Cards of those on air and visible, of rows whose hosts are at hand, in the order of `ids`. No SQL."""
        shown = []
        for one in (rows.found[room_id] for room_id in ids if room_id in rows.found):
            host = one.room.host_id
            if host in people.refs and listed(one.room, people.walled_off, people.hidden):
                disclosure = label(one.sells, one.own, host in people.synthetic)
                shown.append(self._card(one.room, people.refs[host], one.sells, disclosure))
        return shown

    def page(self, viewer: Actor, cursor: str | None, limit: int) -> tuple[list[RoomCard], str | None]:
        """Rooms on air, newest first, and the next cursor; a page that the rules shorten is refilled."""
        position, items = cursors.decode(cursor, str), list[RoomCard]()
        before = position[0] if position else None
        while len(items) <= limit:
            ids = self.live_ids(before, limit + 1)
            items += self.cards(viewer, ids)
            if len(ids) <= limit:
                break
            before = ids[-1]
        return items[:limit], cursors.encode(items[limit - 1].id) if len(items) > limit else None

    def live_ids(self, before: str | None = None, limit: int = 1000) -> list[str]:
        """Rooms on air and not hidden, newest first."""
        query = select(Room.id).where(on_air())
        if before is not None:
            query = query.where(Room.id < before)
        with self.db.read() as session:
            return list(session.scalars(query.order_by(Room.id.desc()).limit(limit)))

    def by_host(self, viewer: Actor, host_id: str, limit: int = 50) -> list[RoomOut]:
        """A host's rooms, newest first; for everybody but the host only what is visible."""
        mine = select(Room.id).where(Room.host_id == host_id)
        with self.db.read() as session:
            ids = session.scalars(mine.order_by(Room.id.desc()).limit(limit)).all()
        found = []
        for room_id in ids:
            with suppress(NotFound):
                found.append(self.get(viewer, room_id))
        return found

    def present(self, room_id: str) -> list[str]:
        """Who is in a room now: people, and connections of whom nothing is known."""
        return self.presence.members(room_id)

    def live_hosts(self, account_ids: Sequence[str]) -> set[str]:
        """Which of these accounts are on air."""
        hosts = select(Room.host_id).where(on_air())
        with self.db.read() as session:
            return {
                host
                for chunk in in_chunks(list(account_ids))
                for host in session.scalars(hosts.where(Room.host_id.in_(chunk)))
            }

    def contents(self, ids: Sequence[str]) -> dict[str, RoomContent]:
        """Rooms as search and feed weigh them, by id."""
        return self.rows(ids).contents()

    # -- parts ----------------------------------------------------------------------------------------------------

    def _card(self, room: Room, host: AccountRef, sells: bool, disclosure: Disclosure | None) -> RoomCard:
        live = room.status == "live"
        return RoomCard(
            id=room.id,
            title=room.title,
            cover=_cover(room) if live and room.receiving else None,
            host=host,
            viewers=self.presence.viewers(room.id) if live else 0,
            commercial=live and sells,
            disclosure=disclosure,
            started_at=_when(room.started_at),
        )


def playlist(room: Room) -> str | None:
    """Where a player finds the stream, while there is one."""
    return f"/media/live/{room.id}/index.m3u8" if room.status == "live" and not room.hidden else None


def absent() -> NotFound:
    """The answer for a room that is not there, or not for this viewer."""
    return NotFound("room.not_found", "There is no such room.")


def _cover(room: Room) -> Cover:
    return Cover(url=f"/media/live/{room.id}/poster.jpg", width=POSTER[0], height=POSTER[1], alt=room.title)


def _when(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
