"""What moderation does to a whole note inside a write, whatever its versions: out of sight, back, products off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import delete

from kernel.db import Write
from notes.facts import NoteHidden, NoteProductsChanged, NoteRemoved, NoteRestored
from notes.models import NoteProduct, NoteVersion
from notes.review import lock, newest

Hold = Literal["hidden", "removed"]


def hold(tx: Write, note_id: str, kind: Hold, reason: str) -> bool:
    """Take a note out of sight; False when it was so already."""
    note = lock(tx, note_id)
    if note is None or getattr(note, kind):
        return False
    setattr(note, kind, True)
    note.hold_reason = reason
    tx.session.flush()
    tx.record((NoteHidden if kind == "hidden" else NoteRemoved)(note.id, note.author_id))
    return True


def restore(tx: Write, note_id: str, *kinds: Hold) -> bool:
    """Undo these kinds of `hold`; False when the note is held by another still, or was held by none."""
    note = lock(tx, note_id)
    if note is None or not any(getattr(note, kind) for kind in kinds):
        return False
    for kind in kinds:
        setattr(note, kind, False)
    if note.hold:
        return False
    note.hold_reason = ""
    tx.session.flush()
    tx.record(NoteRestored(note.id, note.author_id))
    return True


def unlink(tx: Write, note_id: str, sku_ids: Sequence[str]) -> bool:
    """Take product cards out of the served and the newest version, at once; the words need no new verdict for it.
    False when none was there."""
    note = lock(tx, note_id)
    touched = False
    for n in set() if note is None else {note.served, note.latest} - {None}:
        version = tx.session.get_one(NoteVersion, (note_id, n), populate_existing=True)
        if not set(sku_ids).isdisjoint(version.skus):
            version.skus = [sku_id for sku_id in version.skus if sku_id not in sku_ids]
            touched = True
    if note is None or not touched:
        return False
    tx.session.execute(delete(NoteProduct).where(NoteProduct.note_id == note_id, NoteProduct.sku_id.in_(list(sku_ids))))
    tx.session.flush()
    tx.record(NoteProductsChanged(note.id, note.author_id, tuple(newest(tx, note).skus)))
    return True
