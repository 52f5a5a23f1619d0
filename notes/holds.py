"""What moderation does to a whole note inside a write, whatever its versions: out of sight, and back."""

from __future__ import annotations

from typing import Literal

from kernel.db import Write
from notes.facts import NoteHidden, NoteRemoved, NoteRestored
from notes.review import lock

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
