"""What people say under a note."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from accounts import AccountRef, AccountService, out_of_sight
from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.cursors import encode
from kernel.db import Database, Write
from kernel.errors import Forbidden, NotFound
from kernel.facts import Fact
from kernel.idempotency import Answer, once, replayed
from kernel.ids import new_id
from notes.facts import CommentDeleted, CommentHeld, CommentHidden, CommentRestored, NoteCommented
from notes.keyset import id_of
from notes.models import Comment, Note
from notes.reading import NoteReader, absent
from notes.schemas import CommentIn, CommentOut, CommentPage


@dataclass(frozen=True)
class CommentContent:
    """A comment for moderation; `status` is public, in_review, hidden or deleted."""

    id: str
    note_id: str
    author_id: str
    text: str
    status: str
    created_at: datetime


class CommentBook:
    """Comments, with the note's counter in the same commit."""

    def __init__(self, db: Database, accounts: AccountService, notes: NoteReader) -> None:
        self.db = db
        self.accounts = accounts
        self.notes = notes

    def page(self, viewer: Actor, note_id: str, cursor: str | None, limit: int) -> CommentPage:
        """Newest first, without those of suspended accounts and of whom the viewer is walled off from; one's own also while
        they wait for a moderator."""
        before = id_of(cursor, "cmt")
        if not self.notes.sees(viewer, note_id):
            raise absent()
        found = self._recall(viewer, note_id, before, limit + 1)
        rows = found[:limit]
        refs = self.accounts.refs([row.author_id for row in rows])
        items = [_out(row, refs[row.author_id]) for row in rows]
        return CommentPage(items=items, next_cursor=encode(rows[-1].id) if len(found) > limit else None)

    def _recall(self, viewer: Actor, note_id: str, before: str | None, count: int) -> list[Comment]:
        older = select(Comment).where(Comment.note_id == note_id, *([] if before is None else [Comment.id < before]))
        older = older.where(~out_of_sight(Comment.author_id, viewer.account_id))
        older = older.order_by(Comment.id.desc()).limit(count)
        shown = [older.where(Comment.status == "public")]
        if viewer.account_id is not None:  # two queries that an index answers each, and no search of all that was said
            shown.append(older.where(Comment.status == "in_review", Comment.author_id == viewer.account_id))
        with self.db.read() as session:
            found = [row for query in shown for row in session.scalars(query)]
        return sorted(found, key=lambda row: row.id, reverse=True)[:count]

    def write(self, actor: Actor, note_id: str, form: CommentIn, key: str | None = None) -> Answer:
        """Comment on a note that one may see and that is published. Raises `note.not_found`."""
        me, command = actor.require_account(), (actor, key, f"comments.create:{note_id}", form.model_dump())
        if (again := replayed(self.db, *command)) is not None:
            return again
        if not self.notes.sees(actor, note_id):
            raise absent()
        author = self.accounts.refs([me])[me]

        def write(tx: Write) -> dict[str, object]:
            row = self.add(tx, note_id, me, form.text)
            return _out(row, author).model_dump()

        return self.db.write(once(*command, write))

    def add(self, tx: Write, note_id: str, account_id: str, text: str) -> Comment:
        """Write a comment inside a larger write. Raises `note.not_found` when the note is not published."""
        if not self._count(tx, note_id, 1, published=True):
            raise absent()
        row = Comment(
            id=new_id("cmt", tx.now),
            note_id=note_id,
            author_id=account_id,
            text=text,
            status="public",
            created_at=tx.now,
        )
        tx.session.add(row)
        tx.session.flush()
        tx.record(NoteCommented(note_id, row.id, account_id, text))
        return row

    def delete(self, actor: Actor, comment_id: str) -> None:
        """By its author, by the note's author or by staff. Raises `comment.not_found`, `comment.not_yours`."""
        me = actor.require_account()
        with self.db.read() as session:
            row = session.get(Comment, comment_id)
            note = None if row is None else session.get_one(Note, row.note_id)
        # What a verdict took out stays as evidence.
        if row is None or note is None or row.status in ("hidden", "deleted"):
            raise _no_comment()
        if me != row.author_id and not self._shown(actor, row.status, row.author_id, row.note_id):
            raise _no_comment()
        if me not in (row.author_id, note.author_id) and not actor.has("moderator", "admin"):
            raise Forbidden("comment.not_yours", "Only its author and the note's author delete a comment.")
        self.db.write(lambda tx: self._turn(tx, comment_id, "deleted", CommentDeleted))

    def hold(self, tx: Write, comment_id: str) -> bool:
        """Out of sight for all but its author, until a moderator has looked; False when it waits already, or was deleted."""
        return self._turn(tx, comment_id, "in_review", CommentHeld)

    def hide(self, tx: Write, comment_id: str) -> bool:
        """Take a comment out of sight; False when it was hidden already, or deleted."""
        return self._turn(tx, comment_id, "hidden", CommentHidden)

    def restore(self, tx: Write, comment_id: str) -> bool:
        """Undo `hide` and `hold`; False when it was neither."""
        return self._turn(tx, comment_id, "public", CommentRestored)

    def said(self, session: Session, note_id: str, account_id: str) -> bool:
        """Whether an account has a comment under a note that everybody may read."""
        theirs = Comment.author_id == account_id, Comment.note_id == note_id, Comment.status == "public"
        return session.scalar(select(Comment.id).where(*theirs).limit(1)) is not None

    def contents(self, ids: list[str]) -> dict[str, CommentContent]:
        """Comments for moderation, by id; says nothing of who may see them."""
        with self.db.read() as session:
            rows = session.scalars(select(Comment).where(Comment.id.in_(ids)))
            return {
                row.id: CommentContent(row.id, row.note_id, row.author_id, row.text, row.status, row.created_at)
                for row in rows
            }

    def to_judge(self, viewer: Actor, comment_id: str) -> CommentContent:
        """A comment under a note that the viewer may see; hidden ones for staff. Raises `comment.not_found`."""
        found = self.contents([comment_id]).get(comment_id)
        if found is None or not self._shown(viewer, found.status, found.author_id, found.note_id):
            raise _no_comment()
        return found

    def _shown(self, viewer: Actor, status: str, author_id: str, note_id: str) -> bool:
        seen = {"public"}
        if viewer.account_id == author_id:
            seen |= {"in_review"}
        if viewer.has("moderator", "admin"):
            seen |= {"in_review", "hidden"}
        return status in seen and self.notes.sees(viewer, note_id)

    def _turn(self, tx: Write, comment_id: str, status: str, fact: type[Fact]) -> bool:
        row = tx.session.get(Comment, comment_id, with_for_update=True, populate_existing=True)
        if row is None or row.status in (status, "deleted"):
            return False
        change = (status == "public") - (row.status == "public")
        row.status = status
        tx.session.flush()
        if change:
            self._count(tx, row.note_id, change)
        tx.record(fact(note_id=row.note_id, comment_id=comment_id, account_id=row.author_id))  # type: ignore[call-arg]
        return True

    def _count(self, tx: Write, note_id: str, change: int, published: bool = False) -> bool:
        there = [Note.id == note_id]
        if published:
            there += [Note.served.is_not(None), ~Note.hidden, ~Note.removed, Note.deleted_at.is_(None)]
        counted = update(Note).where(*there).values(comments=Note.comments + change)
        done = tx.session.execute(counted.execution_options(synchronize_session=False))
        return bool(done.rowcount)  # type: ignore[attr-defined]


def _out(row: Comment, author: AccountRef) -> CommentOut:
    return CommentOut(
        id=row.id,
        note_id=row.note_id,
        author=author,
        text=row.text,
        state=row.status,  # type: ignore[arg-type]
        created_at=rfc3339(row.created_at),
    )


def _no_comment() -> NotFound:
    return NotFound("comment.not_found", "There is no such comment.")
