"""What people publish: the author's commands, the readers' marks, and the hooks of moderation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from accounts import AccountRef, AccountService
from kernel.actor import Actor
from kernel.db import Database, Write
from kernel.errors import AppError, Conflict, FieldError, Forbidden, Invalid, PreconditionFailed
from kernel.idempotency import Answer, once, replayed
from notes import cards, holds, marks, review
from notes.comments import CommentBook, CommentContent
from notes.gate import Listings, ProductGate
from notes.holds import Hold
from notes.lists import NoteLists
from notes.media import MediaService, pictures
from notes.models import Note, NoteVersion
from notes.reading import absent
from notes.review import Content, Verdict
from notes.schemas import CommentIn, CommentPage, Marks, NoteDraft, NoteOut, NotePatch, ProductChip


class NoteService(NoteLists):
    """Notes from draft to deletion. What only looks is in `NoteReader` and `NoteLists`."""

    def __init__(
        self, db: Database, accounts: AccountService, listings: Listings, gate: ProductGate, media: MediaService
    ) -> None:
        super().__init__(db, accounts, listings)
        self.gate = gate
        self.media = media
        self.book = CommentBook(db, accounts, self)

    # -- the author -----------------------------------------------------------------------------------------------

    def create(self, actor: Actor, draft: NoteDraft, key: str | None = None) -> Answer:
        """A new draft. Raises `media.not_found`, `product.not_found`, `creator.not_approved`, `creator.active_strike`."""
        me = actor.require_account()
        refs, chips = self._company(actor, [me], draft.products)

        def write(tx: Write) -> dict[str, Any]:
            note_id = self.add(tx, me, draft, self.gate.check(tx.session, me, draft.products))
            return _answer(tx, note_id, refs[me], chips)

        return self.db.write(once(actor, key, "notes.create", draft.model_dump(), write))

    def add(self, tx: Write, author_id: str, draft: NoteDraft, disclosure: str | None = None) -> str:
        """Write a draft inside a larger write; its id. `disclosure` is the gate's answer for its products."""
        content = Content(
            draft.title,
            draft.text,
            draft.topics,
            pictures(tx.session, author_id, draft.images),
            draft.products,
            disclosure or ("product" if draft.products else None),
        )
        return review.create(tx, author_id, content)

    def edit(self, actor: Actor, note_id: str, patch: NotePatch, if_match: str) -> NoteOut:
        """A new version. Raises `note.changed` (with the current note) when `if_match` is not the newest version."""
        return self._revise(actor, note_id, patch, if_match)

    def set_products(self, actor: Actor, note_id: str, sku_ids: Sequence[str], if_match: str | None = None) -> NoteOut:
        """Other product cards, all at once: a new version. Raises as `edit` and `create` do."""
        return self._revise(actor, note_id, NotePatch(products=list(sku_ids)), if_match)

    def submit(self, actor: Actor, note_id: str, key: str | None = None) -> Answer:
        """Hand a draft in for review; the product gate is asked again. Raises `note.not_a_draft`, `note.empty`."""
        command = (actor, key, f"notes.submit:{note_id}", dict[str, Any]())
        if (again := replayed(self.db, *command)) is not None:
            return again
        note, newest = self._own(actor, note_id)
        refs, chips = self._company(actor, [note.author_id], newest.skus)

        def write(tx: Write) -> dict[str, Any]:
            locked, version = self._lock(tx, note_id)
            if list(version.skus) != list(newest.skus):
                raise Conflict("note.changed", "The note was changed meanwhile.", version=locked.latest)
            self.gate.check(tx.session, note.author_id, version.skus, kept=version.skus)
            review.submit(tx, locked, version)
            return _answer(tx, note_id, refs[note.author_id], chips)

        return self.db.write(once(*command, write))

    def hand_in(self, tx: Write, note_id: str) -> None:
        """Submit a draft inside a larger write, whose caller has asked the gate. Raises `note.not_a_draft`, `note.empty`."""
        note, version = self._lock(tx, note_id)
        review.submit(tx, note, version)

    def delete(self, actor: Actor, note_id: str) -> None:
        """The author deletes a note, in whatever state it is."""
        self._own(actor, note_id)
        self.db.write(lambda tx: review.erase(tx, self._lock(tx, note_id)[0]))

    def _revise(self, actor: Actor, note_id: str, patch: NotePatch, if_match: str | None) -> NoteOut:
        if not patch.changes:
            raise Invalid(
                "note.no_change", "Name what shall change.", [FieldError("body", "field.missing", "is empty")]
            )
        note, newest = self._own(actor, note_id)

        def write(tx: Write) -> None:
            locked, version = self._lock(tx, note_id)
            if locked.latest != newest.n or if_match not in (None, str(locked.latest)):
                raise review.changed(locked)
            review.revise(tx, locked, self._changed(tx, note.author_id, version, patch))

        try:
            self.db.write(write)
        except PreconditionFailed as refused:
            current = self.get(actor, note_id)
            raise PreconditionFailed(
                refused.code, refused.detail, version=current.version, current=current.model_dump()
            ) from None
        return self.get(actor, note_id)

    def _own(self, actor: Actor, note_id: str) -> tuple[Note, NoteVersion]:
        """The caller's note and its newest version; somebody else's is `note.not_yours` only where it can be seen."""
        me = actor.require_account()
        note, versions = self.load(note_id)
        newest = None if note is None else versions.get(note.latest)
        if note is None or newest is None or note.deleted_at is not None:
            raise absent()
        if note.author_id != me:
            raise (
                Forbidden("note.not_yours", "This is somebody else's note.") if self.sees(actor, note_id) else absent()
            )
        return note, newest

    def _lock(self, tx: Write, note_id: str) -> tuple[Note, NoteVersion]:
        note = review.lock(tx, note_id)
        if note is None:
            raise absent()
        if note.removed:
            raise Conflict("note.removed", "A moderator has removed this note.")
        return note, review.newest(tx, note)

    # -- readers --------------------------------------------------------------------------------------------------

    def like(self, actor: Actor, note_id: str) -> Marks:
        """Like a note; twice is once."""
        return self._put(actor, note_id, "like")

    def unlike(self, actor: Actor, note_id: str) -> Marks:
        return self._take(actor, note_id, "like")

    def save(self, actor: Actor, note_id: str) -> Marks:
        """Keep a note to find it again; twice is once."""
        return self._put(actor, note_id, "save")

    def unsave(self, actor: Actor, note_id: str) -> Marks:
        return self._take(actor, note_id, "save")

    def mark(self, tx: Write, note_id: str, account_id: str, kind: marks.Mark) -> None:
        """Write a like or save inside a larger write. Raises `note.not_found` when the note is not published."""
        if not marks.put(tx, note_id, account_id, kind):
            raise absent()

    def _put(self, actor: Actor, note_id: str, kind: marks.Mark) -> Marks:
        me = actor.require_account()
        if not self.sees(actor, note_id):
            raise absent()

        def write(tx: Write) -> Marks:
            self.mark(tx, note_id, me, kind)
            return marks.marks_of(tx, note_id, me)

        return self.db.write(write)

    def _take(self, actor: Actor, note_id: str, kind: marks.Mark) -> Marks:
        """A mark is its giver's, also where the note is out of their sight; then the answer tells nothing of the note."""
        me, seen = actor.require_account(), self.sees(actor, note_id)

        def write(tx: Write) -> Marks:
            if not marks.take(tx, note_id, me, kind) and not seen:
                raise absent()
            found = marks.marks_of(tx, note_id, me)
            return found if seen else Marks(liked=found.liked, saved=found.saved)

        return self.db.write(write)

    def comments(self, viewer: Actor, note_id: str, cursor: str | None = None, limit: int = 20) -> CommentPage:
        """The comments under a note, newest first."""
        return self.book.page(viewer, note_id, cursor, limit)

    def comment(self, actor: Actor, note_id: str, form: CommentIn, key: str | None = None) -> Answer:
        """Comment on a note."""
        return self.book.write(actor, note_id, form, key)

    def delete_comment(self, actor: Actor, comment_id: str) -> None:
        """Delete one's own comment, or one under one's own note."""
        self.book.delete(actor, comment_id)

    def comment_contents(self, ids: Sequence[str]) -> dict[str, CommentContent]:
        """Comments for moderation, by id."""
        return self.book.contents(list(ids))

    def comment_to_judge(self, viewer: Actor, comment_id: str) -> CommentContent:
        """A comment that the viewer may see (staff: hidden too), else `comment.not_found`."""
        return self.book.to_judge(viewer, comment_id)

    def commented(self, session: Session, note_id: str, account_id: str) -> bool:
        """Whether an account has a comment under a note that everybody may read."""
        return self.book.said(session, note_id, account_id)

    # -- hooks, inside somebody else's write ----------------------------------------------------------------------

    def decide(
        self, tx: Write, note_id: str, version: int, verdict: Verdict, reason: str = "", overrule: bool = False
    ) -> bool:
        """A version's verdict; see `review.decide`. The product gate is asked once more before a version is served."""
        return review.decide(tx, note_id, version, verdict, reason, self._refusal, overrule)

    def overrule(self, tx: Write, note_id: str, version: int, verdict: Verdict, reason: str) -> bool:
        """A moderator's verdict, also against an earlier one. Raises `note.gate_refused` rather than publish what the
        product gate refuses."""
        return review.decide(tx, note_id, version, verdict, reason, self._refuse, overrule=True)

    def hide(self, tx: Write, note_id: str, reason: str = "") -> bool:
        """Out of sight for all but author and staff; False when it was so already."""
        return holds.hold(tx, note_id, "hidden", reason)

    def remove(self, tx: Write, note_id: str, reason: str = "") -> bool:
        """Out of sight, and closed to its author's edits; False when it was so already."""
        return holds.hold(tx, note_id, "removed", reason)

    def restore(self, tx: Write, note_id: str, kind: Hold | None = None) -> bool:
        """Undo `hide` (kind `hidden`), `remove` (kind `removed`) or both; False when nothing came back into sight."""
        return holds.restore(tx, note_id, *((kind,) if kind else ("hidden", "removed")))

    def undecide(self, tx: Write, note_id: str, version: int) -> bool:
        """Take a version's verdict back: it waits again; see `review.undecide`."""
        return review.undecide(tx, note_id, version)

    def screen_again(self, tx: Write, note_ids: Sequence[str]) -> int:
        """Have served notes screened again because something they carry has changed; how many."""
        return review.screen_again(tx, note_ids)

    def hold_comment(self, tx: Write, comment_id: str) -> bool:
        return self.book.hold(tx, comment_id)

    def hide_comment(self, tx: Write, comment_id: str) -> bool:
        return self.book.hide(tx, comment_id)

    def restore_comment(self, tx: Write, comment_id: str) -> bool:
        return self.book.restore(tx, comment_id)

    def _changed(self, tx: Write, author_id: str, old: NoteVersion, patch: NotePatch) -> Content:
        """The old version's content with the patch's changes, behind the gate."""
        named = patch.changes
        skus = patch.products if "products" in named else old.skus
        return Content(
            title=patch.title if "title" in named else old.title,
            text=patch.text if "text" in named else old.text,
            topics=patch.topics if "topics" in named else old.topics,
            pictures=pictures(tx.session, author_id, patch.images) if "images" in named else old.pictures,
            skus=list(skus),
            disclosure=self.gate.check(tx.session, author_id, skus, kept=old.skus),
        )

    def _refuse(self, tx: Write, version: NoteVersion, author_id: str) -> None:
        if (closed := self._refusal(tx, version, author_id)) is not None:
            detail = f"The product gate keeps it from being published: {closed.detail}"
            raise Conflict("note.gate_refused", detail, because=closed.code)

    def _refusal(self, tx: Write, version: NoteVersion, author_id: str) -> AppError | None:
        try:
            self.gate.check(tx.session, author_id, version.skus, kept=version.skus)
        except AppError as refused:
            return refused
        return None


def _answer(tx: Write, note_id: str, author: AccountRef, chips: dict[str, ProductChip]) -> dict[str, Any]:
    """What a command of the author answers, from the rows of its own write."""
    tx.session.flush()
    note = tx.session.get_one(Note, note_id)
    version = tx.session.scalars(select(NoteVersion).filter_by(note_id=note_id, n=note.latest)).one()
    shown = cards.full(note, version, author, chips, insider=True, mine=True, liked=False, saved=False)
    return shown.model_dump()
