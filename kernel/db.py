"""The database as services see it: one way to write, one way to read, the same on every engine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy import JSON, DateTime, Dialect, MetaData, TypeDecorator, delete, func, literal, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Session

from kernel.errors import PreconditionFailed
from kernel.facts import Fact, Reactions
from kernel.ids import new_id
from kernel.ports import Clock

log = logging.getLogger("offshelf.db")
T = TypeVar("T")


class Base(DeclarativeBase):
    """All tables of all services, with constraint names that migrations can rely on."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Instant(TypeDecorator[datetime]):
    """An aware datetime in UTC. SQLite keeps no zone, so it stores naive UTC and the zone is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime has no place in the database")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = JSON().with_variant(JSONB(), "postgresql")


class Write:
    """What `fn` gets in `Database.write(fn)`: a session, the present, and a place to record what happened."""

    def __init__(
        self, session: Session, now: datetime, reactions: Reactions, job_table: Any, request: str | None = None
    ) -> None:
        self.session = session
        self.now = now
        self.facts: list[Fact] = []
        self.jobs: list[dict[str, Any]] = []
        self.request_id = request
        self._reactions = reactions
        self._job_table = job_table

    def record(self, fact: Fact) -> None:
        """State a fact. Its `within` reactions run at once, inside this commit; its `later` jobs become rows of it."""
        self.facts.append(fact)
        reaction = self._reactions.of(fact)
        for react in reaction.within:
            react(self, fact)
        for later in reaction.later:
            self.enqueue(later.job, later.args(fact))

    def enqueue(self, job: str, args: dict[str, Any], run_at: datetime | None = None) -> str:
        """Add a job row to this commit, to run at `run_at` (now when None), at least once; its id."""
        job_id = new_id("job", self.now)
        self.jobs.append(
            {
                "id": job_id,
                "name": job,
                "args": args,
                "run_at": run_at or self.now,
                "created_at": self.now,
                "attempts": 0,
                "status": "waiting",
                "request_id": self.request_id,
            }
        )
        return job_id

    def finish(self) -> None:
        """Flush the rows and the jobs; called by the engine before it commits."""
        if self.jobs:
            self.session.execute(self._job_table.insert(), self.jobs)
        self.session.flush()


class Database(Protocol):
    """The engine behind it is SQLite or PostgreSQL (`engines/sql.py`)."""

    reactions: Reactions
    clock: Clock
    on_jobs: Callable[[Sequence[Mapping[str, Any]]], None]

    def write(self, fn: Callable[[Write], T]) -> T:
        """Run `fn` in a transaction and return when its commit is durable.

        `fn` does its reads and writes without yielding and without other I/O. It may run on another greenlet
        (no request context) and, on PostgreSQL, more than once (after a deadlock). What it raises rolls its own work back,
        nobody else's. Facts are told after the commit.
        """
        ...

    def read(self) -> AbstractContextManager[Session]:
        """A read-only session on a snapshot. Inside a write it raises `RuntimeError`: ask `tx.session` there.

        It would take a second connection (writers that wait for each other's stand still) and miss what the write did.
        """
        ...

    def ping(self) -> None:
        """Raise `kernel.errors.Unavailable` when the engine does not answer."""
        ...

    def close(self) -> None: ...


def tell(facts: Sequence[Fact], reactions: Reactions) -> None:
    """Run the `now` reactions of committed facts. They may be lost, so a failing one is only logged."""
    for fact in facts:
        for react in reactions.of(fact).now:
            try:
                react(fact)
            except Exception:
                log.exception("reaction to %s failed", type(fact).__name__)


def insert_ignore(session: Session, table: Any, values: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> int:
    """INSERT .. ON CONFLICT DO NOTHING; the number of rows really inserted."""
    # RETURNING, because a driver may report -1 rows for an insert that skipped some.
    inserted = _insert(session)(table).values(values).on_conflict_do_nothing().returning(literal(1))
    return len(session.execute(inserted).all())


def insert_new(session: Session, table: Any, rows: Sequence[Mapping[str, Any]], column: str) -> set[Any]:
    """INSERT .. ON CONFLICT DO NOTHING of many rows; `column` of those really inserted."""
    if not rows:
        return set()
    inserted = _insert(session)(table).on_conflict_do_nothing().returning(table.c[column])
    return set(session.scalars(inserted, [dict(row) for row in rows]))


def alone(session: Session, name: str, *, shared: bool = False) -> None:
    """Let nobody else who names `name` write until this commit has ended; `shared` ones go side by side.

    SQLite runs one write after the other anyway; PostgreSQL takes an advisory lock.
    """
    if session.get_bind().dialect.name == "postgresql":
        lock = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
        session.execute(select(lock(func.hashtext(name))))


def upsert(
    session: Session, table: Any, values: Mapping[str, Any], key: Sequence[str], change: Mapping[str, Any]
) -> None:
    """INSERT .. ON CONFLICT (key) DO UPDATE SET change."""
    session.execute(
        _insert(session)(table).values(values).on_conflict_do_update(index_elements=list(key), set_=dict(change))
    )


def upsert_many(session: Session, table: Any, rows: Sequence[Mapping[str, Any]], key: Sequence[str]) -> None:
    """INSERT .. ON CONFLICT (key) DO UPDATE for many rows: each takes its own values. No key may come twice."""
    if not rows:
        return
    insert = _insert(session)(table)
    change = {name: insert.excluded[name] for name in rows[0] if name not in key}
    statement = insert.on_conflict_do_update(index_elements=list(key), set_=change)
    session.execute(statement, [dict(row) for row in rows])


def edit_version(session: Session, table: Any, id: str, if_match: str, values: Mapping[str, Any]) -> None:
    """Change the version of a row that the caller has seen. `PreconditionFailed` (`version.changed`) when it is another."""
    version = int(if_match) if if_match.isascii() and if_match.isdigit() and len(if_match) < 10 else -1
    mine = (table.c.id == id) & (table.c.version == version)
    if not session.execute(update(table).where(mine).values(**values, version=version + 1)).rowcount:  # type: ignore[attr-defined]
        current = session.scalar(select(table.c.version).where(table.c.id == id))
        raise PreconditionFailed("version.changed", "It was changed meanwhile; look at it again.", current=str(current))


def prune(db: Database, table: Any, *where: Any, batch: int = 500) -> None:
    """Delete the rows that match, by their primary key, a batch per commit, so that nobody waits for long."""
    columns = table.primary_key.columns

    def some(tx: Write) -> int:
        old = delete(table).where(tuple_(*columns).in_(select(*columns).where(*where).limit(batch)))
        return tx.session.execute(old).rowcount  # type: ignore[attr-defined,no-any-return]

    while db.write(some) == batch:
        pass


def _insert(session: Session) -> Any:
    return postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert


def in_chunks(ids: Sequence[T], size: int = 500) -> Iterator[Sequence[T]]:
    """Slices short enough for an IN list on every engine."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
