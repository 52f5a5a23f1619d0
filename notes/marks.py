"""Likes and saves, with their counters in the same commit."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import delete, update

from kernel.db import Write, insert_ignore
from kernel.facts import Fact
from notes.facts import NoteLiked, NoteSaved, NoteUnliked, NoteUnsaved
from notes.models import Note, NoteLike, NoteSave
from notes.schemas import Marks

Mark = Literal["like", "save"]
_TABLE: dict[Mark, type[NoteLike] | type[NoteSave]] = {"like": NoteLike, "save": NoteSave}
_COUNTER: dict[Mark, str] = {"like": "likes", "save": "saves"}
_SET: dict[Mark, type[NoteLiked] | type[NoteSaved]] = {"like": NoteLiked, "save": NoteSaved}
_TAKEN: dict[Mark, type[NoteUnliked] | type[NoteUnsaved]] = {"like": NoteUnliked, "save": NoteUnsaved}


def put(tx: Write, note_id: str, account_id: str, mark: Mark) -> bool:
    """Like or save; doing it twice is doing it once. False when the note is not published (any more)."""
    row = {"note_id": note_id, "account_id": account_id, "created_at": tx.now}
    if insert_ignore(tx.session, _TABLE[mark].__table__, row):
        return _count(tx, note_id, account_id, mark, 1, _SET[mark])
    return True


def take(tx: Write, note_id: str, account_id: str, mark: Mark) -> bool:
    """Take a like or save back; none to take is no error. Whether there was one."""
    table = _TABLE[mark]
    gone = delete(table).where(table.note_id == note_id, table.account_id == account_id)
    if not tx.session.execute(gone).rowcount:  # type: ignore[attr-defined]
        return False
    return _count(tx, note_id, account_id, mark, -1, _TAKEN[mark])


def marks_of(tx: Write, note_id: str, account_id: str) -> Marks:
    """How the account stands to the note now."""
    note = tx.session.get_one(Note, note_id, populate_existing=True)
    key = (note_id, account_id)
    liked, saved = tx.session.get(NoteLike, key) is not None, tx.session.get(NoteSave, key) is not None
    return Marks(liked=liked, saved=saved, likes=note.likes, saves=note.saves)


def _count(tx: Write, note_id: str, account_id: str, mark: Mark, change: int, fact: type[Fact]) -> bool:
    counter = getattr(Note, _COUNTER[mark])
    there = [Note.id == note_id]
    if change > 0:
        there += [Note.served.is_not(None), ~Note.hidden, ~Note.removed, Note.deleted_at.is_(None)]
    counted = update(Note).where(*there).values({_COUNTER[mark]: counter + change}).returning(Note.author_id)
    author_id = tx.session.scalar(counted.execution_options(synchronize_session=False))
    if author_id is None:
        return False
    tx.record(fact(note_id=note_id, account_id=account_id, author_id=author_id))  # type: ignore[call-arg]
    return True
