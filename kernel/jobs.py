"""Jobs: what must happen later, as rows of the write that asked for it; run at least once by a loop with leases."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Index, Integer, String, Text, Update, case, delete, func, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from kernel.context import working_on
from kernel.db import Base, Database, Instant, Json, Write, insert_ignore
from kernel.errors import Unavailable
from kernel.ids import new_id

log = logging.getLogger("offshelf.jobs")
Handler = Callable[[dict[str, Any]], None]
LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 8
AWAY_ATTEMPTS = 5  # as many are counted while an engine is away, so that a job returns at most 16 s after it
DIED = "The process died while running it."


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
    """A job this worker holds a lease on; `attempts` counts the one that comes."""

    id: str
    name: str
    args: dict[str, Any]
    attempts: int
    request_id: str | None


class Lane:
    """One loop of a worker: the jobs that take long, or all others, so that what has its time never waits behind them."""

    def __init__(self, slow: set[str], takes_slow: bool) -> None:
        self._slow, self._takes_slow = slow, takes_slow
        self.wake = threading.Event()

    @property
    def takes(self) -> ColumnElement[bool]:
        return JobRow.name.in_(self._slow) if self._takes_slow else JobRow.name.not_in(self._slow)


class Worker:
    """Claims due jobs and runs them. `handlers` maps a job's name to what does it; `slow` names those that take long,
    of which `threads` run at once beside the lane of all others."""

    def __init__(self, db: Database, handlers: dict[str, Handler], batch: int = 32, threads: int = 1) -> None:
        self.db = db
        self.handlers = handlers
        self.slow: set[str] = set()
        self.batch = batch
        self.id = new_id("worker", db.clock.now())
        self._lanes = [Lane(self.slow, takes_slow=number > 0) for number in range(1 + threads)]
        self._stopping = threading.Event()
        self._held = 0
        self._stranded: list[Claimed] = []
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
        for lane in self._lanes:
            lane.wake.set()

    def stop(self) -> None:
        """Finish the jobs at hand and end `run_forever`."""
        self._stopping.set()
        self.wake()

    def run_forever(self) -> None:
        """Run due jobs in each lane until `stop`."""
        threading.Thread(target=self._keep, name="leases", daemon=True).start()
        timed, *slow = self._lanes
        threads = [threading.Thread(target=self._run_lane, args=[lane], name="slow jobs", daemon=True) for lane in slow]
        for thread in threads:
            thread.start()
        self._run_lane(timed)
        for thread in threads:
            thread.join()

    def _run_lane(self, lane: Lane) -> None:
        """Run due jobs, then wait for a wake-up or for the next one's time (at most a second: others write too)."""
        while not self._stopping.is_set():
            lane.wake.clear()
            try:
                if not self.run_due(lane):
                    lane.wake.wait(self._seconds_to_next(lane))
            except Exception as error:
                log.error("the job loop stumbled: %s", error, exc_info=not isinstance(error, Unavailable))
                lane.wake.wait(1)

    def run_due(self, lane: Lane | None = None) -> int:
        """Claim one batch of due jobs, of one lane or of all, and run it; how many there were."""
        if stranded := self._stranded:
            self.db.write(lambda tx: self._release(tx, stranded))
            self._stranded = self._stranded[len(stranded) :]
        claimed = self.db.write(lambda tx: self._claim(tx, lane))
        self._held += len(claimed)
        try:
            self._run_all(claimed)
        except Exception:  # the database was gone in the middle: once it is back, nobody waits for these leases
            self._stranded = self._stranded + claimed
            raise
        finally:
            self._held -= len(claimed)
        return len(claimed)

    def _run_all(self, claimed: list[Claimed]) -> None:
        done: list[str] = []
        for number, job in enumerate(claimed):
            if self._stopping.is_set():
                self.db.write(lambda tx, left=claimed[number:]: self._release(tx, left))  # type: ignore[misc]
                break
            if self.db.write(lambda tx, job=job, done=tuple(done): self._begin(tx, job, done)):  # type: ignore[misc]
                done = [job.id] if self._run(job) else []
            else:
                done = []
        if done:
            self.db.write(lambda tx: self._delete(tx, done))

    def run_until_idle(self) -> int:
        """Run everything due now, and what that causes; how many jobs ran. For loading and for tests."""
        total = 0
        while count := self.run_due():
            total += count
        return total

    def _claim(self, tx: Write, lane: Lane | None = None) -> list[Claimed]:
        free = or_(JobRow.lease_until.is_(None), JobRow.lease_until < tx.now)
        due = select(JobRow.id).where(JobRow.status == "waiting", JobRow.run_at <= tx.now, free)
        due = due if lane is None else due.where(lane.takes)
        due = due.order_by(JobRow.run_at, JobRow.id).limit(self.batch).with_for_update(skip_locked=True)
        ids = list(tx.session.scalars(due))
        if not ids:
            return []
        lease = {"lease_until": tx.now + LEASE, "worker": self.id}
        tx.session.execute(
            update(JobRow).where(JobRow.id.in_(ids)).values(lease).execution_options(synchronize_session=False)
        )
        rows = tx.session.scalars(select(JobRow).where(JobRow.id.in_(ids)).order_by(JobRow.run_at, JobRow.id))
        return [
            Claimed(row.id, row.name, row.args, row.attempts + 1, row.request_id)
            for row in rows
            if not self._spent(row)
        ]

    def _spent(self, row: JobRow) -> bool:
        """Park what nobody was left to park: its last attempt took the process with it."""
        if row.attempts < MAX_ATTEMPTS or row.name in self._repeated:
            return False
        row.status, row.error, row.lease_until = "parked", DIED, None
        return True

    def _begin(self, tx: Write, job: Claimed, done: Sequence[str]) -> bool:
        """Delete what is done and count this attempt before it is made; False when the job is no longer this worker's."""
        self._delete(tx, done)
        begun = self._mine([job.id]).values(attempts=job.attempts)
        return bool(tx.session.execute(begun).rowcount)  # type: ignore[attr-defined]

    def _delete(self, tx: Write, done: Sequence[str]) -> None:
        if done:
            tx.session.execute(delete(JobRow).where(JobRow.id.in_(done), JobRow.worker == self.id))

    def _keep(self) -> None:
        """Renew the leases while jobs are at hand, so that one that takes long is not begun by somebody else too."""
        while not self._stopping.wait(LEASE.total_seconds() / 3):
            try:
                if self._held:
                    self.db.write(self._renew)
            except Exception:
                log.exception("leases were not renewed")

    def _renew(self, tx: Write) -> None:
        tx.session.execute(self._mine().values(lease_until=tx.now + LEASE))

    def _release(self, tx: Write, left: list[Claimed]) -> None:
        """What was claimed and not begun waits for nobody's lease."""
        tx.session.execute(self._mine([job.id for job in left]).values(lease_until=None))

    def _mine(self, ids: Sequence[str] | None = None) -> Update:
        held = [JobRow.worker == self.id, JobRow.status == "waiting", JobRow.lease_until.is_not(None)]
        if ids is not None:
            held.append(JobRow.id.in_(ids))
        return update(JobRow).where(*held).execution_options(synchronize_session=False)

    def _run(self, job: Claimed) -> bool:
        """Whether the job is done; what failed is planned again or parked."""
        with working_on(f"{job.name} {job.id}", job.request_id):
            try:
                self.handlers[job.name](job.args)
            except Exception as error:
                trace = not isinstance(error, Unavailable)  # an engine that is away says all in its sentence
                log.warning("job %s %s failed (attempt %s): %s", job.name, job.id, job.attempts, error, exc_info=trace)
                self.db.write(lambda tx, error=error: self._fail(tx, job, error))  # type: ignore[misc]
                return False
        return True

    def _fail(self, tx: Write, job: Claimed, error: Exception) -> None:
        values: dict[str, Any] = {"lease_until": None, "error": f"{type(error).__name__}: {error}"[:2000]}
        if isinstance(error, Unavailable):
            # An engine that is away is no fault of the job: it is tried until the engine is back, soon enough after that.
            values["attempts"] = min(job.attempts, AWAY_ATTEMPTS)
            values["run_at"] = tx.now + back_off(values["attempts"])
        elif job.attempts >= MAX_ATTEMPTS and job.name not in self._repeated:
            values["status"] = "parked"
        else:
            values["run_at"] = tx.now + back_off(job.attempts)
        tx.session.execute(update(JobRow).where(JobRow.id == job.id, JobRow.worker == self.id).values(values))

    def _seconds_to_next(self, lane: Lane | None = None) -> float:
        now = self.db.clock.now()
        free_at = case((JobRow.lease_until > JobRow.run_at, JobRow.lease_until), else_=JobRow.run_at)
        first = select(func.min(free_at, type_=Instant)).where(JobRow.status == "waiting")
        with self.db.read() as session:
            next_at = session.scalar(first if lane is None else first.where(lane.takes))
        return 1.0 if next_at is None else min(1.0, max(0.0, (next_at - now).total_seconds()) + 0.001)


def back_off(attempts: int) -> timedelta:
    """Up to 1 s, doubled per attempt up to 5 min, anywhere in between: failed jobs do not return together (full jitter)."""
    return timedelta(seconds=min(300.0, 2.0 ** (attempts - 1)) * random.random())
