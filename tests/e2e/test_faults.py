"""An engine goes away under a real server: what leans on it says so, the rest goes on, and nothing acknowledged is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ELASTICSEARCH_URL, POSTGRES_URL, require
from tests.contract.test_kv import REDIS_URL
from tests.e2e import faulted
from tests.e2e.faulted import Outcome
from tests.e2e.postgres_server import programs
from tests.e2e.small_disk import CannotMount
from tests.models import exported_model

pytestmark = pytest.mark.timeout(240)
Stage = Callable[[str], Outcome]


def judge(outcome: Outcome, slowest: float, recovery: float = 5.0) -> None:
    """Nothing lost, nobody waits longer than stated, and the event loop was never held up."""
    assert outcome.lost == 0
    assert outcome.slowest < slowest, outcome
    assert outcome.healthz < 1.5, outcome
    assert outcome.recovery < recovery, outcome


@pytest.fixture(scope="module")
def redis_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    require("redis", bool(REDIS_URL), "OFFSHELF_TEST_REDIS_URL names no Redis")
    with faulted.redis_stage(tmp_path_factory.mktemp("redis"), REDIS_URL) as stage:
        yield stage


@pytest.fixture(scope="module")
def index_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    require("elasticsearch", bool(ELASTICSEARCH_URL), "OFFSHELF_TEST_ELASTICSEARCH_URL names no Elasticsearch")
    with faulted.index_stage(tmp_path_factory.mktemp("index"), ELASTICSEARCH_URL) as stage:
        yield stage


@pytest.fixture(scope="module")
def database_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    require("postgres", bool(POSTGRES_URL), "OFFSHELF_TEST_POSTGRES_URL names no PostgreSQL")
    with faulted.database_stage(tmp_path_factory.mktemp("database"), POSTGRES_URL) as stage:
        yield stage


@pytest.mark.parametrize("how", faulted.REDIS)
def test_without_redis_people_read_and_order_and_sockets_say_so(how: str, redis_stage: Stage) -> None:
    judge(redis_stage(how), slowest=5.0)


@pytest.mark.parametrize("how", faulted.ELASTICSEARCH)
def test_without_elasticsearch_only_search_is_refused_and_nothing_published_meanwhile_is_missing(
    how: str, index_stage: Stage
) -> None:
    judge(index_stage(how), slowest=7.0)


@pytest.mark.parametrize("how", faulted.POSTGRES)
def test_a_database_that_went_away_is_used_again_without_a_restart_and_no_order_is_lost(
    how: str, database_stage: Stage
) -> None:
    if how == "server stopped" and programs() is None:
        pytest.skip("PostgreSQL's programs are not on this machine")
    judge(database_stage(how), slowest=15.0)


def test_without_the_encoder_search_goes_by_words_and_what_was_published_is_found_by_meaning_later(
    tmp_path: Path,
) -> None:
    judge(faulted.encoder_damaged(tmp_path, exported_model()), slowest=12.0, recovery=20.0)


def test_an_index_that_is_not_whole_is_filled_by_itself_and_search_says_so_meanwhile(tmp_path: Path) -> None:
    judge(faulted.index_half_written(tmp_path), slowest=5.0)


def test_on_a_full_disk_writes_are_refused_and_reads_go_on(tmp_path: Path) -> None:
    try:
        outcome = faulted.disk_full(tmp_path / "disk")
    except CannotMount as error:
        pytest.skip(f"a small disk cannot be mounted here: {error}")
    judge(outcome, slowest=5.0)
