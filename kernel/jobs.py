"""Jobs: what must happen later, as rows of the write that asked for it; run at least once by a loop with leases."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from time import monotonic
from typing import Any, Literal

from sqlalchemy import ColumnElement, select

from kernel.context import working_on
from kernel.db import Database, Write, insert_ignore
from kernel.errors import Unavailable
from kernel.ids import new_id
from kernel.job_table import (
    DIED,
    LEASE,
    MAX_ATTEMPTS,
    Batch,
    Claimed,
    JobRow,
    back_off,
    claim,
    fail,
    forget,
    renew,
    settle,
)

__all__ = ["DIED", "LEASE", "MAX_ATTEMPTS", "POLL", "Batch", "Handler", "JobRow", "Worker", "back_off"]
log = logging.getLogger("offshelf.jobs")
Handler = Callable[[dict[str, Any]], None]
POLL = timedelta(seconds=0.5)  # how late a job may be seen that another process wrote
DONE_KEPT = 0.25
"""Seconds of work that may be done and still in the table when a job begins: after a kill it is done again."""


@dataclass
class Lane:
    """One loop of a worker. What takes long has lanes of its own, and so have what has its time and what failed and is tried
    again: neither a slow job nor a thousand prompt or faulty ones keep an order from being closed."""

    kind: Literal["timed", "prompt", "slow", "again"]
    slow: set[str]
    wake: threading.Event = field(default_factory=threading.Event)
    resting: bool = False

    def rest(self, seconds: float) -> None:
        """Until woken, at most so long."""
        self.resting = True
        self.wake.wait(seconds)
        self.resting = False

    @property
    def takes(self) -> ColumnElement[bool]:
        """The jobs of this lane, as SQL."""
        if self.kind == "slow":
            return JobRow.name.in_(self.slow)
        later = JobRow.run_at > JobRow.created_at
        of_kind = {
            "timed": later & (JobRow.attempts == 0),
            "again": later & (JobRow.attempts > 0),
            "prompt": JobRow.run_at <= JobRow.created_at,
        }
        return JobRow.name.not_in(self.slow) & of_kind[self.kind]

    def is_for(self, job: Mapping[str, Any]) -> bool:
        """The same, for a row that was just written."""
        if job["name"] in self.slow:
            return self.kind == "slow"
        return self.kind == ("timed" if job["run_at"] > job["created_at"] else "prompt")


class Worker:
    """Claims due jobs and runs them. `handlers` maps a job's name to what does it; `slow` names those that take long, of which
    `threads` run at once, beside `hands` prompt ones, one that had to wait for its time, and one that is tried again. What the database guarantees is in `kernel.job_table`."""

    def __init__(
        self, db: Database, handlers: dict[str, Handler], batch: int = 32, threads: int = 1, hands: int = 4
    ) -> None:
        self.db = db
        self.handlers = handlers
        self.slow: set[str] = set()
        self.batch = batch
        self.id = new_id("worker", db.clock.now())
        kinds: list[Any] = ["timed", "again", *["prompt"] * hands, *["slow"] * threads]
        self._lanes = [Lane(kind, self.slow) for kind in kinds]
        self._claims = count(1)
        self._quarantine = threading.Lock()
        self._stopping, self._ended = threading.Event(), threading.Event()
        self._held: dict[str, Batch] = {}
        self._stranded: dict[str, Batch] = {}
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

    def plan_again(self) -> None:
        """Plan whatever repeats and has no row any more."""
        with self.db.read() as session:
            planned = set(session.scalars(select(JobRow.name).where(JobRow.name.in_(self._repeated)).distinct()))
        for name in self._repeated.keys() - planned:
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

    def wake(self, jobs: Sequence[Mapping[str, Any]]) -> None:
        """Say which job rows a commit wrote, after it: those due before anybody would look are begun at once."""
        soon = self.db.clock.now() + POLL
        for job in jobs:
            for lane in self._lanes if job["run_at"] <= soon else ():
                if lane.is_for(job):
                    enough = lane.resting and not lane.wake.is_set()
                    lane.wake.set()
                    if enough:
                        break  # one that rests is called for each job; who is at work looks again by itself

    def stop(self) -> None:
        """Finish the jobs at hand, give back the others, and end `run_forever`."""
        self._stopping.set()
        for lane in self._lanes:
            lane.wake.set()

    def run_forever(self) -> None:
        """Run due jobs in each lane until `stop`, and what is at hand then to its end."""
        self._ended.clear()
        keeper = threading.Thread(target=self._keep, name="leases", daemon=True)
        keeper.start()
        timed, *others = self._lanes
        threads = [
            threading.Thread(target=self._run_lane, args=[lane], name=f"{lane.kind} jobs", daemon=True)
            for lane in others
        ]
        try:
            for thread in threads:
                thread.start()
            self._run_lane(timed)
            for thread in threads:
                thread.join()
        finally:
            self._ended.set()
            keeper.join()  # whoever closes the database next closes it under nobody

    def _run_lane(self, lane: Lane) -> None:
        """Run due jobs, then wait for a wake-up or for the next one's time (at most `POLL`: others write too)."""
        while not self._stopping.is_set():
            lane.wake.clear()
            try:
                if not self.run_due(lane):
                    lane.rest(self._seconds_to_next(lane))
            except Exception as error:
                log.error("the job loop stumbled: %s", error, exc_info=not isinstance(error, Unavailable))
                lane.rest(1)

    def run_until_idle(self) -> int:
        """Run everything due now, and what that causes; how many jobs ran. For loading and for tests."""
        total = 0
        while ran := self.run_due():
            total += ran
        return total

    def run_due(self, lane: Lane | None = None) -> int:
        """Claim one batch of due jobs, of one lane or of all, and run it; how many there were."""
        for stranded in list(self._stranded.values()):
            self.db.write(lambda tx, stranded=stranded: settle(tx, stranded))  # type: ignore[misc]
            self._stranded.pop(stranded.holder, None)
        batch = self.claim(lane)
        claimed = len(batch.waiting)
        try:
            if claimed:
                self._run_all(batch)
        except Exception:  # the database was gone in the middle: once it is back, nobody waits for these leases
            self._stranded[batch.holder] = batch
            raise
        finally:
            del self._held[batch.holder]
            if batch.suspect:
                self._quarantine.release()
        return claimed

    def claim(self, lane: Lane | None = None) -> Batch:
        """Lease what is due: jobs that nobody has tried, or one that was tried. One suspect at a time: when the process dies
        again, what died beside it before has no part in that."""
        holder = f"{self.id}.{next(self._claims)}"
        takes = None if lane is None else lane.takes
        limit = 1 if lane is not None and lane.kind == "slow" else self.batch  # no slow job waits behind another
        batch, suspects = None, self._quarantine.acquire(blocking=False)
        try:
            batch = self.db.write(lambda tx: claim(tx, holder, takes, limit, self._repeated, suspects))
        finally:
            if suspects and not (batch and batch.suspect):
                self._quarantine.release()
        self._held[holder] = batch
        return batch

    def _run_all(self, batch: Batch) -> None:
        kept_since = monotonic()
        while batch.waiting and batch.lasts(self.db.clock.now()) and not self._stopping.is_set():
            job = batch.at_hand = batch.waiting.popleft()
            if self._run(batch, job):
                batch.done.append(job.id)
            batch.at_hand = None
            if batch.waiting and monotonic() - kept_since > DONE_KEPT:
                self.db.write(lambda tx: forget(tx, batch))
                batch.done, kept_since = [], monotonic()
        self.db.write(lambda tx: settle(tx, batch))

    def _run(self, batch: Batch, job: Claimed) -> bool:
        """Whether the job is done; what failed is planned again or parked."""
        with working_on(f"{job.name} {job.id}", job.request_id):
            try:
                self.handlers[job.name](job.args)
            except Exception as error:
                trace = not isinstance(error, Unavailable)  # an engine that is away says all in its sentence
                log.warning("job %s %s failed (attempt %s): %s", job.name, job.id, job.attempts, error, exc_info=trace)
                self.db.write(lambda tx, error=error: fail(tx, batch, job, error, self._repeated))  # type: ignore[misc]
                return False
        return True

    def _keep(self) -> None:
        """Renew the leases while jobs are at hand, also of one that is ended after `stop`: what takes long is not begun by
        somebody else too. And plan what repeats, should an operator have dropped its next run."""
        while not self._ended.wait(LEASE.total_seconds() / 3):
            try:
                self.renew()
                self.plan_again()
            except Exception:
                log.exception("leases were not renewed")

    def renew(self) -> None:
        """Lease for another while what this worker has claimed and not ended."""
        if held := list(self._held.values()):
            now = self.db.write(lambda tx: renew(tx, [batch.holder for batch in held]))
            for batch in held:
                batch.renewed(now)

    def _seconds_to_next(self, lane: Lane) -> float:
        """Until a free job of the lane is due. Who waits for another's lease looks again after `POLL`, like everybody."""
        now = self.db.clock.now()
        due = select(JobRow.run_at).where(JobRow.status == "waiting", JobRow.run_at <= now + POLL, lane.takes)
        due = due.where(JobRow.lease_until.is_(None)).order_by(JobRow.run_at).limit(1)
        with self.db.read() as session:
            next_at = session.scalar(due)
        return POLL.total_seconds() if next_at is None else max(0.0, (next_at - now).total_seconds()) + 0.001
