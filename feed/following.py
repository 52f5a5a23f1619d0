"""The following feed: everything by whom one follows, newest first, complete and never padded."""

from __future__ import annotations

from datetime import datetime

from accounts import AccountService
from feed import exposures
from feed.schemas import FeedPage
from kernel import cursors
from kernel.actor import Actor
from kernel.db import Database
from kernel.errors import Malformed
from notes import NoteCard, NoteService

Position = tuple[datetime, str]


class FollowingFeed:
    """Its exposures are logged like all others and count as seen, for DESIGN's "nothing shown before comes back" knows no
    placement; they use up no note's guarantee, which is about strangers whatever the author's size."""

    def __init__(self, db: Database, accounts: AccountService, notes: NoteService) -> None:
        self.db = db
        self.accounts = accounts
        self.notes = notes

    def page(self, actor: Actor, cursor: str | None, limit: int) -> FeedPage:
        """The next page; what was seen before is there again when it is asked for again."""
        account_id = actor.require_account()
        before, start = _place(cursor)
        cards = self._recall(actor, self.accounts.following_ids(account_id), before, limit + 1)
        page = cards[:limit]
        rows = exposures.page(actor, [exposures.followed(card) for _, card in page], start, self.db.clock.now())
        if rows:
            exposures.logged(rows, lambda: self.db.write(lambda tx: exposures.write(tx, rows)))
        items = [exposures.present(card, row) for (_, card), row in zip(page, rows, strict=True)]
        return FeedPage(items=items, next_cursor=_after(page, start) if len(cards) > limit else None)

    def _recall(
        self, actor: Actor, authors: list[str], before: Position | None, count: int
    ) -> list[tuple[Position, NoteCard]]:
        """Cards with their places; a page that the visibility rule shortens is refilled."""
        found: list[tuple[Position, NoteCard]] = []
        while len(found) < count:
            places = self.notes.by_authors(actor, authors, before, count)
            at = {place[1]: place for place in places}
            found += [(at[card.id], card) for card in self.notes.cards(actor, list(at), "following")]
            if len(places) < count:
                break
            before = places[-1]
        return found


def _after(page: list[tuple[Position, NoteCard]], start: int) -> str:
    at, note_id = page[-1][0]
    return cursors.encode(at.isoformat(), note_id, start + len(page))


def _place(cursor: str | None) -> tuple[Position | None, int]:
    """Where the last page ended, and how many items came up to there."""
    values = cursors.decode(cursor, str, str, int)
    if values is None:
        return None, 0
    return (_instant(values[0]), values[1]), cursors.counted(values[2])


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Malformed("cursor.malformed", "The cursor is not one this server gave out.")
    return at
