"""The house as tests see it: the real app on real engines, with a clock that stands still."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from hypothesis import settings as hypothesis_settings
from sqlalchemy import create_engine, text

from engines.kv import open_kv
from kernel.clock import FrozenClock
from kernel.config import Settings
from kernel.db import Base
from kernel.ports import KeyValue
from tests.house import House

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)  # noon in Shanghai
POSTGRES_URL = os.environ.get("OFFSHELF_TEST_POSTGRES_URL", "")
ELASTICSEARCH_URL = os.environ.get("OFFSHELF_TEST_ELASTICSEARCH_URL", "")
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
# Each worker its own: between the look for a free port and ffmpeg's first breath another worker's room would take the same.
INGEST_PORTS = f"{9200 + 20 * _WORKER}-{9219 + 20 * _WORKER}"
REQUIRED = os.environ.get("OFFSHELF_TEST_REQUIRE", "").split(",")

# How long one example takes says how busy the machine is: a pause of a fifth of a second failed a test.
hypothesis_settings.register_profile("offshelf", deadline=None)
hypothesis_settings.load_profile("offshelf")


def on(engine: str, name: str = "") -> Any:
    """A fixture's parameter, under `name` or the engine's own, that says which engine a contract test runs on."""
    return pytest.param(name or engine, marks=pytest.mark.engine(engine))


def require(what: str, present: bool, reason: str) -> None:
    """Skip with a reason where an engine is absent, fail where it is required (CI)."""
    if not present:
        assert what not in REQUIRED, f"{what} is required here: {reason}"
        pytest.skip(reason)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOON)


@pytest.fixture(scope="session")
def shared_kv(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyValue]:
    """One private Valkey for the whole run; tests use keys of their own."""
    kv = open_kv("embedded://", tmp_path_factory.mktemp("kv"))
    yield kv
    kv.close()


@pytest.fixture
def build(clock: FrozenClock, shared_kv: KeyValue, tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Build a house; keywords are settings. Closed at the end of the test."""
    houses: list[House] = []

    def make(**settings: object) -> House:
        values = {
            "data": tmp_path,
            "encoder": "hash",
            "rate_limits": False,
            "secret": secrets.token_hex(20),
            "ingest_ports": INGEST_PORTS,
            **settings,
        }
        houses.append(House(Settings(**values), clock, shared_kv))  # type: ignore[arg-type]
        return houses[-1]

    yield make
    for house in houses:
        house.close()


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    """The house on SQLite."""
    return build()


@pytest.fixture(params=[on("sqlite"), on("postgresql")])
def any_house(request: pytest.FixtureRequest) -> House:
    """The house on each database engine."""
    found: House = request.getfixturevalue("house" if request.param == "sqlite" else "postgres_house")
    return found


@pytest.fixture
def postgres_house(build: Callable[..., House]) -> Iterator[House]:
    """The house on PostgreSQL, in a schema of its own."""
    require("postgres", bool(POSTGRES_URL), "OFFSHELF_TEST_POSTGRES_URL names no PostgreSQL")
    with fresh_schema() as url:
        house = build(database_url=url)
        yield house
        house.close()


@contextmanager
def fresh_schema() -> Iterator[str]:
    """A schema of its own in the test PostgreSQL, as a URL; dropped afterwards."""
    name = f"t_{secrets.token_hex(6)}"
    engine = create_engine(
        POSTGRES_URL.replace("postgresql://", "postgresql+psycopg://", 1), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
        yield f"{POSTGRES_URL}?options=-csearch_path%3D{name}"
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    engine.dispose()


__all__ = ["NOON", "Base", "on", "require"]


@pytest.fixture
def elasticsearch_url() -> Iterator[str]:
    """`fresh_alias` for one test."""
    with fresh_alias() as url:
        yield url


@contextmanager
def fresh_alias() -> Iterator[str]:
    """An alias of its own on the Elasticsearch that `OFFSHELF_TEST_ELASTICSEARCH_URL` names; its indices are deleted."""
    require("elasticsearch", bool(ELASTICSEARCH_URL), "OFFSHELF_TEST_ELASTICSEARCH_URL names no Elasticsearch")
    alias = f"test-{secrets.token_hex(6)}"
    yield f"{ELASTICSEARCH_URL.rstrip('/')}/{alias}"
    with Elasticsearch(ELASTICSEARCH_URL, request_timeout=60) as client:
        made = list(client.indices.get(index=f"{alias}-*").body)
        if made:
            client.indices.delete(index=made)
