"""The job table, and what a worker does to it; each function is part of one write.

What holds, whatever dies when: a job written in a commit runs at least once after it. Its attempt is counted before its handler
is called. While its lease lasts, and it is renewed while the process lives, nobody else calls its handler. It leaves the table
only when its handler has returned or an operator drops it, and is parked after its last attempt. When a process is killed, what
it was at, and what it did in the quarter of a second before that, runs again; so handlers are idempotent: each does its work in one
write that finds it done the second time.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Index, Integer, Row, String, Text, delete, or_, select, text, true, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.db import Base, Instant, Json, Write
from kernel.errors import Unavailable

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 8
SUSPECT = 2  # attempts after which a job that a dead process left is run with no other such beside it
AWAY_ATTEMPTS = 5  # as many are counted while an engine is away, so that a job returns at most 16 s after it
DIED = "The process died while running it."
_TIMED = text("run_at > created_at")


class JobRow(Base):
    """`waiting` until claimed by a lease; deleted when done; `parked` with its error after the last attempt."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_due", "status", "run_at"),
        Index("ix_jobs_timed", "status", "run_at", sqlite_where=_TIMED, postgresql_where=_TIMED),
    )

    id: Mapped[str] = mapped_column(String(48), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    args: Mapped[dict[str, Any]] = mapped_column(Json)
    status: Mapped[str] = mapped_column(String(16), default="waiting")
    run_at: Mapped[datetime] = mapped_column(Instant)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    lease_until: Mapped[datetime | None] = mapped_column(Instant)
    worker: Mapped[str | None] = mapped_column(String(48))
    error: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Instant)


_JOBS: Any = JobRow.__table__


@dataclass(frozen=True)
class Claimed:
    """A job under a lease; `attempts` counts the one that comes."""

    id: str
    name: str
    args: dict[str, Any]
    attempts: int
    request_id: str | None


@dataclass(eq=False)
class Batch:
    """Jobs claimed in one write. `holder` is this claim's alone: no other, be it the same worker's, is taken for it."""

    holder: str
    leased_at: datetime
    waiting: deque[Claimed] = field(default_factory=deque)
    suspect: bool = False
    at_hand: Claimed | None = None
    done: list[str] = field(default_factory=list)

    def lasts(self, now: datetime) -> bool:
        """Whether the lease is surely this batch's: more than half of it is left."""
        return now < self.leased_at + LEASE / 2

    def renewed(self, now: datetime) -> None:
        """A lease that had run out stays so: somebody may have taken over what waits."""
        if now < self.leased_at + LEASE:
            self.leased_at = now


def claim(
    tx: Write,
    holder: str,
    takes: ColumnElement[bool] | None,
    limit: int,
    endless: Collection[str],
    suspects: bool = True,
) -> Batch:
    """Lease up to `limit` jobs that are due and count the attempt of each. `takes` narrows which; `endless` names never park;
    without `suspects`, those of which a process seems to have died wait."""
    left = JobRow.lease_until < tx.now
    free = or_(JobRow.lease_until.is_(None), left if suspects else left & (JobRow.attempts < SUSPECT))
    due = select(*(_JOBS.c[name] for name in ("id", "name", "args", "attempts", "request_id", "lease_until")))
    due = due.where(JobRow.status == "waiting", JobRow.run_at <= tx.now, free, true() if takes is None else takes)
    due = due.order_by(JobRow.run_at, JobRow.id).limit(limit).with_for_update(skip_locked=True)
    while rows := tx.session.execute(due).all():
        spent = [row.id for row in rows if row.attempts >= MAX_ATTEMPTS and row.name not in endless]
        _change(tx.session, spent, status="parked", error=DIED, lease_until=None)
        if chosen := _together([row for row in rows if row.id not in spent]):
            lease = {"worker": holder, "lease_until": tx.now + LEASE, "attempts": JobRow.attempts + 1}
            _change(tx.session, [row.id for row in chosen], **lease)
            claimed = (Claimed(row.id, row.name, row.args, row.attempts + 1, row.request_id) for row in chosen)
            suspect = chosen[0].lease_until is not None and chosen[0].attempts >= SUSPECT
            return Batch(holder, tx.now, deque(claimed), suspect)
    return Batch(holder, tx.now)


def _together(rows: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    """Those that nobody has tried, or one that was tried, alone: then what takes its process down each time counts for itself,
    and whoever was claimed beside it has lost one attempt."""
    if rows and rows[0].attempts:
        return rows[:1]
    return [row for row in rows if not row.attempts]


def forget(tx: Write, batch: Batch) -> None:
    """Delete what is done."""
    if batch.done:
        tx.session.execute(delete(_JOBS).where(_JOBS.c.id.in_(batch.done), _JOBS.c.worker == batch.holder))


def settle(tx: Write, batch: Batch) -> None:
    """End a claim: what is done is deleted, and the rest waits for nobody's lease, with its attempt uncounted unless begun."""
    forget(tx, batch)
    mine = (JobRow.worker == batch.holder) & JobRow.lease_until.is_not(None)
    left = [job.id for job in batch.waiting]
    _change(tx.session, left, mine, lease_until=None, attempts=JobRow.attempts - 1)
    _change(tx.session, [batch.at_hand.id] if batch.at_hand else [], mine, lease_until=None)


def renew(tx: Write, holders: Iterable[str]) -> datetime:
    """Lease for another while what these hold; the time it counts from."""
    held = JobRow.worker.in_(holders) & JobRow.lease_until.is_not(None) & (JobRow.status == "waiting")
    tx.session.execute(update(_JOBS).where(held).values(lease_until=tx.now + LEASE))
    return tx.now


def fail(tx: Write, batch: Batch, job: Claimed, error: Exception, endless: Collection[str]) -> None:
    """Plan a job again, or park it after its last attempt."""
    values: dict[str, Any] = {"lease_until": None, "error": f"{type(error).__name__}: {error}"[:2000]}
    if isinstance(error, Unavailable):
        # An engine that is away is no fault of the job: it is tried until the engine is back, soon enough after that.
        values["attempts"] = min(job.attempts, AWAY_ATTEMPTS)
        values["run_at"] = tx.now + back_off(values["attempts"])
    elif job.attempts >= MAX_ATTEMPTS and job.name not in endless:
        values["status"] = "parked"
    else:
        values["run_at"] = tx.now + back_off(job.attempts)
    _change(tx.session, [job.id], JobRow.worker == batch.holder, **values)


def back_off(attempts: int) -> timedelta:
    """Up to 1 s, doubled per attempt up to 5 min, anywhere in between: failed jobs do not return together (full jitter)."""
    return timedelta(seconds=min(300.0, 2.0 ** min(attempts - 1, 9)) * random.random())


def _change(session: Session, ids: Sequence[str], *where: ColumnElement[bool], **values: Any) -> None:
    if ids:
        session.execute(update(_JOBS).where(_JOBS.c.id.in_(ids), *where).values(values))
