"""An engine goes away under a real server: what leans on it says so, the rest goes on, and nothing acknowledged is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import POSTGRES_URL, require
from tests.contract.test_kv import REDIS_URL
from tests.e2e.faulted import Outcome, database_gone, index_gone, redis_gone

pytestmark = pytest.mark.timeout(120)


def judge(outcome: Outcome, slowest: float, recovery: float = 5.0) -> None:
    """Nothing lost, nobody waits longer than stated, and the event loop was never held up."""
    assert outcome.lost == 0
    assert outcome.slowest < slowest, outcome
    assert outcome.healthz < 1.5, outcome
    assert outcome.recovery < recovery, outcome


@pytest.mark.parametrize("how", ["cut", "swallowed", "half-closed", "0.2 s late"])
def test_without_redis_people_read_and_order_and_sockets_say_so(how: str, tmp_path: Path) -> None:
    require("redis", bool(REDIS_URL), "OFFSHELF_TEST_REDIS_URL names no Redis")
    judge(redis_gone(tmp_path, REDIS_URL, how), slowest=5.0)


@pytest.mark.parametrize("how", ["cut", "swallowed", "half-closed"])
def test_without_elasticsearch_only_search_is_refused_and_nothing_published_meanwhile_is_missing(
    how: str, tmp_path: Path, elasticsearch_url: str
) -> None:
    judge(index_gone(tmp_path, elasticsearch_url, how), slowest=7.0)


@pytest.mark.parametrize("how", ["cut", "swallowed", "half-closed", "backends terminated"])
def test_a_database_that_went_away_is_used_again_without_a_restart_and_no_order_is_lost(
    how: str, tmp_path: Path
) -> None:
    require("postgres", bool(POSTGRES_URL), "OFFSHELF_TEST_POSTGRES_URL names no PostgreSQL")
    judge(database_gone(tmp_path, POSTGRES_URL, how), slowest=15.0)
