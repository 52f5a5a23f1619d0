"""Jobs: what must happen later, as rows of the write that asked for it; run at least once by a loop with leases."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Index, Integer, String, Text, Update, case, func, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from kernel.context import request_id
from kernel.db import Base, Database, Instant, Json, Write, insert_ignore
from kernel.ids import new_id

log = logging.getLogger("offshelf.jobs")
Handler = Callable[[dict[str, Any]], None]
LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 8


class JobRow(Base):
    """`waiting` until claimed by a lease; deleted when done; `parked` with its error after the last attempt."""

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_due", "status", "run_at"),)

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


@dataclass(frozen=True)
class Claimed:
    """A job this worker holds a lease on."""

    id: str
    name: str
    args: dict[str, Any]
    attempts: int
    request_id: str | None


class Worker:
    """Claims due jobs and runs them. `handlers` maps a job's name to what does it."""

    def __init__(self, db: Database, handlers: dict[str, Handler], batch: int = 32) -> None:
        self.db = db
        self.handlers = handlers
        self.batch = batch
        self.id = new_id("worker", db.clock.now())
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._busy = False
        self._repeated: dict[str, timedelta] = {}

    def repeat(self, name: str, every: timedelta, fn: Callable[[], object]) -> None:
        """Run `fn` once per `every`, in one worker of all; `start_repeating` plans the first run. Never parked."""
        self._repeated[name] = every

        def run(args: dict[str, Any]) -> None:
            fn()
            self.db.write(lambda tx: self._plan(tx, name))

        self.handlers[name] = run

    def start_repeating(self) -> None:
        """Plan the next run of everything that repeats; where one is planned already, nothing changes."""
        for name in self._repeated:
            self.db.write(lambda tx, name=name: self._plan(tx, name))  # type: ignore[misc]

    def _plan(self, tx: Write, name: str) -> None:
        # The slot is the id, so however many workers plan it, it is one row.
        every = self._repeated[name].total_seconds()
        slot = int(tx.now.timestamp() // every) + 1
        row = {
            "id": f"every_{name}_{slot}"[:48],
            "name": name,
            "args": {},
            "status": "waiting",
            "run_at": datetime.fromtimestamp(slot * every, tx.now.tzinfo),
            "attempts": 0,
            "created_at": tx.now,
        }
        insert_ignore(tx.session, JobRow.__table__, row)

    def wake(self) -> None:
        """Say that a job may be due; called after each commit that wrote one."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the job at hand and end `run_forever`."""
        self._stopping.set()
        self._wake.set()

    def run_forever(self) -> None:
        """Run due jobs, then wait for a wake-up or for the next one's time (at most a second: others write too)."""
        threading.Thread(target=self._keep, name="leases", daemon=True).start()
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                if not self.run_due():
                    self._wake.wait(self._seconds_to_next())
            except Exception:
                log.exception("the job loop stumbled")
                self._wake.wait(1)

    def run_due(self) -> int:
        """Claim one batch of due jobs and run it; how many there were."""
        claimed = self.db.write(self._claim)
        self._busy = bool(claimed)
        for job in claimed:
            if self._stopping.is_set():
                self.db.write(self._release)
                break
            self._run(job)
        self._busy = False
        return len(claimed)

    def run_until_idle(self) -> int:
        """Run everything due now, and what that causes; how many jobs ran. For loading and for tests."""
        total = 0
        while count := self.run_due():
            total += count
        return total

    def _claim(self, tx: Write) -> list[Claimed]:
        free = or_(JobRow.lease_until.is_(None), JobRow.lease_until < tx.now)
        due = select(JobRow.id).where(JobRow.status == "waiting", JobRow.run_at <= tx.now, free)
        due = due.order_by(JobRow.run_at, JobRow.id).limit(self.batch).with_for_update(skip_locked=True)
        ids = list(tx.session.scalars(due))
        if not ids:
            return []
        lease = {"lease_until": tx.now + LEASE, "worker": self.id, "attempts": JobRow.attempts + 1}
        tx.session.execute(
            update(JobRow).where(JobRow.id.in_(ids)).values(lease).execution_options(synchronize_session=False)
        )
        rows = tx.session.scalars(select(JobRow).where(JobRow.id.in_(ids)).order_by(JobRow.run_at, JobRow.id))
        return [Claimed(row.id, row.name, row.args, row.attempts, row.request_id) for row in rows]

    def _keep(self) -> None:
        """Renew the leases while jobs are at hand, so that one that takes long is not begun by somebody else too."""
        while not self._stopping.wait(LEASE.total_seconds() / 3):
            try:
                if self._busy:
                    self.db.write(self._renew)
            except Exception:
                log.exception("leases were not renewed")

    def _renew(self, tx: Write) -> None:
        tx.session.execute(self._mine().values(lease_until=tx.now + LEASE))

    def _release(self, tx: Write) -> None:
        """What was claimed and not begun waits for nobody's lease."""
        tx.session.execute(self._mine().values(lease_until=None, attempts=JobRow.attempts - 1))

    def _mine(self) -> Update:
        held = (JobRow.worker == self.id, JobRow.status == "waiting", JobRow.lease_until.is_not(None))
        return update(JobRow).where(*held).execution_options(synchronize_session=False)

    def _run(self, job: Claimed) -> None:
        token = request_id.set(job.request_id)
        try:
            self.handlers[job.name](job.args)
        except Exception as error:
            log.warning("job %s %s failed (attempt %s): %s", job.name, job.id, job.attempts, error, exc_info=True)
            self.db.write(lambda tx, error=error: self._fail(tx, job, error))  # type: ignore[misc]
        else:
            self.db.write(lambda tx: tx.session.execute(JobRow.__table__.delete().where(JobRow.id == job.id)))  # type: ignore[attr-defined]
        finally:
            request_id.reset(token)

    def _fail(self, tx: Write, job: Claimed, error: Exception) -> None:
        values: dict[str, Any] = {"lease_until": None, "error": f"{type(error).__name__}: {error}"[:2000]}
        if job.attempts >= MAX_ATTEMPTS and job.name not in self._repeated:
            values["status"] = "parked"
        else:
            values["run_at"] = tx.now + back_off(job.attempts)
        tx.session.execute(update(JobRow).where(JobRow.id == job.id, JobRow.worker == self.id).values(values))

    def _seconds_to_next(self) -> float:
        now = self.db.clock.now()
        free_at = case((JobRow.lease_until > JobRow.run_at, JobRow.lease_until), else_=JobRow.run_at)
        with self.db.read() as session:
            next_at = session.scalar(select(func.min(free_at, type_=Instant)).where(JobRow.status == "waiting"))
        return 1.0 if next_at is None else min(1.0, max(0.0, (next_at - now).total_seconds()) + 0.001)


def back_off(attempts: int) -> timedelta:
    """1 s doubled per attempt up to 5 min, with a jitter of half, so that failed jobs do not return together."""
    seconds = min(300.0, 2.0 ** (attempts - 1))
    return timedelta(seconds=seconds * random.uniform(0.5, 1))


def parked(db: Database) -> list[dict[str, Any]]:
    """The jobs that gave up, with their errors."""
    with db.read() as session:
        rows = session.scalars(select(JobRow).where(JobRow.status == "parked").order_by(JobRow.id))
        return [
            {"id": row.id, "name": row.name, "args": row.args, "attempts": row.attempts, "error": row.error}
            for row in rows
        ]
