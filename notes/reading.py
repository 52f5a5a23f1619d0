"""The read path: ids -> rows in batches -> the visibility rule -> cards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from accounts import AccountRef, AccountService
from kernel.actor import Actor
from kernel.cursors import decode, encode
from kernel.db import Database, in_chunks
from kernel.errors import Malformed, NotFound
from kernel.ids import is_id
from notes import cards, models
from notes.cards import NoteContent
from notes.gate import Listings
from notes.models import Note, NoteVersion
from notes.schemas import CardPage, MyNotePage, NoteCard, NoteOut, ProductChip
from notes.visibility import Placement, Standing, Viewer, may_see

Position = tuple[datetime, str]
Pair = tuple[Note, NoteVersion]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SERVED = and_(NoteVersion.note_id == Note.id, NoteVersion.n == Note.served)
_LATEST = and_(NoteVersion.note_id == Note.id, NoteVersion.n == Note.latest)
_BEST = and_(NoteVersion.note_id == Note.id, NoteVersion.n == func.coalesce(Note.served, Note.latest))
_OPEN = and_(~Note.hidden, ~Note.removed, Note.deleted_at.is_(None))
_REFILLS = 5


class NoteReader:
    """Everything that only looks."""

    def __init__(self, db: Database, accounts: AccountService, listings: Listings) -> None:
        self.db = db
        self.accounts = accounts
        self.listings = listings

    # -- one note -------------------------------------------------------------------------------------------------

    def get(self, viewer: Actor, note_id: str, version: int | None = None) -> NoteOut:
        """A note in full: its newest version for its author, the served one for others (staff: else the submitted one).

        `version` names another one, for its author and for staff. Raises `note.not_found`.
        """
        note, shown, insider = self._see(viewer, note_id, version)
        refs, chips = self._company([note.author_id], shown.skus)
        liked, saved = self._my_marks(viewer, note_id)
        mine = viewer.account_id == note.author_id
        return cards.full(
            note, shown, refs[note.author_id], chips, insider=insider, mine=mine, liked=liked, saved=saved
        )

    def sees(self, viewer: Actor, note_id: str) -> bool:
        """Whether the note's own page is there for this viewer."""
        try:
            self._see(viewer, note_id)
        except NotFound:
            return False
        return True

    def _see(self, viewer: Actor, note_id: str, version: int | None = None) -> tuple[Note, NoteVersion, bool]:
        with self.db.read() as session:
            note = session.get(Note, note_id)
        if note is None or not self._visible([note], viewer, "note"):
            raise absent()
        mine = viewer.account_id == note.author_id
        staff = viewer.has("moderator", "admin")
        usual = note.latest if mine else note.served or (note.latest if staff else 0)
        with self.db.read() as session:
            shown = session.get(NoteVersion, (note_id, version or usual))
        insider = mine or (staff and shown is not None and shown.state != "draft")
        if shown is None or not (insider or shown.n == note.served):
            raise absent()
        return note, shown, insider

    def _my_marks(self, viewer: Actor, note_id: str) -> tuple[bool, bool]:
        if viewer.account_id is None:
            return False, False
        key = (note_id, viewer.account_id)
        with self.db.read() as session:
            return session.get(models.NoteLike, key) is not None, session.get(models.NoteSave, key) is not None

    # -- many notes -----------------------------------------------------------------------------------------------

    def cards(self, viewer: Actor, ids: Sequence[str], placement: Placement = "feed") -> list[NoteCard]:
        """Cards of served notes, in the order of `ids`; what the viewer may not see at this placement is left out."""
        with self.db.read() as session:
            found = self._rows(session, ids, _SERVED)
        visible = self._visible([note for note, _ in found.values()], viewer, placement)
        pairs = [found[note_id] for note_id in dict.fromkeys(ids) if note_id in visible]
        return self.present(pairs)

    def present(self, pairs: Sequence[Pair]) -> list[NoteCard]:
        """Cards of rows that were found visible: one statement for the authors, one call for the product chips."""
        skus = [sku_id for _, version in pairs for sku_id in version.skus]
        refs, chips = self._company([note.author_id for note, _ in pairs], skus)
        return [cards.card(note, version, refs[note.author_id], chips) for note, version in pairs]

    def contents(self, ids: Sequence[str]) -> dict[str, NoteContent]:
        """What search, feed and moderation read of notes, by id; says nothing of who may see them."""
        with self.db.read() as session:
            return {key: cards.content(*pair) for key, pair in self._rows(session, ids, _BEST).items()}

    def content_of(self, note_id: str, version: int | None = None) -> NoteContent | None:
        """One version, by default the newest (what a reviewer judges); None when there is none."""
        with self.db.read() as session:
            note = session.get(Note, note_id)
            row = None if note is None else session.get(NoteVersion, (note_id, version or note.latest))
        return None if note is None or row is None else cards.content(note, row)

    def to_judge(self, viewer: Actor, note_id: str) -> NoteContent:
        """What a reporter or reviewer has before them: the version in review for staff, else the served one.

        Raises `note.not_found` for who may not see it.
        """
        note, shown, _ = self._see(viewer, note_id)
        if viewer.has("moderator", "admin"):
            with self.db.read() as session:
                newest = session.get_one(NoteVersion, (note_id, note.latest))
            shown = newest if newest.state == "in_review" else shown
        return cards.content(note, shown)

    def public_ids(self, before: Position | None, limit: int, limited: bool = False) -> list[Position]:
        """(published_at, id) of public notes, newest first, older than `before`; with limited ones for search."""
        statuses = ("public", "limited") if limited else ("public",)
        query = select(Note.published_at, Note.id).where(Note.status.in_(statuses), _OPEN, _older(before))
        with self.db.read() as session:
            return [_position(row) for row in session.execute(_newest_first(query).limit(limit))]

    def by_authors(
        self, viewer: Actor, author_ids: Sequence[str], before: Position | None, limit: int
    ) -> list[Position]:
        """(published_at, id) of what these authors have published, newest first, older than `before`."""
        found: list[Position] = []
        with self.db.read() as session:
            for chunk in in_chunks(author_ids):
                query = select(Note.published_at, Note.id).where(
                    Note.author_id.in_(chunk), Note.served.is_not(None), _OPEN, _older(before)
                )
                found.extend(_position(row) for row in session.execute(_newest_first(query).limit(limit)))
        return sorted(found, reverse=True)[:limit]

    def ids_with_products(self, sku_ids: Sequence[str]) -> list[str]:
        """Notes whose served version carries one of these SKUs."""
        with self.db.read() as session:
            return [
                note_id
                for chunk in in_chunks(sku_ids)
                for note_id in session.scalars(
                    select(models.NoteProduct.note_id).where(models.NoteProduct.sku_id.in_(chunk)).distinct()
                )
            ]

    def _rows(self, session: Session, ids: Sequence[str], which: Any) -> dict[str, Pair]:
        pairs = (
            (row[0], row[1])
            for chunk in in_chunks(list(dict.fromkeys(ids)))
            for row in session.execute(select(Note, NoteVersion).join(NoteVersion, which).where(Note.id.in_(chunk)))
        )
        return {note.id: (note, version) for note, version in pairs}

    def _visible(self, notes: Sequence[Note], viewer: Actor, placement: Placement) -> set[str]:
        """The ids that pass the one rule."""
        if not notes:
            return set()
        hidden = self.accounts.hidden_authors(list({note.author_id for note in notes}))
        eyes = self.eyes(viewer)
        return {note.id for note in notes if may_see(_standing(note, note.author_id in hidden), eyes, placement)}

    def eyes(self, viewer: Actor) -> Viewer:
        """The viewer as the visibility rule knows them."""
        return Viewer(viewer.account_id, viewer.has("moderator", "admin"), self.accounts.walled_off(viewer))

    def _company(
        self, author_ids: Sequence[str], sku_ids: Sequence[str]
    ) -> tuple[dict[str, AccountRef], dict[str, ProductChip]]:
        """Authors and product chips of a page."""
        refs = self.accounts.refs(author_ids) if author_ids else {}
        skus = list(dict.fromkeys(sku_ids))
        found: Mapping[str, Any] = self.listings.chips(skus) if skus else {}
        return refs, {sku_id: ProductChip.model_validate(chip) for sku_id, chip in found.items()}

    # -- lists ----------------------------------------------------------------------------------------------------

    def by_author(self, viewer: Actor, author_id: str, cursor: str | None, limit: int) -> CardPage:
        """A profile's notes, newest first. Raises `account.not_found` where the profile is not to be seen."""
        self.accounts.profile(viewer, author_id)

        def recall(session: Session, after: Position | None, count: int) -> list[Position]:
            mine = (Note.author_id == author_id, Note.served.is_not(None), _OPEN, _older(after))
            query = _newest_first(select(Note.published_at, Note.id).where(*mine))
            return [_position(row) for row in session.execute(query.limit(count))]

        return self._page(viewer, recall, cursor, limit, "profile")

    def saved(self, actor: Actor, cursor: str | None, limit: int) -> CardPage:
        """What the caller saved and may still see, last saved first."""
        table, me = models.NoteSave, actor.require_account()

        def recall(session: Session, after: Position | None, count: int) -> list[Position]:
            query = select(table.created_at, table.note_id).where(table.account_id == me)
            if after is not None:
                query = query.where(_before(table.created_at, table.note_id, after))
            newest = query.order_by(table.created_at.desc(), table.note_id.desc()).limit(count)
            return [_position(row) for row in session.execute(newest)]

        return self._page(actor, recall, cursor, limit, "profile")

    def mine(self, actor: Actor, cursor: str | None, limit: int) -> MyNotePage:
        """The studio: the caller's notes by age, with states and reasons."""
        me, after = actor.require_account(), id_of(cursor, "note")
        query = select(Note, NoteVersion).join(NoteVersion, _LATEST)
        query = query.where(Note.author_id == me, Note.deleted_at.is_(None))
        if after is not None:
            query = query.where(Note.id < after)
        with self.db.read() as session:
            rows = [(row[0], row[1]) for row in session.execute(query.order_by(Note.id.desc()).limit(limit + 1))]
        more = encode(rows[limit - 1][0].id) if len(rows) > limit else None
        return MyNotePage(items=[cards.my_note(*row) for row in rows[:limit]], next_cursor=more)

    def _page(
        self,
        viewer: Actor,
        recall: Callable[[Session, Position | None, int], list[Position]],
        cursor: str | None,
        limit: int,
        placement: Placement,
    ) -> CardPage:
        """A page that the visibility rule shortens is refilled, a bounded number of times."""
        items: list[NoteCard] = []
        position, place = position_of(cursor), {}
        for _ in range(_REFILLS):
            with self.db.read() as session:
                found = recall(session, position, limit + 1)
            place.update({note_id: (at, note_id) for at, note_id in found})
            items += self.cards(viewer, [note_id for _, note_id in found], placement)
            if len(items) > limit:
                return CardPage(items=items[:limit], next_cursor=cursor_of(place[items[limit - 1].id]))
            if len(found) <= limit:
                return CardPage(items=items, next_cursor=None)
            position = found[-1]
        return CardPage(items=items, next_cursor=cursor_of(position))


def absent() -> NotFound:
    return NotFound("note.not_found", "There is no such note.")


def cursor_of(position: Position | None) -> str | None:
    """A keyset position as an opaque cursor, exact to the microsecond."""
    return None if position is None else encode((position[0] - _EPOCH) // timedelta(microseconds=1), position[1])


def id_of(cursor: str | None, prefix: str) -> str | None:
    """The id in a cursor of a list that is sorted by id. Raises `cursor.malformed`."""
    values = decode(cursor, str)
    if values is None:
        return None
    check_id(values[0], prefix)
    return str(values[0])


def check_id(text: str, prefix: str) -> None:
    """Refuse a cursor with anything but an id in it: no engine should have to digest it."""
    if not is_id(text, prefix):
        raise Malformed("cursor.malformed", "The cursor is not one this server gave out.")


def position_of(cursor: str | None) -> Position | None:
    """The position of a cursor. Raises `cursor.malformed`."""
    values = decode(cursor, int, str)
    if values is None:
        return None
    check_id(values[1], "note")
    micros = min(max(values[0], 0), 2**53)
    return _EPOCH + timedelta(microseconds=micros), values[1]


def _position(row: Any) -> Position:
    return row[0], row[1]


def _standing(note: Note, author_hidden: bool) -> Standing:
    return Standing(note.author_id, note.status, note.hold, note.deleted_at is not None, author_hidden)


def _older(before: Position | None) -> Any:
    return Note.published_at.is_not(None) if before is None else _before(Note.published_at, Note.id, before)


def _before(at: Any, key: Any, position: Position) -> Any:
    return or_(at < position[0], and_(at == position[0], key < position[1]))


def _newest_first(query: Any) -> Any:
    return query.order_by(Note.published_at.desc(), Note.id.desc())
