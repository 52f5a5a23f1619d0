"""What people say under a note."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from accounts import AccountRef, AccountService
from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.cursors import encode
from kernel.db import Database, Write
from kernel.errors import Forbidden, NotFound
from kernel.facts import Fact
from kernel.idempotency import Answer, once
from kernel.ids import new_id
from notes.facts import CommentDeleted, CommentHidden, CommentRestored, NoteCommented
from notes.keyset import id_of
from notes.models import Comment, Note
from notes.reading import NoteReader, absent
from notes.schemas import CommentIn, CommentOut, CommentPage

_REFILLS = 5


@dataclass(frozen=True)
class CommentContent:
    """A comment for moderation; `status` is public, hidden or deleted."""

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
        """Newest first, without those of suspended accounts and of whom the viewer is walled off from."""
        before = id_of(cursor, "cmt")
        if not self.notes.sees(viewer, note_id):
            raise absent()
        walled = self.accounts.walled_off(viewer)
        kept: list[Comment] = []
        for _ in range(_REFILLS):
            found = self._recall(note_id, before, limit + 1)
            gone = walled | self.accounts.hidden_authors(list({row.author_id for row in found}))
            kept += [row for row in found if row.author_id not in gone]
            if len(kept) > limit or len(found) <= limit:
                break
            before = found[-1].id
        return self._present(kept, limit, more=len(found) > limit, after=before)

    def _recall(self, note_id: str, before: str | None, count: int) -> list[Comment]:
        query = select(Comment).where(Comment.note_id == note_id, Comment.status == "public")
        if before is not None:
            query = query.where(Comment.id < before)
        with self.db.read() as session:
            return list(session.scalars(query.order_by(Comment.id.desc()).limit(count)))

    def _present(self, kept: list[Comment], limit: int, more: bool, after: str | None) -> CommentPage:
        rows = kept[:limit]
        refs = self.accounts.refs([row.author_id for row in rows])
        items = [_out(row, refs[row.author_id]) for row in rows]
        if len(kept) > limit:
            return CommentPage(items=items, next_cursor=encode(rows[-1].id))
        return CommentPage(items=items, next_cursor=encode(after) if more else None)

    def write(self, actor: Actor, note_id: str, form: CommentIn, key: str | None = None) -> Answer:
        """Comment on a note that one may see and that is published. Raises `note.not_found`."""
        me = actor.require_account()
        if not self.notes.sees(actor, note_id):
            raise absent()
        author = self.accounts.refs([me])[me]

        def write(tx: Write) -> dict[str, object]:
            row = self.add(tx, note_id, me, form.text)
            return _out(row, author).model_dump()

        return self.db.write(once(actor, key, f"comments.create:{note_id}", form.model_dump(), write))

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
        tx.record(NoteCommented(note_id, row.id, account_id))
        return row

    def delete(self, actor: Actor, comment_id: str) -> None:
        """By its author, by the note's author or by staff. Raises `comment.not_found`, `comment.not_yours`."""
        me = actor.require_account()
        with self.db.read() as session:
            row = session.get(Comment, comment_id)
            note = None if row is None else session.get_one(Note, row.note_id)
        if row is None or note is None or row.status != "public" or not self.notes.sees(actor, row.note_id):
            raise _no_comment()
        if me not in (row.author_id, note.author_id) and not actor.has("moderator", "admin"):
            raise Forbidden("comment.not_yours", "Only its author and the note's author delete a comment.")
        self.db.write(lambda tx: self._turn(tx, comment_id, "public", "deleted", -1, CommentDeleted))

    def hide(self, tx: Write, comment_id: str) -> bool:
        """Take a comment out of sight; False when it was not in sight."""
        return self._turn(tx, comment_id, "public", "hidden", -1, CommentHidden)

    def restore(self, tx: Write, comment_id: str) -> bool:
        """Undo `hide`; False when it was not hidden."""
        return self._turn(tx, comment_id, "hidden", "public", 1, CommentRestored)

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
        shown = ("public", "hidden") if viewer.has("moderator", "admin") else ("public",)
        if found is None or found.status not in shown or not self.notes.sees(viewer, found.note_id):
            raise _no_comment()
        return found

    def _turn(self, tx: Write, comment_id: str, old: str, new: str, change: int, fact: type[Fact]) -> bool:
        turned = (
            update(Comment)
            .where(Comment.id == comment_id, Comment.status == old)
            .values(status=new)
            .returning(Comment.note_id, Comment.author_id)
            .execution_options(synchronize_session=False)
        )
        row = tx.session.execute(turned).one_or_none()
        if row is None:
            return False
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
    return CommentOut(id=row.id, note_id=row.note_id, author=author, text=row.text, created_at=rfc3339(row.created_at))


def _no_comment() -> NotFound:
    return NotFound("comment.not_found", "There is no such comment.")
