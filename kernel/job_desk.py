"""What an operator does with jobs: look at them, try parked ones again, drop some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from kernel.clock import rfc3339
from kernel.db import Database, Instant, Write
from kernel.jobs import JobRow

Status = Literal["waiting", "parked"]


@dataclass(frozen=True)
class JobTally:
    """How many jobs of a name have a status, and the time of the one that is due first."""

    name: str
    status: str
    count: int
    first: datetime


def tally(session: Session) -> list[JobTally]:
    """The queue in one statement."""
    first = func.min(JobRow.run_at, type_=Instant)
    rows = session.execute(select(JobRow.name, JobRow.status, func.count(), first).group_by(JobRow.name, JobRow.status))
    return [JobTally(*row) for row in rows]


def overdue(session: Session, now: datetime) -> dict[str, datetime]:
    """Jobs that are due and that nobody holds: the time of the first, by name."""
    first = func.min(JobRow.run_at, type_=Instant)
    free = or_(JobRow.lease_until.is_(None), JobRow.lease_until < now)
    due = select(JobRow.name, first).where(JobRow.status == "waiting", JobRow.run_at <= now, free).group_by(JobRow.name)
    return {row.name: row[1] for row in session.execute(due)}


def listed(db: Database, status: Status | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """The jobs there are, in the order they run; `running` tells who holds one just now."""
    rows = select(JobRow).order_by(JobRow.run_at, JobRow.id).limit(limit)
    with db.read() as session:
        found = session.scalars(rows if status is None else rows.where(JobRow.status == status))
        return [_shown(row, db) for row in found]


def _shown(row: JobRow, db: Database) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "args": row.args,
        "status": row.status,
        "running": row.lease_until is not None and row.lease_until >= db.clock.now(),
        "run_at": rfc3339(row.run_at),
        "attempts": row.attempts,
        "error": row.error,
    }


def retry(db: Database, ids: Sequence[str]) -> int:
    """Parked jobs wait again, as if for the first time; how many."""

    def write(tx: Write) -> int:
        again = update(JobRow).where(JobRow.id.in_(ids), JobRow.status == "parked")
        changed = tx.session.execute(again.values(status="waiting", attempts=0, run_at=tx.now, error=None))
        return int(changed.rowcount)  # type: ignore[attr-defined]

    return db.write(write)


def drop(db: Database, ids: Sequence[str]) -> int:
    """Jobs that nobody holds are gone for good; how many."""

    def write(tx: Write) -> int:
        free = or_(JobRow.lease_until.is_(None), JobRow.lease_until < tx.now)
        return int(tx.session.execute(delete(JobRow).where(JobRow.id.in_(ids), free)).rowcount)  # type: ignore[attr-defined]

    return db.write(write)
