"""The database: SQLite with group commit, or PostgreSQL; `Database.write` is the same on both."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, RootTransaction, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from engines.disk import full, no_room
from engines.offloop import OwnThreads
from engines.pg_connection import CONNECT, bound
from kernel.context import request_id
from kernel.db import Write, tell
from kernel.errors import SettingError, Unavailable
from kernel.facts import Reactions
from kernel.jobs import JobRow
from kernel.ports import Clock

log = logging.getLogger("offshelf.sql")
T = TypeVar("T")
MAX_GROUP = 64
_commits = OwnThreads(1)  # one writes at a time; it waits for no picture, password or encoder


class _Here(threading.local):
    """Whether this thread (or greenlet) is inside the `fn` of a write."""

    writing = False


_here = _Here()


class _Pending(Generic[T]):
    """A write that waits for its turn in a group."""

    def __init__(self, fn: Callable[[Write], T]) -> None:
        self.fn = fn
        self.request_id = request_id.get()  # the group may run on somebody else's greenlet
        self.done = False
        self.told = threading.Event()  # it is done, or has the next turn
        self.value: T | None = None
        self.error: BaseException | None = None
        self.write: Write | None = None

    def result(self) -> T:
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


class SqliteDatabase:
    """SQLite in WAL with `synchronous=FULL`. One connection writes; whoever gets its turn runs all waiting writes,
    a savepoint each, and commits them with one fsync off the event loop (group commit)."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.clock = clock
        self.reactions = Reactions()
        self.on_jobs: Callable[[Sequence[Mapping[str, Any]]], None] = lambda jobs: None
        self._writer = _sqlite_engine(url, pool_size=1, read_only=False)
        self._readers = _sqlite_engine(url, pool_size=8, read_only=True)
        self._turn = threading.Lock()
        self._pending: deque[_Pending[Any]] = deque()

    def write(self, fn: Callable[[Write], T]) -> T:
        _refuse_nested()
        pending = _Pending(fn)
        self._pending.append(pending)
        try:
            while not pending.done:
                self._take_part(pending)
        finally:
            self._hand_on(pending)
        if pending.write is not None and pending.error is None:
            _after_commit(self, pending.write)
        return pending.result()

    def _hand_on(self, pending: _Pending[Any]) -> None:
        """Give the next turn to whoever waits longest. Who is killed while waiting leaves the queue: what they wanted is not
        done, and a turn given to them would wake nobody."""
        if not pending.done:
            with suppress(ValueError):
                self._pending.remove(pending)
        with suppress(IndexError):
            self._pending[0].told.set()

    def _take_part(self, pending: _Pending[Any]) -> None:
        """Run a group, or be told when somebody else has: whoever waited for the turn itself would wait for as long as another
        writes without a pause, though its own write is done."""
        pending.told.clear()
        if self._turn.acquire(blocking=False):
            try:
                if not pending.done:
                    self._run_group()
            finally:
                self._turn.release()
        elif not pending.done:
            pending.told.wait()

    def _run_group(self) -> None:
        group = self._next_group()
        durable: list[bool] = []
        try:
            with self._writer.connect() as connection:
                transaction = connection.begin()
                for pending in group:
                    self._run_one(connection, pending)
                _commits(_commit, transaction, durable)
        except (DBAPIError, PoolTimeout) as error:
            _fail(group, _unavailable(error))
        except Exception as error:
            _fail(group, error)
        except BaseException as error:
            # Whoever is killed while it has the turn takes nobody along: the others' writes stand, or fail by name.
            if not durable:
                _fail(group, _unavailable(error))
            raise
        finally:
            for pending in group:
                pending.done = True
                pending.told.set()

    def _next_group(self) -> list[_Pending[Any]]:
        group: list[_Pending[Any]] = []
        with suppress(IndexError):  # fewer than that, or somebody left the queue this moment
            while len(group) < MAX_GROUP:
                group.append(self._pending.popleft())
        return group

    def _run_one(self, connection: Connection, pending: _Pending[Any]) -> None:
        with Session(
            connection, join_transaction_mode="create_savepoint", autoflush=True, expire_on_commit=False
        ) as session:
            try:
                pending.write = Write(session, self.clock.now(), self.reactions, JobRow.__table__, pending.request_id)
                pending.value = _call(pending.fn, pending.write)
                pending.write.finish()
                session.commit()
            except Exception as error:
                session.rollback()
                pending.error = full() if no_room(getattr(error, "orig", error)) else error

    @contextmanager
    def read(self) -> Iterator[Session]:
        _refuse_read_inside()
        try:
            with Session(self._readers, expire_on_commit=False) as session:
                yield session
        except PoolTimeout as error:
            raise _unavailable(error) from error

    def ping(self) -> None:
        try:
            with self.read() as session:
                session.execute(text("SELECT 1"))
        except DBAPIError as error:
            raise _unavailable(error) from error

    def close(self) -> None:
        self._writer.dispose()
        self._readers.dispose()


class PostgresDatabase:
    """PostgreSQL through psycopg 3, pooled; each write is a transaction, tried again after a deadlock."""

    ATTEMPTS = 5

    def __init__(self, url: str, clock: Clock) -> None:
        self.clock = clock
        self.reactions = Reactions()
        self.on_jobs: Callable[[Sequence[Mapping[str, Any]]], None] = lambda jobs: None
        self.engine = create_engine(
            url.replace("postgresql://", "postgresql+psycopg://", 1),
            pool_size=16,
            max_overflow=16,
            pool_use_lifo=True,  # few connections, and those warm
            hide_parameters=True,  # an error names the statement; what it was given may be somebody's secret
            pool_timeout=5,
            connect_args={"connect_timeout": CONNECT},
        )
        bound(self.engine)
        self._readers = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def write(self, fn: Callable[[Write], T]) -> T:
        _refuse_nested()
        for attempt in range(self.ATTEMPTS):
            try:
                value, write = self._once(fn)
            except DBAPIError as error:
                if not _away(error):
                    raise
                retry = getattr(error.orig, "sqlstate", None) in ("40001", "40P01")
                if not retry or attempt == self.ATTEMPTS - 1:
                    raise _unavailable(error) from error
            except PoolTimeout as error:
                raise _unavailable(error) from error
            else:
                _after_commit(self, write)
                return value
        raise AssertionError("unreachable")

    def _once(self, fn: Callable[[Write], T]) -> tuple[T, Write]:
        with Session(self.engine, expire_on_commit=False) as session:
            write = Write(session, self.clock.now(), self.reactions, JobRow.__table__, request_id.get())
            value = _call(fn, write)
            write.finish()
            try:
                session.commit()
            except DBAPIError as error:
                if error.connection_invalidated:
                    raise _unsure(error) from error
                raise
            return value, write

    @contextmanager
    def read(self) -> Iterator[Session]:
        _refuse_read_inside()
        try:
            with Session(self._readers, expire_on_commit=False) as session:
                yield session
        except DBAPIError as error:
            if not _away(error):
                raise
            raise _unavailable(error) from error
        except PoolTimeout as error:
            raise _unavailable(error) from error

    def ping(self) -> None:
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        self.engine.dispose()


AnyDatabase = SqliteDatabase | PostgresDatabase


def open_database(url: str, clock: Clock) -> AnyDatabase:
    """The database of a `sqlite://` or `postgresql://` URL. Raises `SettingError` for any other."""
    if url.startswith("sqlite://"):
        return SqliteDatabase(url, clock)
    if url.startswith("postgresql://"):
        return PostgresDatabase(url, clock)
    raise SettingError("OFFSHELF_DATABASE_URL takes sqlite:///PATH or postgresql://USER@HOST/NAME.")


def _call(fn: Callable[[Write], T], write: Write) -> T:
    _here.writing = True
    try:
        return fn(write)
    finally:
        _here.writing = False


def _refuse_nested() -> None:
    if _here.writing:
        raise RuntimeError("A write was asked for inside another; it would wait for itself. Use the `tx` at hand.")


def _refuse_read_inside() -> None:
    if _here.writing:
        raise RuntimeError("A read was asked for inside a write; it would see less than the write. Use `tx.session`.")


def _commit(transaction: RootTransaction, durable: list[bool]) -> None:
    transaction.commit()
    durable.append(True)


def _fail(group: list[_Pending[Any]], error: BaseException) -> None:
    for pending in group:
        pending.error = error


def _after_commit(db: AnyDatabase, write: Write) -> None:
    if write.jobs:
        db.on_jobs(write.jobs)
    tell(write.facts, db.reactions)


def _unavailable(error: BaseException) -> Unavailable:
    cause = getattr(error, "orig", error)
    if no_room(cause):
        log.error("there is no room left for the database: %r", cause)
        return full()
    log.error("the database does not answer: %r", cause)
    return Unavailable(
        "database.unavailable", "The database does not answer at the moment; nothing was changed.", retry_after=2
    )


def _away(error: DBAPIError) -> bool:
    """Whether the database is at fault, and not the statement."""
    return isinstance(error, OperationalError) or error.connection_invalidated


def _unsure(error: DBAPIError) -> Unavailable:
    """The connection broke while it committed: nobody may say that nothing was changed."""
    log.error("the database was gone while it committed: %r", error.orig)
    return Unavailable(
        "database.unavailable",
        "The database was gone while this was being written down, so it may have been done or not; ask again with the same key.",
        retry_after=2,
    )


def _sqlite_engine(url: str, pool_size: int, read_only: bool) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=30,
        hide_parameters=True,
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": 10},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "cache_size=-16000",
            "temp_store=MEMORY",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    # The driver opens no transaction of its own (isolation_level=None): readers need a snapshot, the writer its lock at once.
    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine
