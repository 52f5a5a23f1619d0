"""`Database.write` and `read` mean the same on every engine."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from accounts.models import Account
from engines.sql import _Pending, open_database
from kernel.clock import FrozenClock
from kernel.db import Write, insert_ignore, upsert
from kernel.errors import Unavailable
from kernel.facts import Fact, Later, Reaction
from kernel.job_table import claim
from kernel.jobs import JobRow, Worker
from tests.house import House

pytestmark = pytest.mark.engine("sqlite")


class Refused(Exception):
    """A rule said no."""


@dataclass(frozen=True)
class Happened(Fact):
    account_id: str


def row(number: int) -> dict[str, Any]:
    return {
        "id": f"acct_{number:026}",
        "handle": f"handle{number}",
        "name": "Name",
        "bio": "",
        "status": "active",
        "synthetic": False,
        "followers": 0,
        "following": 0,
        "created_at": datetime(2026, 11, 22, tzinfo=UTC),
    }


def add(number: int) -> Callable[[Write], str]:
    def write(tx: Write) -> str:
        tx.session.add(Account(**row(number)))
        return str(number)

    return write


def handles(house: House) -> set[str]:
    with house.engines.db.read() as session:
        return set(session.scalars(select(Account.handle)))


def react(house: House, reaction: Reaction) -> None:
    house.engines.db.reactions.table = {**house.engines.db.reactions.table, Happened: reaction}


def test_a_write_returns_its_value_and_is_there(any_house: House) -> None:
    assert any_house.engines.db.write(add(1)) == "1"
    assert handles(any_house) == {"handle1"}


def test_a_refusal_undoes_its_own_work_only(any_house: House) -> None:
    def refused(tx: Write) -> None:
        add(2)(tx)
        raise Refused

    any_house.engines.db.write(add(1))
    with pytest.raises(Refused):
        any_house.engines.db.write(refused)
    any_house.engines.db.write(add(3))
    assert handles(any_house) == {"handle1", "handle3"}


def test_many_writers_at_once_lose_nothing_and_double_nothing(any_house: House) -> None:
    any_house.engines.db.write(add(0))
    refused: list[int] = []

    def count(number: int) -> None:
        def write(tx: Write) -> None:
            tx.session.execute(
                update(Account).where(Account.handle == "handle0").values(followers=Account.followers + 1)
            )
            if number % 4 == 0:
                raise Refused

        try:
            any_house.engines.db.write(write)
        except Refused:
            refused.append(number)

    threads = [threading.Thread(target=count, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with any_house.engines.db.read() as session:
        assert session.scalar(select(Account.followers)) == 48
    assert len(refused) == 16


def test_what_follows_within_fails_the_command(any_house: House) -> None:
    def within(tx: Write, fact: Happened) -> None:
        raise Refused

    react(any_house, Reaction(within=[within]))

    def write(tx: Write) -> None:
        add(1)(tx)
        tx.record(Happened("x"))

    with pytest.raises(Refused):
        any_house.engines.db.write(write)
    assert handles(any_house) == set()


def test_facts_are_told_after_the_commit_and_a_failing_listener_fails_nobody(any_house: House) -> None:
    heard: list[set[str]] = []

    def broken(fact: Happened) -> None:
        raise Refused

    def listen(fact: Happened) -> None:
        heard.append(handles(any_house))

    react(any_house, Reaction(now=[broken, listen], later=[Later("test.later", lambda f: {"id": f.account_id})]))

    def write(tx: Write) -> None:
        add(1)(tx)
        tx.record(Happened("x"))

    any_house.engines.db.write(write)
    assert heard == [{"handle1"}]
    with any_house.engines.db.read() as session:
        assert session.scalars(select(JobRow.args).where(JobRow.name == "test.later")).all() == [{"id": "x"}]


def test_insert_ignore_says_how_many_were_new(any_house: House) -> None:
    def write(tx: Write) -> tuple[int, int, int]:
        table = Account.__table__
        first = insert_ignore(tx.session, table, row(1))
        return (
            first,
            insert_ignore(tx.session, table, row(1)),
            insert_ignore(tx.session, table, [row(1), row(2), row(3)]),
        )

    assert any_house.engines.db.write(write) == (1, 0, 2)


def test_upsert_changes_what_is_there(any_house: House) -> None:
    def write(tx: Write) -> None:
        for name in ("first", "second"):
            upsert(tx.session, Account.__table__, {**row(1), "name": name}, ["id"], {"name": name})

    any_house.engines.db.write(write)
    with any_house.engines.db.read() as session:
        assert session.scalars(select(Account.name)).all() == ["second"]


def test_a_reader_cannot_write(any_house: House) -> None:
    from sqlalchemy.exc import DBAPIError

    with any_house.engines.db.read() as session:
        session.add(Account(**row(1)))
        with pytest.raises(DBAPIError, match=r"read.?only|readonly"):
            session.flush()
        session.rollback()
    assert handles(any_house) == set()


def test_instants_come_back_aware_and_in_utc(any_house: House) -> None:
    any_house.engines.db.write(add(1))
    with any_house.engines.db.read() as session:
        at = session.scalars(select(Account.created_at)).one()
    assert at == datetime(2026, 11, 22, tzinfo=UTC)
    assert at.utcoffset() is not None


def test_a_naive_time_has_no_place(any_house: House) -> None:
    def write(tx: Write) -> None:
        tx.session.add(Account(**{**row(1), "created_at": datetime(2026, 11, 22)}))
        tx.session.flush()

    with pytest.raises(Exception, match="naive"):
        any_house.engines.db.write(write)
    assert handles(any_house) == set()


def test_a_write_inside_a_write_is_refused_instead_of_waiting_for_itself(any_house: House) -> None:
    db = any_house.engines.db
    with pytest.raises(RuntimeError, match="inside another"):
        db.write(lambda tx: db.write(add(1)))
    db.write(add(2))
    assert handles(any_house) == {"handle2"}


def test_a_read_inside_a_write_is_refused_and_undoes_it(any_house: House) -> None:
    """It would wait for a second connection while it holds one, and miss what the write did."""
    db = any_house.engines.db

    def write(tx: Write) -> None:
        add(1)(tx)
        with db.read() as session:
            session.scalar(select(Account.id))

    with pytest.raises(RuntimeError, match="inside a write"):
        db.write(write)
    assert handles(any_house) == set()


def test_what_follows_within_a_write_may_not_read_beside_it(any_house: House) -> None:
    react(any_house, Reaction(within=[lambda tx, fact: handles(any_house) and None]))
    with pytest.raises(RuntimeError, match="inside a write"):
        any_house.engines.db.write(lambda tx: tx.record(Happened("x")))


def test_a_read_before_and_after_a_write_is_none_inside_it(any_house: House) -> None:
    db = any_house.engines.db
    heard: list[set[str]] = []
    react(any_house, Reaction(now=[lambda fact: heard.append(handles(any_house))]))
    with db.read() as session:
        assert session.scalar(select(Account.id)) is None
        db.write(lambda tx: (add(1)(tx), tx.record(Happened("x"))))
    assert heard == [{"handle1"}]


def test_a_write_after_a_commit_is_no_nested_one(any_house: House) -> None:
    db = any_house.engines.db
    react(any_house, Reaction(now=[lambda fact: db.write(add(2)) and None]))
    db.write(lambda tx: tx.record(Happened("x")))
    assert handles(any_house) == {"handle2"}


class Killed(BaseException):
    """What a greenlet that is killed, or Ctrl-C, raises."""


def test_who_is_killed_with_the_turn_takes_nobody_along(house: House) -> None:
    def killed(tx: Write) -> None:
        raise Killed

    db: Any = house.engines.db
    other = _Pending(add(1))
    db._pending.append(other)
    with pytest.raises(Killed):
        db.write(killed)
    assert other.done
    assert isinstance(other.error, Unavailable)
    db.write(add(2))
    assert handles(house) == {"handle2"}


_KILLED_WHILE_IT_COMMITS = """
from gevent import monkey; monkey.patch_all()
import gevent, os, sys
from engines import sql
from kernel.clock import SystemClock
from kernel.db import Base
import kernel.idempotency

db = sql.open_database("sqlite:///" + sys.argv[1], SystemClock())
with db._writer.begin() as connection:
    Base.metadata.create_all(connection)
off_loop, called, (asked, answer) = sql._commits, [], os.pipe()
read = monkey.get_original("os", "read")
def held(commit, *args):
    called.append(commit)
    return off_loop(lambda: read(asked, 1) and commit(*args))
sql._commits = held
leader = gevent.spawn(db.write, lambda tx: tx.enqueue("leader", {}))
other = gevent.spawn(db.write, lambda tx: tx.enqueue("other", {}) and "told")
while not called and not leader.dead:
    gevent.sleep(0)
leader.kill(block=False)
gevent.sleep(0)
sql._commits = off_loop
monkey.get_original("os", "write")(answer, b".")
leader.join(timeout=30)
print(other.get(timeout=30), isinstance(leader.value, gevent.GreenletExit))
with db.read() as session:
    print(sorted(session.scalars(sql.text("SELECT name FROM jobs"))))
"""


def test_a_commit_goes_on_when_its_leader_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _KILLED_WHILE_IT_COMMITS, str(tmp_path / "test.db")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split("\n")[:2] == ["told True", "['leader', 'other']"], done.stderr


def test_a_reader_sees_one_moment(any_house: House) -> None:
    any_house.engines.db.write(add(1))
    with any_house.engines.db.read() as session:
        before = session.scalars(select(Account.handle)).all()
        any_house.engines.db.write(add(2))
        assert session.scalars(select(Account.handle)).all() == before


def test_sqlite_is_durable_at_each_commit_and_its_readers_never_block_it(house: House) -> None:
    db: Any = house.engines.db

    def said(engine: Any) -> dict[str, Any]:
        names = ("journal_mode", "synchronous", "foreign_keys", "query_only")
        with engine.connect() as connection:
            return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names}

    assert said(db._writer) == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "query_only": 0}
    assert said(db._readers) == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "query_only": 1}


def test_workers_that_claim_at_once_share_the_jobs_and_none_twice(any_house: House) -> None:
    db = any_house.engines.db
    asked = {db.write(lambda tx: tx.enqueue("test.job", {})) for _ in range(40)}
    workers = [Worker(db, {}, batch=3) for _ in range(8)]
    claimed: list[str] = []
    with ThreadPoolExecutor(8) as pool:
        while found := [job for jobs in pool.map(lambda one: one.claim().waiting, workers) for job in jobs]:
            claimed += [job.id for job in found]
    assert len(claimed) == len(set(claimed)) == 40
    assert set(claimed) == asked


@pytest.mark.engine("postgresql")
def test_a_claim_passes_over_what_another_is_claiming_and_does_not_wait_for_it(postgres_house: House) -> None:
    db = postgres_house.engines.db
    for _ in range(4):
        db.write(lambda tx: tx.enqueue("test.job", {}))
    second = Worker(db, {}, batch=4)
    held: list[Any] = []

    def claim_two(tx: Write) -> None:
        held.extend(claim(tx, "first", None, 2, ()).waiting)
        with ThreadPoolExecutor(1) as other:  # whose claim ends while this one is not committed
            held.extend(other.submit(second.claim).result(30).waiting)

    db.write(claim_two)
    assert len({job.id for job in held}) == len(held) == 4


def test_ping_answers_and_a_closed_database_holds_no_connection(any_house: House) -> None:
    db: Any = any_house.engines.db
    db.write(add(1))
    db.ping()
    db.close()
    pools = [
        engine.pool for engine in (getattr(db, "engine", None), getattr(db, "_writer", None), db._readers) if engine
    ]
    assert [pool.checkedin() + pool.checkedout() for pool in pools] == [0] * len(pools)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("sqlite:////nowhere/offshelf.db", marks=pytest.mark.engine("sqlite"), id="sqlite"),
        pytest.param("postgresql://nobody@127.0.0.1:1/none", marks=pytest.mark.engine("postgresql"), id="postgresql"),
    ],
)
def test_a_database_that_is_not_there_is_unavailable_at_ping(url: str, clock: FrozenClock) -> None:
    db = open_database(url, clock)
    with pytest.raises(Unavailable) as refusal:
        db.ping()
    assert refusal.value.code == "database.unavailable"
    db.close()


def test_too_many_readers_are_told_to_come_again(any_house: House) -> None:
    db: Any = any_house.engines.db
    db._readers.pool._timeout = 0.01
    with pytest.raises(Unavailable):
        _read_at_once(db, 40)


def _read_at_once(db: Any, readers: int) -> None:
    with ExitStack() as held:
        for _ in range(readers):
            held.enter_context(db.read()).scalar(select(Account.id))
