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


def test_who_writes_once_is_answered_while_another_writes_without_a_pause(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BUSY_AND_PATIENT, f"sqlite:///{tmp_path / 'busy.db'}"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    place, count = map(int, ran.stdout.split())
    assert count == 101
    assert place < 10
