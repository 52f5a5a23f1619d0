"""What a clock promises (`kernel.ports.Clock`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from kernel.clock import FrozenClock, SystemClock
from kernel.ports import Clock
from tests.conftest import on


@pytest.fixture(params=[on("system-clock"), on("frozen-clock")])
def a_clock(request: pytest.FixtureRequest) -> Clock:
    shanghai = timezone(timedelta(hours=8))
    frozen = FrozenClock(datetime(2026, 11, 22, 12, tzinfo=shanghai))
    return SystemClock() if request.param == "system-clock" else frozen


def test_the_present_is_aware_in_utc_and_never_goes_back(a_clock: Clock) -> None:
    first, second = a_clock.now(), a_clock.now()
    assert first.tzinfo is second.tzinfo is UTC
    assert first <= second
