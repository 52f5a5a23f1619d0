"""Our queue and Procrastinate, as `bench.jobs` fills them and looks at them; what their workers do is in `bench.job_worker` and
`bench.job_other`. A job leaves a row, and nothing hides a second one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from procrastinate import App, SyncPsycopgConnector
from sqlalchemy import Column, Float, Integer, MetaData, Table, create_engine, select, text

from engines.sql import open_database
from kernel.clock import SystemClock
from kernel.jobs import JobRow

NAME = "bench.effect"
effects = Table("bench_effects", MetaData(), Column("n", Integer), Column("began", Float))


class Ours:
    """Jobs in `Database.write`, on either engine."""

    worker = "bench.job_worker"

    def __init__(self, url: str) -> None:
        self.url = url
        self.db = open_database(url, SystemClock())
        self.engine: Any = getattr(self.db, "engine", None) or self.db._writer  # type: ignore[union-attr]
        JobRow.metadata.create_all(self.engine, tables=[JobRow.metadata.tables["jobs"]])
        effects.create(self.engine)

    def add(self, numbers: Sequence[int]) -> None:
        """One write with a job for each."""
        self.db.write(lambda tx: [tx.enqueue(NAME, {"n": n}) for n in numbers])

    def plan(self, times: Mapping[int, float]) -> None:
        """Jobs with their times, in seconds since 1970."""
        self.db.write(lambda tx: [tx.enqueue(NAME, {"n": n}, _at(time)) for n, time in times.items()])

    def left(self) -> bool:
        """Whether a job waits or runs."""
        with self.db.read() as session:
            return session.scalar(select(JobRow.id).limit(1)) is not None

    def effects(self) -> list[tuple[int, float]]:
        """Number and beginning of each job that ran."""
        with self.db.read() as session:
            return [(n, began) for n, began in session.execute(select(effects.c.n, effects.c.began))]

    def close(self) -> None:
        self.db.close()


class Procrastinate:
    """The same jobs in the queue of that name, on the same PostgreSQL."""

    worker = "bench.job_other"

    def __init__(self, url: str) -> None:
        self.url = url
        self.app = App(connector=SyncPsycopgConnector(conninfo=url))
        self.app.open()
        self.app.schema_manager.apply_schema()
        self.engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
        effects.create(self.engine)

    def add(self, numbers: Sequence[int]) -> None:
        self.app.configure_task(NAME).batch_defer(*({"n": n} for n in numbers))

    def plan(self, times: Mapping[int, float]) -> None:
        for n, time in times.items():
            self.app.configure_task(NAME, schedule_at=_at(time)).defer(n=n)

    def left(self) -> bool:
        with self.engine.connect() as connection:
            return connection.scalar(text("SELECT 1 FROM procrastinate_jobs LIMIT 1")) is not None

    def effects(self) -> list[tuple[int, float]]:
        with self.engine.connect() as connection:
            return [(n, began) for n, began in connection.execute(select(effects.c.n, effects.c.began))]

    def close(self) -> None:
        self.app.close()
        self.engine.dispose()


def _at(time: float) -> datetime:
    return datetime.fromtimestamp(time, UTC)
