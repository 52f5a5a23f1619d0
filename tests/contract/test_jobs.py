"""Jobs on every database: at least once, never two at a time, back-off, parking, repeating."""

from __future__ import annotations

import statistics
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from engines.sql import open_database
from kernel.clock import SystemClock
from kernel.db import Write
from kernel.errors import Unavailable
from kernel.job_desk import drop, listed, retry
from kernel.job_table import settle
from kernel.jobs import DIED, LEASE, MAX_ATTEMPTS, POLL, JobRow, Worker, back_off
from tests.house import House

pytestmark = pytest.mark.engine("sqlite")
TIMED = 6


class Broken(Exception):
    """A handler that cannot."""


def enqueue(house: House, name: str = "test.job", **args: Any) -> None:
    house.engines.db.write(lambda tx: tx.enqueue(name, args))


def rows(house: House, name: str = "test.job") -> int:
    with house.engines.db.read() as session:
        return session.scalar(select(func.count()).select_from(JobRow).where(JobRow.name == name)) or 0


def test_a_job_runs_and_is_gone(any_house: House) -> None:
    seen: list[Any] = []
    any_house.services.worker.handlers["test.job"] = seen.append
    enqueue(any_house, n=1)
    any_house.jobs()
    assert seen == [{"n": 1}]
    assert rows(any_house) == 0


def test_a_refused_write_leaves_no_job(any_house: House) -> None:
    def fail(tx: Any) -> None:
        tx.enqueue("test.job", {})
        raise Broken

    with pytest.raises(Broken):
        any_house.engines.db.write(fail)
    assert rows(any_house) == 0


def test_a_timed_job_waits_for_its_time(any_house: House) -> None:
    seen: list[Any] = []
    any_house.services.worker.handlers["test.job"] = seen.append
    any_house.engines.db.write(lambda tx: tx.enqueue("test.job", {}, tx.now + timedelta(seconds=5)))
    any_house.jobs()
    assert seen == []
    any_house.clock.advance(seconds=5)
    any_house.jobs()
    assert seen == [{}]


def test_a_failing_job_backs_off_and_is_parked_with_its_error(any_house: House) -> None:
    attempts: list[Any] = []

    def broken(args: dict[str, Any]) -> None:
        attempts.append(args)
        raise Broken("no")

    any_house.services.worker.handlers["test.job"] = broken
    enqueue(any_house)
    for _ in range(MAX_ATTEMPTS + 3):
        any_house.jobs()
        any_house.clock.advance(minutes=6)
    assert len(attempts) == MAX_ATTEMPTS
    assert listed(any_house.engines.db, "parked")[0]["error"] == "Broken: no"


def test_what_a_dead_worker_had_claimed_runs_again_after_its_lease(any_house: House) -> None:
    seen: list[Any] = []
    any_house.services.worker.handlers["test.job"] = seen.append
    enqueue(any_house)
    dead = Worker(any_house.engines.db, {})
    assert len(dead.claim().waiting) == 1
    any_house.jobs()
    assert seen == []
    any_house.clock.advance(seconds=LEASE.total_seconds() + 1)
    any_house.jobs()
    assert seen == [{}]


def test_what_repeats_is_planned_once_however_often(any_house: House) -> None:
    runs: list[int] = []
    first, second = any_house.services.worker, Worker(any_house.engines.db, {})
    for worker in (first, second):
        worker.repeat("test.job", timedelta(minutes=5), lambda: runs.append(1))
        worker.start_repeating()
    assert rows(any_house) == 1
    for _ in range(3):
        any_house.clock.advance(minutes=5)
        first.run_until_idle()
        second.run_until_idle()
    assert len(runs) == 3
    assert rows(any_house) == 1


def test_the_back_off_grows_and_ends() -> None:
    assert max(back_off(1) for _ in range(50)) <= timedelta(seconds=1)
    assert back_off(5_000) <= timedelta(seconds=300)  # what repeats is never parked
    late = [back_off(50) for _ in range(200)]
    assert timedelta(seconds=250) < max(late) <= timedelta(seconds=300)
    assert timedelta() <= min(late) < timedelta(seconds=50)


def test_a_job_that_takes_long_stays_with_its_worker(any_house: House) -> None:
    enqueue(any_house)
    slow, other = (Worker(any_house.engines.db, {}) for _ in range(2))
    assert len(slow.claim().waiting) == 1
    for _ in range(3):
        any_house.clock.advance(seconds=40)
        slow.renew()
        assert not other.claim().waiting


def test_who_waits_for_anothers_lease_does_not_spin(any_house: House) -> None:
    enqueue(any_house)
    Worker(any_house.engines.db, {}).claim()
    worker = any_house.services.worker
    assert {worker._seconds_to_next(lane) for lane in worker._lanes} == {POLL.total_seconds()}


def test_a_worker_that_stops_gives_back_what_it_has_not_begun(any_house: House) -> None:
    seen: list[int] = []
    first = Worker(any_house.engines.db, {"test.job": lambda args: first.stop()})
    second = Worker(any_house.engines.db, {"test.job": lambda args: seen.append(args["n"])})
    enqueue(any_house, n=1)
    enqueue(any_house, n=2)
    first.run_due()
    second.run_due()
    assert len(seen) == 1
    assert rows(any_house) == 0


def test_what_repeats_outlives_a_long_outage(any_house: House) -> None:
    runs: list[int] = []
    away = [True]

    def run() -> None:
        if away[0]:
            raise Broken("away")
        runs.append(1)

    worker = any_house.services.worker
    worker.repeat("test.job", timedelta(minutes=5), run)
    worker.start_repeating()
    for _ in range(MAX_ATTEMPTS + 4):
        any_house.clock.advance(minutes=6)
        worker.run_until_idle()
    away[0] = False
    for _ in range(3):
        any_house.clock.advance(minutes=6)
        worker.run_until_idle()
    assert len(runs) == 3
    assert listed(any_house.engines.db, "parked") == []


def test_what_failed_is_tried_again_beside_what_has_its_time(any_house: House) -> None:
    """Retries have their time, too; in one lane with timed jobs, thousands of faulty ones kept orders from being closed."""
    ran: list[str] = []

    def faulty(args: dict[str, Any]) -> None:
        ran.append("faulty")
        raise Broken

    worker = Worker(any_house.engines.db, {"test.faulty": faulty, "test.close": lambda args: ran.append("close")})
    lanes = {lane.kind: lane for lane in worker._lanes}
    for _ in range(3):
        enqueue(any_house, "test.faulty")
    worker.run_until_idle()
    any_house.engines.db.write(lambda tx: tx.enqueue("test.close", {}, tx.now + timedelta(seconds=2)))
    any_house.clock.advance(seconds=2)
    ran.clear()
    assert worker.run_due(lanes["timed"]) == 1
    assert ran == ["close"]
    while worker.run_due(lanes["again"]):
        pass
    assert ran == ["close", "faulty", "faulty", "faulty"]


def test_what_repeats_is_planned_again_when_its_next_run_was_dropped(any_house: House) -> None:
    worker = any_house.services.worker
    worker.repeat("test.job", timedelta(minutes=5), lambda: None)
    worker.start_repeating()
    (planned,) = [job["id"] for job in listed(any_house.engines.db) if job["name"] == "test.job"]
    assert drop(any_house.engines.db, [planned]) == 1
    worker.plan_again()
    worker.plan_again()
    assert rows(any_house) == 1


def test_the_lease_is_kept_while_a_stopping_worker_ends_its_job(
    any_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild may take longer than a lease; after SIGTERM another worker began it beside the first."""
    monkeypatch.setattr("kernel.jobs.LEASE", timedelta(milliseconds=30))
    begun, go_on, renewed = threading.Event(), threading.Event(), threading.Semaphore(0)

    def slow(args: dict[str, Any]) -> None:
        begun.set()
        assert go_on.wait(20)

    worker = Worker(any_house.engines.db, {"test.job": slow})
    monkeypatch.setattr(worker, "renew", renewed.release)
    enqueue(any_house)
    thread = threading.Thread(target=worker.run_forever, daemon=True)
    thread.start()
    assert begun.wait(20)
    worker.stop()
    while renewed.acquire(blocking=False):
        pass
    assert all(renewed.acquire(timeout=20) for _ in range(3))
    go_on.set()
    thread.join(20)
    assert not thread.is_alive()
    left = {one.name for one in threading.enumerate()}
    assert "leases" not in left, "it would read from a database that is closed next"
    assert rows(any_house) == 0


class Killed(BaseException):
    """What no handler survives, as a fault of the process would be."""


def test_a_job_that_takes_the_process_down_is_parked_and_takes_no_other_along(any_house: House) -> None:
    seen: list[Any] = []

    def deadly(args: dict[str, Any]) -> None:
        raise Killed

    enqueue(any_house, "test.deadly")
    enqueue(any_house, "test.job", n=1)
    for _ in range(MAX_ATTEMPTS):
        process = Worker(any_house.engines.db, {"test.deadly": deadly, "test.job": seen.append})
        with pytest.raises(Killed):
            process.run_due()
        any_house.clock.advance(seconds=LEASE.total_seconds() + 1)
    last = Worker(any_house.engines.db, {"test.deadly": deadly, "test.job": seen.append})
    last.run_until_idle()
    (found,) = listed(any_house.engines.db, "parked")
    assert (found["name"], found["error"], found["attempts"]) == ("test.deadly", DIED, MAX_ATTEMPTS)
    assert seen == [{"n": 1}]


def test_what_died_together_twice_is_tried_apart(any_house: House) -> None:
    db = any_house.engines.db
    for n in range(2):
        enqueue(any_house, n=n)
    for _ in range(2):
        dead = Worker(db, {}, batch=1)
        assert [len(dead.claim().waiting) for _ in range(2)] == [1, 1]
        any_house.clock.advance(seconds=LEASE.total_seconds() + 1)
    worker = Worker(db, {})
    assert [len(worker.claim().waiting) for _ in range(2)] == [1, 0]
    assert len(Worker(db, {}).claim().waiting) == 1


def test_a_timed_job_runs_while_a_thousand_slow_ones_wait(any_house: House) -> None:
    db = any_house.engines.db
    go_on, closed, begun = threading.Event(), threading.Event(), threading.Event()

    def index(args: dict[str, Any]) -> None:
        begun.set()
        assert go_on.wait(60)

    worker = Worker(db, {"test.slow": index, "test.timed": lambda args: closed.set()}, threads=2)
    worker.slow.add("test.slow")
    db.write(lambda tx: [tx.enqueue("test.slow", {"n": n}) for n in range(1000)])
    running = threading.Thread(target=worker.run_forever)
    running.start()
    try:
        assert begun.wait(60)
        db.write(lambda tx: tx.enqueue("test.timed", {}, tx.now + timedelta(seconds=5)))
        any_house.clock.advance(seconds=5)
        assert closed.wait(60)
        assert rows(any_house, "test.slow") == 1000
    finally:
        worker.stop()
        go_on.set()
        running.join(60)
    assert not running.is_alive()
    assert rows(any_house, "test.slow") >= 996
    with db.read() as session:
        held = select(func.count()).select_from(JobRow).where(JobRow.lease_until.is_not(None))
        assert session.scalar(held) == 0


def test_timed_jobs_start_within_a_second_of_their_time_whoever_wrote_them_and_whatever_waits(any_house: House) -> None:
    ours, others = (open_database(any_house.settings.sql_url, SystemClock()) for _ in range(2))
    go_on, all_ran, late = threading.Event(), threading.Event(), list[float]()

    def timed(args: dict[str, Any]) -> None:
        late.append(time.time() - args["due"])
        if len(late) == 2 * TIMED:
            all_ran.set()

    handlers = {name: lambda args: assert_set(go_on) for name in ("test.prompt", "test.slow")}
    worker = Worker(ours, {"test.timed": timed, **handlers})
    worker.slow.add("test.slow")
    ours.on_jobs = worker.wake  # of what `others` writes nobody is told, as when it is another process
    ours.write(lambda tx: [tx.enqueue(name, {}) for name in handlers for _ in range(200)])
    running = threading.Thread(target=worker.run_forever)
    running.start()
    try:
        for db in (ours, others):
            db.write(enqueue_timed)
        assert all_ran.wait(60)
    finally:
        worker.stop()
        go_on.set()
        running.join(60)
        ours.close()
        others.close()
    assert min(late) >= 0
    assert statistics.median(late) < 1, "half of them: the machine that runs this may be busy with something else"


def enqueue_timed(tx: Write) -> None:
    for n in range(TIMED):
        due = tx.now + timedelta(seconds=0.2 + 0.2 * n)
        tx.enqueue("test.timed", {"due": due.timestamp()}, due)


def assert_set(event: threading.Event) -> None:
    assert event.wait(60)


def park(house: House, name: str) -> str:
    enqueue(house, name)

    def broken(args: dict[str, Any]) -> None:
        raise Broken("no")

    worker = Worker(house.engines.db, {name: broken})
    for _ in range(MAX_ATTEMPTS):
        worker.run_due()
        house.clock.advance(minutes=6)
    return next(job["id"] for job in listed(house.engines.db, "parked") if job["name"] == name)


def test_a_parked_job_is_retried_from_its_first_attempt(any_house: House) -> None:
    seen: list[Any] = []
    db, parked_id = any_house.engines.db, park(any_house, "test.job")
    assert retry(db, [parked_id, "job_nothing"]) == 1
    assert retry(db, [parked_id]) == 0, "it waits already"
    (job,) = listed(db)
    assert (job["status"], job["attempts"], job["error"]) == ("waiting", 0, None)
    Worker(db, {"test.job": seen.append}).run_until_idle()
    assert (seen, rows(any_house)) == ([{}], 0)


def test_what_runs_is_not_dropped_and_what_is_dropped_does_not_run(any_house: House) -> None:
    db, seen = any_house.engines.db, list[Any]()
    enqueue(any_house)
    worker = Worker(db, {"test.job": seen.append})
    held = worker.claim()
    (job,) = listed(db)
    assert job["running"]
    assert drop(db, [job["id"]]) == 0
    db.write(lambda tx: settle(tx, held))
    assert drop(db, [job["id"]]) == 1
    worker.run_until_idle()
    assert (seen, listed(db)) == ([], [])


def test_a_job_somebody_else_took_over_is_not_begun(any_house: House) -> None:
    db, seen = any_house.engines.db, list[Any]()
    enqueue(any_house)
    slow, other = Worker(db, {"test.job": seen.append}), Worker(db, {})
    claimed = slow.claim()
    any_house.clock.advance(seconds=LEASE.total_seconds() + 1)
    assert len(other.claim().waiting) == 1
    slow._run_all(claimed)
    assert seen == []
    assert rows(any_house) == 1


def test_a_job_whose_engine_is_away_is_never_parked_and_returns_soon(any_house: House) -> None:
    tries: list[Any] = []

    def away(args: dict[str, Any]) -> None:
        tries.append(args)
        if len(tries) < 3 * MAX_ATTEMPTS:
            raise Unavailable("index.unavailable", "The search index does not answer.")

    any_house.services.worker.handlers["test.job"] = away
    enqueue(any_house)
    for _ in range(3 * MAX_ATTEMPTS):
        any_house.jobs()
        any_house.clock.advance(seconds=16)
    assert (len(tries), rows(any_house)) == (3 * MAX_ATTEMPTS, 0)
