"""SQLite's one writer on the event loop: who is done is answered, whoever else writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.served import ROOT

pytestmark = pytest.mark.engine("sqlite")
BUSY_AND_PATIENT = """
from gevent import monkey
monkey.patch_all()
import sys, gevent
from engines.sql import open_database
from kernel.clock import SystemClock
from sqlalchemy import text

db = open_database(sys.argv[1], SystemClock())
db.write(lambda tx: tx.session.execute(text("CREATE TABLE t (who TEXT)")))
answered = []

def write(who):
    db.write(lambda tx: tx.session.execute(text("INSERT INTO t VALUES (:who)"), {"who": who}))
    answered.append(who)

busy = gevent.spawn(lambda: [write("busy") for _ in range(100)])
patient = gevent.spawn(write, "patient")
gevent.joinall([busy, patient], raise_error=True)
print(answered.index("patient"), len(answered))
"""


HANGING = """
from gevent import monkey
monkey.patch_all()
import sys, gevent
from engines.offloop import OwnThreads, native_lock, off_loop
from engines.sql import open_database
from kernel.clock import SystemClock
from sqlalchemy import text

db = open_database(sys.argv[1], SystemClock())
db.write(lambda tx: tx.session.execute(text("CREATE TABLE t (who TEXT)")))
hanging, encoding = native_lock(), OwnThreads(4)
hanging.acquire()

def hang():
    with hanging:
        pass

held = [gevent.spawn(off_loop, hang) for _ in range(30)] + [gevent.spawn(encoding, hang) for _ in range(30)]
gevent.sleep(0.1)
db.write(lambda tx: tx.session.execute(text("INSERT INTO t VALUES ('order')")))
print("written", any(one.ready() for one in held), flush=True)
hanging.release()
gevent.joinall(held, timeout=30, raise_error=True)
print(all(one.ready() for one in held))
"""


def test_a_write_waits_for_no_thread_that_hangs(tmp_path: Path) -> None:
    """Ten searches that wait for an encoder held all threads, and orders with them, for ten seconds."""
    command = [sys.executable, "-c", HANGING, f"sqlite:///{tmp_path / 'hanging.db'}"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["written", "False", "True"]


def test_who_writes_once_is_answered_while_another_writes_without_a_pause(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BUSY_AND_PATIENT, f"sqlite:///{tmp_path / 'busy.db'}"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    place, count = map(int, ran.stdout.split())
    assert count == 101
    assert place < 10


KILLED = """
from gevent import monkey
monkey.patch_all()
import sys, gevent
import engines.sql as sql
from engines.offloop import native_lock
from kernel.clock import SystemClock
from sqlalchemy import text

db = sql.open_database(sys.argv[1], SystemClock())
db.write(lambda tx: tx.session.execute(text("CREATE TABLE t (who TEXT)")))
gate, commit = native_lock(), sql._commit

def slowly(*what):
    with gate:
        commit(*what)

class Turn:
    # It kills somebody when the turn is given back, before anybody is told that it is theirs.

    def __init__(self):
        self.lock, self.victims = db._turn, []

    def acquire(self, blocking):
        return self.lock.acquire(blocking=blocking)

    def release(self):
        self.lock.release()
        while self.victims:
            self.victims.pop().kill(block=False)

sql._commit, db._turn = slowly, Turn()
gate.acquire()
write = lambda who: db.write(lambda tx: tx.session.execute(text("INSERT INTO t VALUES (:who)"), {"who": who}))
leader, *waiting = [gevent.spawn(write, who) for who in ("leader", "first", "second", "third")]
gevent.sleep(0.05)
if sys.argv[2] == "a waiter, while it waits":
    waiting[0].kill()
elif sys.argv[2] == "a waiter, as it is told":
    db._turn.victims.append(waiting[0])
else:
    for _ in range(3):
        leader.kill(block=False)
        gevent.sleep(0.05)
gate.release()
ended = gevent.joinall([leader, *waiting], timeout=60)
with db.read() as session:
    print(len(ended), *session.execute(text("SELECT who FROM t ORDER BY rowid")).scalars())
"""


@pytest.mark.parametrize(
    ("killed", "written"),
    [
        ("a waiter, while it waits", ["leader", "second", "third"]),
        ("a waiter, as it is told", ["leader", "second", "third"]),
        ("the leader, again and again, while it commits", ["leader", "first", "second", "third"]),
    ],
)
def test_who_is_killed_takes_nobody_along(tmp_path: Path, killed: str, written: list[str]) -> None:
    """Whoever was killed at the head of the queue was told that the turn was theirs, and the others waited for ever."""
    command = [sys.executable, "-c", KILLED, f"sqlite:///{tmp_path / 'killed.db'}", killed]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["4", *written]
