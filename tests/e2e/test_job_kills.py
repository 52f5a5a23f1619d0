"""Workers killed with SIGKILL at their lines and at random moments: no job is lost, and no effect is doubled."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from sqlalchemy import func, insert, select

from kernel.actor import SYSTEM
from kernel.db import Write
from kernel.job_desk import listed
from kernel.jobs import DIED, MAX_ATTEMPTS
from shop.models import Order, StockMove
from shop.stock import RELEASED
from tests.e2e.mortal_workers import LAST_STEP, MOMENT, POISON, steps, tables, tally
from tests.e2e.served import ROOT
from tests.house import House
from tests.market import buy, level, sell

AT_LINES, AT_MOMENTS, ORDERS = 25, 50, 30
pytestmark = pytest.mark.timeout(240)


def test_no_job_is_lost_and_no_effect_doubled_when_workers_are_killed(any_house: House) -> None:
    any_house.clock.move_to(datetime.now(UTC) - timedelta(hours=1))
    sku = _orders_that_nobody_pays(any_house)
    any_house.engines.db.write(_tables)
    causes, asked, retried = _kill_workers(any_house)

    assert sum(".py:" in cause for cause in causes) >= AT_LINES
    assert causes.count(MOMENT) >= AT_MOMENTS
    assert retried <= 3  # seldom one, and never many: a death counts for what was at hand, and once
    assert 0 < causes.count(POISON) <= MAX_ATTEMPTS  # fewer when one died for another reason with it in hand
    (parked,) = listed(any_house.engines.db)
    assert (parked["name"], parked["status"], parked["error"]) == (POISON, "parked", DIED)
    assert parked["attempts"] == MAX_ATTEMPTS
    with any_house.engines.db.read() as session:
        done = session.execute(select(steps.c.n, steps.c.step)).all()
        assert sorted(map(tuple, done)) == sorted(product(range(asked), range(1, LAST_STEP + 1)))
        assert session.scalar(select(tally.c.total)) == asked * LAST_STEP
        assert set(session.scalars(select(Order.status))) == {"closed"}
        moves = select(func.count(), func.count(StockMove.order_id.distinct())).where(StockMove.kind == RELEASED)
        assert session.execute(moves).one() == (ORDERS, ORDERS)
    assert level(any_house, sku) == (ORDERS, ORDERS, 0, 0)


def _orders_that_nobody_pays(house: House) -> str:
    """A SKU all of whose units are held by orders; the jobs that close them are due."""
    sku = sell(house, stock=ORDERS)
    house.services.policies.change(SYSTEM, "order.unpaid_cap", ORDERS, "many orders at once")
    buyer = house.as_("buyer")
    for _ in range(ORDERS):
        assert buy(buyer, sku)["result"] == "accepted"
    house.jobs()
    assert level(house, sku) == (ORDERS, 0, ORDERS, 0)
    return sku


def _tables(tx: Write) -> None:
    tables.create_all(tx.session.connection())
    tx.session.execute(insert(tally), {"total": 0})


def _kill_workers(house: House) -> tuple[list[str], int, int]:
    """What each worker died of, how many first steps there were, and how many innocent jobs were parked. On SQLite one process
    works at a time, as it is made for; on PostgreSQL two do."""
    url = house.settings.sql_url
    seed, together = ("1", "1") if url.startswith("sqlite") else ("2", "2")
    command = [sys.executable, "-m", "tests.e2e.mortal_workers", url, str(AT_LINES), str(AT_MOMENTS), seed, together]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert ran.returncode == 0, ran.stderr[-3000:]
    said = json.loads(ran.stdout)
    return said["causes"], said["asked"], said["retried"]
