"""The read path: ids -> rows in batches -> the visibility rule -> cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from accounts import AccountRef, AccountService, Company, out_of_sight
from kernel.actor import Actor
from kernel.db import Database, Write, in_chunks
from kernel.errors import NotFound
from notes import cards, keyset, models
from notes.cards import NoteContent
from notes.gate import Listings
from notes.keyset import Position
from notes.models import Note, NoteVersion
from notes.schemas import NoteCard, NoteOut, ProductChip
from notes.visibility import Placement, Standing, Viewer, may_see

Pair = tuple[Note, NoteVersion]
_SERVED = and_(NoteVersion.note_id == Note.id, NoteVersion.n == Note.served)
LATEST = and_(NoteVersion.note_id == Note.id, NoteVersion.n == Note.latest)
_BEST = and_(NoteVersion.note_id == Note.id, NoteVersion.n == func.coalesce(Note.served, Note.latest))
OPEN = and_(~Note.hidden, ~Note.removed, Note.deleted_at.is_(None))


@dataclass(frozen=True)
class NoteRows:
    """Served notes as they were loaded, not yet judged by the visibility rule."""

    pairs: list[Pair]

    @property
    def authors(self) -> set[str]:
        return {note.author_id for note, _ in self.pairs}

    @property
    def skus(self) -> list[str]:
        return [sku_id for _, version in self.pairs for sku_id in version.skus]


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
        refs, chips = self._company(viewer, [note.author_id], shown.skus)
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
        note, versions = self.load(note_id, version)
        if note is None or not self._passes(note, viewer):
            raise absent()
        mine = viewer.account_id == note.author_id
        staff = viewer.has("moderator", "admin")
        usual = note.latest if mine else note.served or (note.latest if staff else 0)
        shown = versions.get(version or usual)
        insider = mine or (staff and shown is not None and shown.state != "draft")
        if shown is None or not (insider or shown.n == note.served):
            raise absent()
        return note, shown, insider

    def _passes(self, note: Note, viewer: Actor) -> bool:
        people = self.accounts.company(viewer, [note.author_id], live=set())
        return may_see(_standing(note, people), _eyes(viewer, people), "note")

    def load(self, note_id: str, version: int | None = None) -> tuple[Note | None, dict[int, NoteVersion]]:
        """A note with its served, its newest and the named version, in one statement: an edit may replace a draft's row
        between two."""
        wanted = or_(NoteVersion.n.in_([Note.served, Note.latest]), NoteVersion.n == (version or 0))
        query = select(Note, NoteVersion).join(NoteVersion, and_(NoteVersion.note_id == Note.id, wanted))
        with self.db.read() as session:
            rows = session.execute(query.where(Note.id == note_id)).all()
        return (rows[0][0] if rows else None), {row[1].n: row[1] for row in rows}

    def _my_marks(self, viewer: Actor, note_id: str) -> tuple[bool, bool]:
        if viewer.account_id is None:
            return False, False
        key = (note_id, viewer.account_id)
        with self.db.read() as session:
            return session.get(models.NoteLike, key) is not None, session.get(models.NoteSave, key) is not None

    # -- many notes -----------------------------------------------------------------------------------------------

    def cards(self, viewer: Actor, ids: Sequence[str], placement: Placement = "feed") -> list[NoteCard]:
        """Cards of served notes, in the order of `ids`; what the viewer may not see at this placement is left out."""
        rows = self.rows(ids)
        people, chips = self.accounts.company(viewer, rows.authors), self._chips(viewer, rows.skus)
        return self.show(rows, viewer, placement, people, chips)

    def rows(self, ids: Sequence[str]) -> NoteRows:
        """The served versions of these notes, in the order of `ids`; says nothing of who may see them."""
        with self.db.read() as session:
            found = self._rows(session, ids, _SERVED)
        return NoteRows([found[note_id] for note_id in dict.fromkeys(ids) if note_id in found])

    def show(
        self, rows: NoteRows, viewer: Actor, placement: Placement, people: Company, chips: Mapping[str, Any]
    ) -> list[NoteCard]:
        """Cards of what passes the one rule, of rows whose authors and products are at hand. No I/O."""
        eyes, known = _eyes(viewer, people), _known(chips)
        return [
            cards.card(note, version, people.refs[note.author_id], known)
            for note, version in rows.pairs
            if may_see(_standing(note, people), eyes, placement)
        ]

    def contents(self, ids: Sequence[str]) -> dict[str, NoteContent]:
        """What search, feed and moderation read of notes, by id; says nothing of who may see them."""
        with self.db.read() as session:
            return {key: cards.content(*pair) for key, pair in self._rows(session, ids, _BEST).items()}

    def contents_within(self, tx: Write, ids: Sequence[str]) -> dict[str, NoteContent]:
        """`contents` inside a write, and the notes kept as they are until its commit: what is decided from them holds."""
        for chunk in in_chunks(sorted(set(ids))):
            held = select(Note.id).where(Note.id.in_(chunk)).order_by(Note.id).with_for_update(key_share=True)
            tx.session.execute(held)
        return {key: cards.content(*pair) for key, pair in self._rows(tx.session, ids, _BEST).items()}

    def content_of(self, note_id: str, version: int | None = None) -> NoteContent | None:
        """One version, by default the newest (what a reviewer judges); None when there is none."""
        note, versions = self.load(note_id, version)
        row = None if note is None else versions.get(version or note.latest)
        return None if note is None or row is None else cards.content(note, row)

    def to_judge(self, viewer: Actor, note_id: str) -> NoteContent:
        """What a reporter or reviewer has before them: the version in review for staff, else the served one.

        Raises `note.not_found` for who may not see it.
        """
        note, shown, _ = self._see(viewer, note_id)
        if viewer.has("moderator", "admin") and (newest := self._in_review(note)) is not None:
            shown = newest
        return cards.content(note, shown)

    def _in_review(self, note: Note) -> NoteVersion | None:
        waits = select(NoteVersion).where(NoteVersion.note_id == note.id, NoteVersion.state == "in_review")
        with self.db.read() as session:
            return session.scalar(waits.order_by(NoteVersion.n.desc()).limit(1))

    def public_ids(self, before: Position | None, limit: int, limited: bool = False) -> list[Position]:
        """(published_at, id) of public notes, newest first, older than `before`; with limited ones for search."""
        statuses = ("public", "limited") if limited else ("public",)
        query = select(Note.published_at, Note.id).where(Note.status.in_(statuses), OPEN, older(before))
        with self.db.read() as session:
            return [keyset.position(row) for row in session.execute(newest_first(query).limit(limit))]

    def by_authors(
        self, viewer: Actor, author_ids: Sequence[str], before: Position | None, limit: int
    ) -> list[Position]:
        """(published_at, id) of what these authors have published, newest first, older than `before`."""
        found: list[Position] = []
        with self.db.read() as session:
            for chunk in in_chunks(author_ids):
                query = select(Note.published_at, Note.id).where(
                    Note.author_id.in_(chunk), Note.served.is_not(None), OPEN, older(before)
                )
                found.extend(keyset.position(row) for row in session.execute(newest_first(query).limit(limit)))
        return sorted(found, reverse=True)[:limit]

    def served_within(self, tx: Write, note_id: str) -> int | None:
        """The version that others get, as the write under way has it; None while they get none."""
        return tx.session.scalar(select(Note.served).where(Note.id == note_id, OPEN))

    def carries(self, session: Session, viewer_id: str, note_id: str, sku_ids: Sequence[str]) -> bool | None:
        """Whether the served version carries one of these SKUs, as the write or read under way sees it; None when it did once:
        the note is out of this viewer's sight, or its author took the card off."""
        cards_of = models.NoteProduct
        card = select(cards_of.sku_id).where(cards_of.note_id == note_id, cards_of.sku_id.in_(sku_ids)).exists()
        there = and_(Note.served.is_not(None), OPEN, ~out_of_sight(Note.author_id, viewer_id))
        query = select(there.label("there"), card.label("card"))
        row = session.execute(query.where(Note.id == note_id, Note.published_at.is_not(None))).first()
        if row is None:
            return False
        if row.there and row.card:
            return True
        return None if not row.there or _carried(session, note_id, sku_ids) else False

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
        both = select(Note, NoteVersion).join(NoteVersion, which).execution_options(populate_existing=True)
        pairs = (
            (row[0], row[1])
            for chunk in in_chunks(list(dict.fromkeys(ids)))
            for row in session.execute(both.where(Note.id.in_(chunk)))
        )
        return {note.id: (note, version) for note, version in pairs}

    def _company(
        self, viewer: Actor, author_ids: Sequence[str], sku_ids: Sequence[str]
    ) -> tuple[dict[str, AccountRef], dict[str, ProductChip]]:
        """Authors and product chips of a page."""
        return self.accounts.refs(author_ids), _known(self._chips(viewer, sku_ids))

    def _chips(self, viewer: Actor, sku_ids: Sequence[str]) -> Mapping[str, Any]:
        return self.listings.chips(viewer.account_id, list(dict.fromkeys(sku_ids))) if sku_ids else {}


def _carried(session: Session, note_id: str, sku_ids: Sequence[str]) -> bool:
    """Whether any version of the note had one of these SKUs."""
    versions = session.scalars(select(NoteVersion.skus).where(NoteVersion.note_id == note_id))
    return any(not set(sku_ids).isdisjoint(skus) for skus in versions)


def _known(chips: Mapping[str, Any]) -> dict[str, ProductChip]:
    return {sku_id: ProductChip.model_validate(chip) for sku_id, chip in chips.items()}


def absent() -> NotFound:
    return NotFound("note.not_found", "There is no such note.")


def _standing(note: Note, people: Company) -> Standing:
    hidden = note.author_id in people.hidden
    return Standing(note.author_id, note.status, note.hold, note.deleted_at is not None, hidden)


def _eyes(viewer: Actor, people: Company) -> Viewer:
    return Viewer(viewer.account_id, viewer.has("moderator", "admin"), people.walled_off)


def older(before: Position | None) -> Any:
    return Note.published_at.is_not(None) if before is None else keyset.before(Note.published_at, Note.id, before)


def newest_first(query: Any) -> Any:
    return query.order_by(Note.published_at.desc(), Note.id.desc())
