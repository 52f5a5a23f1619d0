"""Workers that die: forks of this process, each with a database of its own opened, each killed at a line or a moment of its own.

`python -m tests.e2e.mortal_workers URL AT_LINES AT_MOMENTS SEED TOGETHER` kills that many of each kind, lets the last ones live
until no job is left, and prints what each died of. A worker that ran out of jobs before its death came is followed by more jobs,
however fast the machine. Forking spares every life the imports.
"""

from __future__ import annotations

import json
import logging
import os
import random
import select
import signal
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from types import FrameType
from typing import Any

from sqlalchemy import Column, Integer, MetaData, Table, update
from sqlalchemy import select as sql_select

import engines.sql
import kernel.job_table
import kernel.jobs
from engines.sql import AnyDatabase, open_database
from kernel.clock import SystemClock
from kernel.db import Write, insert_ignore
from kernel.job_desk import listed, retry
from kernel.jobs import JobRow, Worker
from shop.jobs import handlers as shop_jobs
from shop.orders import OrderService

STEP, POISON, LAST_STEP = "test.step", "test.poison", 2
FILES = {module.__file__ for module in (kernel.jobs, kernel.job_table, engines.sql)}
SURVEYED, MORE, LONGEST, PATIENCE = 60, 200, 3.0, 120.0
MOMENT = "a moment"
tables = MetaData()
steps = Table("test_steps", tables, Column("n", Integer, primary_key=True), Column("step", Integer, primary_key=True))
tally = Table("test_tally", tables, Column("total", Integer))
Place = tuple[str, int]
Job = tuple[str, dict[str, int]]


class Flaky(Exception):
    """What a handler raises now and then, so that workers also die while they write down a failure."""


def main(url: str, at_lines: int, at_moments: int, seed: int, together: int) -> None:
    """Kill, then let live."""
    logging.disable()  # failures are part of it
    # A lease as short as a test's patience, and what is done forgotten in many small writes.
    kernel.job_table.LEASE = kernel.jobs.LEASE = timedelta(seconds=0.6)
    kernel.jobs.DONE_KEPT = 0.01
    rng = random.Random(seed)
    _enqueue(url, _first_steps(0))
    places = json.loads(Life(url, 0, survey=True).cause(PATIENCE))
    _enqueue(url, [(POISON, {}), *_first_steps(MORE)])
    asked = 2 * MORE
    rng.shuffle(places)
    causes: list[str] = []
    while (lines := at_lines - _at_lines(causes)) > 0 or causes.count(MOMENT) < at_moments:
        lives = []
        for _ in range(together):
            place = places.pop() if places and lines > 0 and rng.random() < 1 / 2 else None
            lives.append((Life(url, rng.getrandbits(32), place), LONGEST if place else rng.uniform(0, 0.05)))
        ended = [life.cause(patience) for life, patience in lives]
        causes += filter(None, ended)
        if "" in ended:  # no job was left for it to die at
            _enqueue(url, _first_steps(asked))
            asked += MORE
    retried = [0]
    while (cause := Life(url, rng.getrandbits(32)).cause(PATIENCE)) != "" or (again := _apart(url, _retry)):
        if cause:
            causes.append(cause)
        else:
            retried.append(again)
    print(json.dumps({"causes": causes, "asked": asked, "retried": sum(retried)}))


def _at_lines(causes: list[str]) -> int:
    return sum(".py:" in cause for cause in causes)


def _first_steps(n: int) -> list[Job]:
    return [(STEP, {"n": n, "step": 1}) for n in range(n, n + MORE)]


def _enqueue(url: str, jobs: list[Job]) -> None:
    _apart(url, lambda db: len(db.write(lambda tx: [tx.enqueue(name, args) for name, args in jobs])))


def _retry(db: AnyDatabase) -> int:
    """As an operator: what had the bad luck to be at hand when a worker was killed, eight times, is innocent."""
    return retry(db, [job["id"] for job in listed(db, "parked") if job["name"] != POISON])


def _apart(url: str, do: Callable[[AnyDatabase], int]) -> int:
    """What `do` gives, in a process of its own: what forks workers has no connection to share."""
    tells, told = os.pipe()
    child = os.fork()
    if child == 0:
        failed = 1
        try:
            db = open_database(url, SystemClock())
            os.write(told, str(do(db)).encode())
            db.close()
            failed = 0
        finally:
            os._exit(failed)
    os.close(told)
    assert os.waitpid(child, 0)[1] == 0
    with open(tells) as answer:
        return int(answer.read())


class Life:
    """A worker in a process of its own, which kills itself at `place`; `cause` waits for its end, or is it."""

    def __init__(self, url: str, seed: int, place: Place | None = None, survey: bool = False) -> None:
        self.tells, told = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _live(url, told, random.Random(seed), place, survey)
            finally:
                os._exit(0)
        os.close(told)
        assert os.read(self.tells, 1) == b"!", "it opened its database"

    def cause(self, patience: float | None) -> str:
        """What it died of; empty when it ended because no job was left. After `patience` seconds it is killed from here."""
        watch = os.pidfd_open(self.pid)
        ended = select.select([watch], [], [], patience)[0]
        if not ended:
            os.kill(self.pid, signal.SIGKILL)
        status = os.waitpid(self.pid, 0)[1]
        with open(self.tells) as tells:
            told = tells.read()
        os.close(watch)
        assert not os.WIFSIGNALED(status) or os.WTERMSIG(status) == signal.SIGKILL
        return told or (MOMENT if os.WIFSIGNALED(status) else "")


def _live(url: str, told: int, rng: random.Random, place: Place | None, survey: bool) -> None:
    db = open_database(url, SystemClock())
    worker = Worker(db, {}, batch=8)
    db.on_jobs = worker.wake
    die = Death(told)
    worker.handlers.update(_handlers(db, rng, die))
    if survey:
        threading.settrace(Survey(die, worker.handlers).trace)
    elif place:
        threading.settrace(Killer(die, place, rng.randint(1, 3)).trace)
    os.write(told, b"!")
    threading.Thread(target=_until_none_is_left, args=[db, worker], daemon=True).start()
    running = threading.Thread(target=worker.run_forever)
    running.start()
    running.join()


class Death:
    """SIGKILL to oneself, with a last word."""

    def __init__(self, told: int) -> None:
        self._told = told

    def __call__(self, cause: str) -> None:
        os.write(self._told, cause.encode())
        os.kill(os.getpid(), signal.SIGKILL)


class Killer:
    """Dies at the n-th pass of a line."""

    def __init__(self, die: Death, place: Place, passes: int) -> None:
        self.die, self.place, self.passes = die, tuple(place), passes

    def trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename != self.place[0]:
            return None
        if event == "line" and frame.f_lineno == self.place[1]:
            self.passes -= 1
            if self.passes == 0:
                self.die(f"{os.path.basename(self.place[0])}:{self.place[1]}")
        return self.trace


class Survey:
    """Notes every line that a worker's life passes; tells them when that many jobs were tried."""

    def __init__(self, die: Death, handlers: dict[str, Callable[[dict[str, Any]], None]]) -> None:
        self.places: set[Place] = set()
        self.die, self.tried = die, 0
        self.step, handlers[STEP] = handlers[STEP], self.count

    def count(self, args: dict[str, Any]) -> None:
        self.tried += 1
        if self.tried == SURVEYED:
            self.die(json.dumps(sorted(self.places)))
        self.step(args)

    def trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename not in FILES:
            return None
        if event == "line":
            self.places.add((frame.f_code.co_filename, frame.f_lineno))
        return self.trace


def _handlers(db: AnyDatabase, rng: random.Random, die: Death) -> dict[str, Callable[[dict[str, Any]], None]]:
    """What a product's handlers are like: one write each, which finds what is done already. The shop's are its own."""

    def step(args: dict[str, Any]) -> None:
        if rng.random() < 0.05:
            raise Flaky
        db.write(lambda tx: _step(tx, args["n"], args["step"]))

    orders: Any = OrderService(db, None, None)  # type: ignore[arg-type]
    return {STEP: step, POISON: lambda args: die(POISON), **shop_jobs(orders, None)}  # type: ignore[arg-type]


def _step(tx: Write, n: int, step: int) -> None:
    if not insert_ignore(tx.session, steps, {"n": n, "step": step}):
        return
    tx.session.execute(update(tally).values(total=tally.c.total + 1))
    if step < LAST_STEP:
        tx.enqueue(STEP, {"n": n, "step": step + 1}, tx.now + timedelta(milliseconds=50))


def _until_none_is_left(db: AnyDatabase, worker: Worker) -> None:
    left = sql_select(JobRow.id).where(JobRow.status == "waiting").limit(1)
    while True:
        with db.read() as session:
            if session.scalar(left) is None:
                return worker.stop()
        worker._stopping.wait(0.05)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:6]))
