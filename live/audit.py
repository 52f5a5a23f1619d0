"""What an operator asks of the rooms' tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kernel.db import Instant, in_chunks
from live.listing import on_air
from live.models import OutboxRow, Room


def broadcasting(session: Session) -> int:
    """How many rooms are on air."""
    return session.scalar(select(func.count()).select_from(Room).where(on_air())) or 0


def outbox_waiting(session: Session) -> tuple[int, datetime | None]:
    """How many events have no number yet, and the time of the oldest."""
    count, oldest = session.execute(select(func.count(), func.min(OutboxRow.at, type_=Instant))).one()
    return count, oldest


def known_rooms(session: Session, ids: Sequence[str]) -> set[str]:
    """Which of these are rooms."""
    return {room for some in in_chunks(ids) for room in session.scalars(select(Room.id).where(Room.id.in_(some)))}
