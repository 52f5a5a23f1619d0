"""The life of a note inside a write: versions and verdicts.

A version goes draft -> in_review -> public | limited | rejected, and superseded when a later one takes its place. Every
function locks the note's row first, so what happens to one note happens one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import delete, select

from kernel.db import Write
from kernel.errors import AppError, Conflict, FieldError, Invalid, PreconditionFailed
from kernel.ids import new_id
from notes import uploads
from notes.facts import (
    NoteDeleted,
    NoteLimited,
    NoteProductsChanged,
    NotePublished,
    NoteRefused,
    NoteRejected,
    NoteSubmitted,
    NoteWritten,
)
from notes.models import Note, NoteProduct, NoteVersion, VersionPicture

Verdict = Literal["approve", "limit", "reject"]
_FACTS = {"public": NotePublished, "limited": NoteLimited, "rejected": NoteRejected}
_STATE = {"approve": "public", "limit": "limited", "reject": "rejected"}
_DECIDED = ("public", "limited", "rejected")


@dataclass(frozen=True)
class Content:
    """What an author writes; `pictures` as `NoteVersion` keeps them, `disclosure` from the product gate."""

    title: str = ""
    text: str = ""
    topics: Sequence[str] = ()
    pictures: Sequence[dict[str, Any]] = ()
    skus: Sequence[str] = ()
    disclosure: str | None = None

    @property
    def empty(self) -> bool:
        return not (self.title or self.text or self.pictures)


def content_of(version: NoteVersion) -> Content:
    return Content(version.title, version.text, version.topics, version.pictures, version.skus, version.disclosure)


def lock(tx: Write, note_id: str) -> Note | None:
    """The note's row, held until the commit; None when absent or deleted."""
    query = select(Note).where(Note.id == note_id, Note.deleted_at.is_(None))
    return tx.session.scalar(query.with_for_update().execution_options(populate_existing=True))


def newest(tx: Write, note: Note) -> NoteVersion:
    return tx.session.get_one(NoteVersion, (note.id, note.latest))


def create(tx: Write, author_id: str, content: Content) -> str:
    """A new draft; its id."""
    note = Note(
        id=new_id("note", tx.now), author_id=author_id, status="draft", latest=1, served=None, created_at=tx.now
    )
    tx.session.add(note)
    version = _add_version(tx, note, content, "draft")
    tx.session.flush()
    tx.record(NoteWritten(note.id, version.n, author_id))
    return note.id


def revise(tx: Write, note: Note, content: Content, *, by_author: bool = True) -> NoteVersion:
    """The next version. A draft, or one that was sent back, is a draft again; else it is in review at once, while the
    served version stays."""
    old = newest(tx, note)
    draft = note.served is None and old.state in ("draft", "rejected")
    note.latest += 1
    if old.state == "draft":
        tx.session.delete(old)
        uploads.release(tx, old.pictures, content.pictures)
    elif old.state == "in_review":
        old.was, old.state = old.state, "superseded"
    version = _add_version(tx, note, content, "draft")
    if list(old.skus) != list(content.skus):
        tx.record(NoteProductsChanged(note.id, note.author_id, tuple(content.skus)))
    _settle(note, version)
    if by_author:
        tx.record(NoteWritten(note.id, version.n, note.author_id))
    if not draft:
        submit(tx, note, version, by_author=by_author)
    return version


def submit(tx: Write, note: Note, version: NoteVersion, *, by_author: bool = True) -> None:
    """Hand a draft in. Raises `note.not_a_draft`, `note.empty`."""
    if version.state != "draft":
        raise Conflict("note.not_a_draft", f"The newest version is {version.state}.", state=version.state)
    if content_of(version).empty:
        error = FieldError("text", "note.empty", "write a title or a text, or add an image")
        raise Invalid("note.empty", "A note needs a title, a text or an image.", [error])
    version.state, version.submitted_at = "in_review", tx.now
    _settle(note, version)
    tx.record(NoteSubmitted(note.id, version.n, note.author_id, by_author))


def decide(
    tx: Write,
    note_id: str,
    n: int,
    verdict: Verdict,
    reason: str,
    refusal: Callable[[Write, NoteVersion, str], AppError | None],
    overrule: bool = False,
) -> bool:
    """Give a version its verdict; False when it no longer waits for one (newer version, deleted, already decided).

    `overrule` changes the verdict of a version that has one, unless a later version is served. `refusal` is the product
    gate, asked before a version is served: what it refuses is rejected, whatever the verdict.
    """
    note = lock(tx, note_id)
    version = None if note is None else tx.session.get(NoteVersion, (note_id, n), populate_existing=True)
    if note is None or version is None or not _open_to(note, version, overrule):
        return False
    if version.state == _STATE[verdict]:
        return False
    publishes = verdict != "reject" and note.served != n
    if publishes and version.skus and (closed := refusal(tx, version, note.author_id)) is not None:
        verdict, reason = "reject", closed.detail
        rejected = version.state == _STATE[verdict]
        if rejected and version.reason == reason:  # its author was told so
            return False
        tx.record(NoteRefused(note_id, note.author_id, n, reason))
        if rejected:
            version.reason = reason
            return False
    version.reason, version.decided_at = reason, tx.now
    _turn(tx, note, version, _STATE[verdict])
    return True


def undecide(tx: Write, note_id: str, n: int) -> bool:
    """Have a version wait for its verdict again, with nothing of what that did; False when a later version has made it
    meaningless."""
    note = lock(tx, note_id)
    version = None if note is None else tx.session.get(NoteVersion, (note_id, n), populate_existing=True)
    if note is None or version is None or version.state not in _DECIDED or n < (note.served or 0):
        return False
    served = note.served == n
    version.state, version.was = ("in_review" if n == note.latest else "superseded"), version.state
    before = _served_before(tx, note_id, n) if served else None
    if served:
        note.served, note.status = None, newest(tx, note).state
        _put_products(tx, note_id, ())
    if before is not None:
        _turn(tx, note, before, before.was)
    elif served:
        tx.record(NoteRejected(note_id, note.author_id, n))
    _settle(note, newest(tx, note))
    return True


def erase(tx: Write, note: Note) -> None:
    """The author's deletion."""
    note.deleted_at = tx.now
    tx.session.flush()
    tx.record(NoteDeleted(note.id, note.author_id))


def screen_again(tx: Write, note_ids: Sequence[str]) -> int:
    """Have notes screened again as they are, after a material change of what they carry: the same words become a version
    in review; how many. A note with a newer version under way is left alone: that one is judged with the listing as it is now.
    """
    again = 0
    for note_id in sorted(note_ids):
        note = lock(tx, note_id)
        if note is not None and note.served == note.latest:
            revise(tx, note, content_of(newest(tx, note)), by_author=False)
            again += 1
    return again


def changed(note: Note) -> PreconditionFailed:
    return PreconditionFailed("note.changed", "The note has a newer version.", version=note.latest)


def _open_to(note: Note, version: NoteVersion, overrule: bool) -> bool:
    if version.state == "in_review":
        return version.n == note.latest
    return overrule and version.state in _DECIDED and version.n >= (note.served or 0)


def _turn(tx: Write, note: Note, version: NoteVersion, state: str) -> None:
    """Give a version the state of a verdict and serve what is to be served from now on."""
    version.was, version.state = version.state, state
    if state == "rejected":
        _withdraw(tx, note, version)
    else:
        _serve(tx, note, version)
    _settle(note, newest(tx, note))
    tx.session.flush()
    tx.record(_FACTS[state](note.id, note.author_id, version.n))


def _served_before(tx: Write, note_id: str, n: int) -> NoteVersion | None:
    query = select(NoteVersion).where(
        NoteVersion.note_id == note_id,
        NoteVersion.n < n,
        NoteVersion.state == "superseded",
        NoteVersion.was.in_(("public", "limited")),
    )
    return tx.session.scalar(query.order_by(NoteVersion.n.desc()).limit(1))


def _serve(tx: Write, note: Note, version: NoteVersion) -> None:
    if note.served not in (None, version.n):
        before = tx.session.get_one(NoteVersion, (note.id, note.served))
        before.was, before.state = before.state, "superseded"
        note.edited_at = tx.now
    note.served, note.status = version.n, version.state
    note.published_at = note.published_at or tx.now
    _put_products(tx, note.id, version.skus)


def _withdraw(tx: Write, note: Note, version: NoteVersion) -> None:
    """A rejected version that was served leaves nothing served: the one before it may have the same fault."""
    if note.served == version.n:
        note.served, note.status = None, version.state
        _put_products(tx, note.id, ())


def _settle(note: Note, version: NoteVersion) -> None:
    """Keep `status` what it says it is while nothing is served; `version` is the newest."""
    if note.served is None:
        note.status = version.state


def _put_products(tx: Write, note_id: str, skus: Sequence[str]) -> None:
    tx.session.execute(delete(NoteProduct).where(NoteProduct.note_id == note_id))
    tx.session.add_all(NoteProduct(note_id=note_id, sku_id=sku_id) for sku_id in skus)


def _add_version(tx: Write, note: Note, content: Content, state: str) -> NoteVersion:
    version = NoteVersion(
        note_id=note.id,
        n=note.latest,
        title=content.title,
        text=content.text,
        topics=list(content.topics),
        pictures=list(content.pictures),
        skus=list(content.skus),
        disclosure=content.disclosure,
        state=state,
        created_at=tx.now,
    )
    tx.session.add(version)
    tx.session.flush()
    shown = {picture["media"] for picture in content.pictures}
    tx.session.add_all(VersionPicture(note_id=note.id, n=version.n, media_id=media_id) for media_id in shown)
    return version
