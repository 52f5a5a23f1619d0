"""Where a purchase may have come from, asked of those who show things."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from feed import shown_to
from kernel.actor import Actor
from live import Selling
from notes import NoteService
from shop import Exposed


class ServiceOrigins:
    """Answers shop's `Origins` port from the services above it."""

    def __init__(self, notes: NoteService, selling: Selling) -> None:
        self.notes = notes
        self.selling = selling

    def note_carries(self, session: Session, viewer_id: str, note_id: str, sku_ids: Sequence[str]) -> bool | None:
        return self.notes.carries(session, viewer_id, note_id, sku_ids)

    def room_carries(self, session: Session, viewer_id: str, room_id: str, sku_ids: Sequence[str]) -> bool | None:
        return self.selling.carries(session, viewer_id, room_id, sku_ids)

    def exposed(self, session: Session, actor: Actor, exposure_id: str) -> Exposed | None:
        shown = shown_to(session, actor, exposure_id)
        return None if shown is None else Exposed(*shown)
