"""What an operator asks of the notes' tables."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from notes.models import Note
from notes.reading import OPEN


def findable(session: Session) -> int:
    """How many notes search should find."""
    return session.scalar(select(func.count()).where(Note.status.in_(("public", "limited")), OPEN)) or 0
