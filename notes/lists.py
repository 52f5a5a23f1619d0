"""Lists of notes with cursors: a profile's, what one saved, one's own."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from kernel import cursors
from kernel.actor import Actor
from notes import cards, keyset, models
from notes.keyset import Position
from notes.models import Note, NoteVersion
from notes.reading import LATEST, OPEN, NoteReader, newest_first, older
from notes.schemas import CardPage, MyNotePage, NoteCard
from notes.visibility import Placement

_REFILLS = 5


class NoteLists(NoteReader):
    """Pages of cards; what the visibility rule takes out of a page is made up for."""

    def by_author(self, viewer: Actor, author_id: str, cursor: str | None, limit: int) -> CardPage:
        """A profile's notes, newest first. Raises `account.not_found` where the profile is not to be seen."""
        self.accounts.profile(viewer, author_id)

        def recall(session: Session, after: Position | None, count: int) -> list[Position]:
            mine = (Note.author_id == author_id, Note.served.is_not(None), OPEN, older(after))
            query = newest_first(select(Note.published_at, Note.id).where(*mine))
            return [keyset.position(row) for row in session.execute(query.limit(count))]

        return self._page(viewer, recall, cursor, limit, "profile")

    def saved(self, actor: Actor, cursor: str | None, limit: int) -> CardPage:
        """What the caller saved and may still see, last saved first."""
        table, me = models.NoteSave, actor.require_account()

        def recall(session: Session, after: Position | None, count: int) -> list[Position]:
            query = select(table.created_at, table.note_id).where(table.account_id == me)
            if after is not None:
                query = query.where(keyset.before(table.created_at, table.note_id, after))
            newest = query.order_by(table.created_at.desc(), table.note_id.desc()).limit(count)
            return [keyset.position(row) for row in session.execute(newest)]

        return self._page(actor, recall, cursor, limit, "profile")

    def mine(self, actor: Actor, cursor: str | None, limit: int, state: str | None = None) -> MyNotePage:
        """The studio: the caller's notes by age, with states and reasons; only those in `state` when it is given."""
        me, after = actor.require_account(), keyset.id_of(cursor, "note")
        query = select(Note, NoteVersion).join(NoteVersion, LATEST)
        query = query.where(Note.author_id == me, Note.deleted_at.is_(None))
        if after is not None:
            query = query.where(Note.id < after)
        if state is not None:
            query = query.where(_in_state(state))
        with self.db.read() as session:
            rows = [(row[0], row[1]) for row in session.execute(query.order_by(Note.id.desc()).limit(limit + 1))]
        shown, more = cursors.cut(rows, limit, lambda row: row[0].id)
        return MyNotePage(items=[cards.my_note(*row) for row in shown], next_cursor=more)

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
        position, place = keyset.position_of(cursor), {}
        for _ in range(_REFILLS):
            with self.db.read() as session:
                found = recall(session, position, limit + 1)
            place.update({note_id: (at, note_id) for at, note_id in found})
            items += self.cards(viewer, [note_id for _, note_id in found], placement)
            if len(items) > limit:
                return CardPage(items=items[:limit], next_cursor=keyset.cursor_of(place[items[limit - 1].id]))
            if len(found) <= limit:
                return CardPage(items=items, next_cursor=None)
            position = found[-1]
        return CardPage(items=items, next_cursor=keyset.cursor_of(position))


def _in_state(state: str) -> ColumnElement[bool]:
    """The condition of `cards.state`: moderation's hold goes before the latest version's own state."""
    if state == "removed":
        return Note.removed.is_(True)
    if state == "hidden":
        return and_(Note.hidden, ~Note.removed)
    return and_(NoteVersion.state == state, ~Note.hidden, ~Note.removed)
