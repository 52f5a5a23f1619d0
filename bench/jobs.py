"""`make bench-jobs`: durable jobs on SQLite in one process and on PostgreSQL with two workers, beside Procrastinate with two workers
on the same PostgreSQL, taking turns.

Jobs wait when the workers begin, and a few with their times fall due while they are at it. None may be missing, double or left.
"""

from __future__ import annotations

import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

from bench.job_queues import Ours, Procrastinate
from bench.record import medians, ratio, write

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SIZES = {"small": 3_000, "full": 30_000}
TIMED, FIRST, EVERY = 100, 0.3, 0.015  # how many, and the seconds until the first and from one to the next
JOBS_A_WRITE = 4
PATIENCE = 300.0
URL = "OFFSHELF_TEST_POSTGRES_URL"
Queue = Ours | Procrastinate


def main() -> int:
    """Run, print, record; 1 when a target is missed, 2 without a PostgreSQL. A job that is missing or double raises."""
    server = os.environ.get(URL)
    if not server:
        print(f"{URL} names no PostgreSQL; set it to one (postgresql://USER@HOST/DATABASE).", file=sys.stderr)
        return 2
    size = SIZES[os.environ.get("SIZE", "small")]
    runs: dict[str, list[dict[str, float]]] = {"embedded": [], "postgresql": [], "procrastinate": []}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder, closing(Ours(f"sqlite:///{Path(folder) / 'jobs.db'}")) as queue:
            runs["embedded"].append(_run(queue, size, workers=1))
        for name, kind in (("postgresql", Ours), ("procrastinate", Procrastinate)):
            with _schema(server) as url, closing(kind(url)) as queue:
                runs[name].append(_run(queue, size, workers=2))
    figures = _figures(runs) | {"jobs": float(size), "load_average": round(os.getloadavg()[0], 1)}
    targets = {
        "embedded_per_second": (">=", 500.0),
        "postgresql_per_second": (">=", 1500.0),
        "embedded_late_max_ms": ("<=", 1000.0),
        "postgresql_late_max_ms": ("<=", 1000.0),
        "postgresql_to_procrastinate": (">=", 1.0),
    }
    return write("jobs", ROUNDS, figures, targets, ["sqlalchemy", "psycopg", "gevent", "procrastinate"])


def _run(queue: Queue, size: int, workers: int) -> dict[str, float]:
    """One round on a fresh queue: how many jobs a second, and how many ms after their times the timed ones began."""
    for first in range(0, size, JOBS_A_WRITE):
        queue.add(range(first, first + JOBS_A_WRITE))
    with _workers(queue, workers) as processes:
        began_at = time.time()
        due = {size + n: began_at + FIRST + n * EVERY for n in range(TIMED)}
        queue.plan(due)
        _tell(processes, "go\n")
        _until_none_is_left(queue)
        seconds = sum(float(process.communicate(timeout=60)[0]) for process in processes)
    rows = queue.effects()
    if sorted(n for n, _ in rows) != list(range(size + TIMED)):
        raise AssertionError(f"{size + TIMED} jobs left {len(rows)} effects, {len(dict(rows))} of them different")
    late = sorted(1000 * (began - due[n]) for n, began in rows if n in due)
    return {
        "per_second": size / (max(began for n, began in rows if n not in due) - began_at),
        "cpu_ms_a_job": 1000 * seconds / (size + TIMED),
        "late_p50_ms": statistics.median(late),
        "late_p99_ms": late[int(0.99 * len(late)) - 1],
        "late_max_ms": late[-1],
    }


def _until_none_is_left(queue: Queue) -> None:
    until = time.monotonic() + PATIENCE
    while queue.left():
        if time.monotonic() > until:
            raise TimeoutError(f"jobs are left after {PATIENCE:g} s")
        time.sleep(0.05)


@contextmanager
def _workers(queue: Queue, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    command = [sys.executable, "-m", queue.worker, queue.url]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _tell(processes: list[subprocess.Popen[str]], line: str) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(line)
        process.stdin.flush()


def _figures(runs: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    names = [f"postgresql_to_procrastinate{end}" for end in ("", "_min", "_max")]
    return medians(runs) | dict(zip(names, ratio(runs, "per_second", of="postgresql", to="procrastinate"), strict=True))


@contextmanager
def _schema(server: str) -> Iterator[str]:
    """A schema of its own in that PostgreSQL, as a URL; dropped afterwards."""
    name = f"bench_{secrets.token_hex(6)}"
    engine = create_engine(server.replace("postgresql://", "postgresql+psycopg://", 1), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
        try:
            yield f"{server}?options=-csearch_path%3D{name}"
        finally:
            connection.execute(text(f"DROP SCHEMA {name} CASCADE"))


if __name__ == "__main__":
    sys.exit(main())
