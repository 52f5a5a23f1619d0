"""Order in a room: what its host and the moderators may do to chat, people, products and the stream, at once for everybody."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import String, cast, delete, select, update
from sqlalchemy.orm import Session

from accounts import STAFF
from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.db import Database, Write, alone, upsert
from kernel.errors import AppError, Conflict, Forbidden, Invalid, NotFound, PreconditionFailed
from live.facts import ChatDeleted, RoomHidden, RoomRestored, RoomTitled, ViewerReleased, ViewerRestricted
from live.models import ChatRow, Restriction, Room, change_room
from live.schemas import RestrictionIn, RoomOut
from live.service import RoomService
from live.shelf import RoomShelf
from live.words import PASS, refused, weigh

_VERDICT = "verdict"  # in place of who deleted a message, when a case decided it


class RoomDesk:
    """The methods that take `tx` are for moderation's verdicts, within their commit."""

    def __init__(self, db: Database, rooms: RoomService, shelf: RoomShelf) -> None:
        self.db = db
        self.rooms = rooms
        self.shelf = shelf
        self.directory = rooms.directory
        self.log = rooms.log

    # -- within a verdict's commit --------------------------------------------------------------------------------

    def hide(self, tx: Write, room_id: str) -> None:
        """Take a room off the site; a broadcast that runs goes dark with it but is not ended."""
        if change_room(tx, Room.id == room_id, Room.hidden.is_(False), hidden=True):
            self.log.tell(tx, room_id, "moderation.acted", {"action": "hide"})
            tx.record(RoomHidden(room_id, _host(tx, room_id)))

    def restore(self, tx: Write, room_id: str) -> None:
        """Undo `hide`."""
        if change_room(tx, Room.id == room_id, Room.hidden.is_(True), hidden=False):
            self.log.tell(tx, room_id, "moderation.acted", {"action": "restore"})
            tx.record(RoomRestored(room_id, _host(tx, room_id)))

    def cut(self, tx: Write, room_id: str, reason: str = "") -> bool:
        """Cut the stream: the session ends and its files go dark. False when the room was not on air."""
        self.log.tell(tx, room_id, "moderation.acted", {"action": "cut", "reason": reason})
        return self.rooms.finish(tx, room_id, "cut")

    def unpin(self, tx: Write, room_id: str) -> None:
        """Take the pinned product away."""
        self.log.tell(tx, room_id, "moderation.acted", {"action": "unpin"})
        self.shelf.pin_within(tx, room_id, None)

    def delete_message(self, tx: Write, chat_id: str, by: str) -> bool:
        """Delete a chat message for everybody; False when it was gone already."""
        mine = (ChatRow.id == chat_id) & ChatRow.deleted_by.is_(None)
        if not tx.session.execute(update(ChatRow).where(mine).values(deleted_by=by)).rowcount:  # type: ignore[attr-defined]
            return False
        row = tx.session.get_one(ChatRow, chat_id, populate_existing=True)
        tx.record(ChatDeleted(row.room_id, chat_id, row.account_id))
        return True

    def take_down(self, tx: Write, chat_id: str) -> None:
        """Delete a message as a verdict does, which `bring_back` undoes."""
        self.delete_message(tx, chat_id, _VERDICT)

    def bring_back(self, tx: Write, chat_id: str) -> None:
        """Undo `take_down`, for those who come from now on; what its author or the host deleted stays deleted."""
        mine = (ChatRow.id == chat_id) & (ChatRow.deleted_by == _VERDICT)
        tx.session.execute(update(ChatRow).where(mine).values(deleted_by=None))

    def restrict(self, tx: Write, room_id: str, form: RestrictionIn, by: str) -> None:
        """Mute somebody in a room, or ban them from it."""
        until = None if form.seconds is None else tx.now + timedelta(seconds=form.seconds)
        new = {"kind": form.kind, "until": until, "set_by": by}
        row = {"room_id": room_id, "account_id": form.account, **new}
        upsert(tx.session, Restriction.__table__, row, ("room_id", "account_id"), new)
        tx.record(ViewerRestricted(room_id, form.account, form.kind))

    def end_rooms_of(self, tx: Write, host_id: str) -> None:
        """An account that is suspended goes off air."""
        for room_id in tx.session.scalars(select(Room.id).where(Room.host_id == host_id, Room.status == "live")).all():
            self.cut(tx, room_id)

    # -- by the host --------------------------------------------------------------------------------------------------

    def retitle_by(self, actor: Actor, room_id: str, title: str, if_match: str) -> RoomOut:
        """Another title, which is screened again. `room.already_live`, `version.changed`."""
        host_id = self.directory.hosted(actor, room_id).host_id

        def write(tx: Write) -> None:
            off_air = (Room.status != "live", cast(Room.version, String) == if_match)
            if not change_room(tx, Room.id == room_id, *off_air, title=title, version=Room.version + 1):
                raise _cannot_retitle(tx.session.get_one(Room, room_id, populate_existing=True))
            version = tx.session.scalars(select(Room.version).where(Room.id == room_id)).one()
            tx.record(RoomTitled(room_id, host_id, title, version))

        self.db.write(write)
        return self.directory.get(actor, room_id)

    # -- by the host, or a moderator --------------------------------------------------------------------------------

    def cut_by(self, actor: Actor, room_id: str, reason: str) -> None:
        """Cut the stream, as a moderator, saying why to everybody who watches. `room.not_live`."""
        actor.require(*STAFF)
        self.directory.seen(actor, room_id)
        if not self.db.write(lambda tx: self.cut(tx, room_id, reason)):
            raise Conflict("room.not_live", "This room is not on air.")

    def delete_message_by(self, actor: Actor, room_id: str, chat_id: str) -> None:
        """Delete a message: the host, a moderator, or whoever wrote it."""
        account_id = actor.require_account()
        room = self.directory.seen(actor, room_id)
        with self.db.read() as session:
            row = session.get(ChatRow, chat_id)
        if row is None or row.room_id != room_id:
            raise NotFound("chat.not_found", "There is no such message.")
        if account_id not in (room.host_id, row.account_id) and not actor.has(*STAFF):
            raise Forbidden("room.not_host", "Only the host, or who wrote it, may delete a message.")
        self.db.write(lambda tx: self.delete_message(tx, chat_id, account_id))

    def restrict_by(self, actor: Actor, room_id: str, form: RestrictionIn) -> None:
        """Mute or ban: by the host or a moderator, and neither the host nor a moderator. `restriction.by_staff`."""
        room = self.directory.hosted(actor, room_id, *STAFF)
        if form.account == room.host_id:
            raise Invalid("restriction.host", "The host cannot be muted in their own room.")
        if self.directory.accounts.actor(form.account).has(*STAFF):
            raise Forbidden("restriction.staff", "A moderator cannot be muted or banned.")
        by = actor.require_account()

        def write(tx: Write) -> None:
            _check_setter(tx, actor, room_id, form.account)
            self.restrict(tx, room_id, form, by)

        self.db.write(write)

    def release_by(self, actor: Actor, room_id: str, account_id: str) -> None:
        """Let somebody speak and be here again; nobody restricted is no error. `restriction.by_staff`."""
        self.directory.hosted(actor, room_id, *STAFF)

        def write(tx: Write) -> None:
            _check_setter(tx, actor, room_id, account_id)
            mine = (Restriction.room_id == room_id) & (Restriction.account_id == account_id)
            if tx.session.execute(delete(Restriction).where(mine)).rowcount:  # type: ignore[attr-defined]
                tx.record(ViewerReleased(room_id, account_id))

        self.db.write(write)

    def slow_by(self, actor: Actor, room_id: str, seconds: int) -> None:
        """Slow the chat down to one message per person in `seconds`; 0 lifts it."""
        self.directory.hosted(actor, room_id, *STAFF)

        def write(tx: Write) -> None:
            change_room(tx, Room.id == room_id, slow=seconds)
            self.log.tell(tx, room_id, "chat.slowed", {"seconds": seconds})

        self.db.write(write)

    def notice_by(self, actor: Actor, room_id: str, text: str) -> None:
        """Show a notice to everybody in the room. `room.not_live`, `chat.refused`."""
        room = self.directory.hosted(actor, room_id, *STAFF)
        if room.status != "live":
            raise Conflict("room.not_live", "This room is not on air.")
        if weigh(text) != PASS:
            raise refused()
        self.db.write(lambda tx: self.log.tell(tx, room_id, "notice", {"text": text}))

    def check_entry(self, actor: Actor, room_id: str) -> None:
        """Refuse who is banned (`room.banned`), unless they are moderators by now."""
        if actor.account_id is None or actor.has(*STAFF):
            return
        with self.db.read() as session:
            found = restriction(session, room_id, actor.account_id, self.db.clock.now())
        if found is not None and found.kind == "ban":
            until = None if found.until is None else rfc3339(found.until)
            raise Forbidden("room.banned", "You may not be in this room.", until=until)


def restriction(session: Session, room_id: str, account_id: str, now: datetime) -> Restriction | None:
    """What holds against this account in this room now."""
    row = session.get(Restriction, (room_id, account_id))
    return row if row is not None and (row.until is None or row.until > now) else None


def _check_setter(tx: Write, actor: Actor, room_id: str, account_id: str) -> None:
    """What a moderator set is for moderators to change, as long as it holds."""
    alone(tx.session, f"restriction:{room_id}:{account_id}")
    found = restriction(tx.session, room_id, account_id, tx.now)
    if found is not None and found.set_by != actor.account_id and not actor.has(*STAFF):
        raise Forbidden("restriction.by_staff", "A moderator set this, and only moderators change it.")


def _cannot_retitle(room: Room) -> AppError:
    if room.status == "live":
        return Conflict("room.already_live", "A room on air keeps its title; end it first.")
    detail = "It was changed meanwhile; look at it again."
    return PreconditionFailed("version.changed", detail, current=str(room.version))


def _host(tx: Write, room_id: str) -> str:
    return tx.session.scalars(select(Room.host_id).where(Room.id == room_id)).one()
