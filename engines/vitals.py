"""What a database or a key-value store says of itself to an operator: version, round trip, clock, settings. Reads only."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import redis
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

ROUNDS = 7
LOSING = ("fsync", "full_page_writes", "synchronous_commit")
"""Settings of PostgreSQL that lose acknowledged work when they are off."""


@dataclass(frozen=True)
class Vitals:
    """`latency_ms` is the median round trip; `ahead` how many seconds its clock is ahead of this machine's."""

    product: str
    latency_ms: float
    ahead: float | None = None
    said: Mapping[str, Any] = field(default_factory=dict)


def round_trip(ask: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The median time of a question, in ms."""
    return statistics.median(_timed(ask) for _ in range(rounds))


def of_postgres(url: str) -> Vitals:
    """Raises SQLAlchemy's errors; ask `preflight.check_database` first, which says them well."""
    address = url.replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_engine(address, poolclass=NullPool, connect_args={"connect_timeout": 5})
    with closing(engine.connect()) as connection:

        def ask(statement: str) -> Any:
            return connection.scalar(text(statement))

        return Vitals(
            f"PostgreSQL {ask('SHOW server_version')}",
            round_trip(lambda: ask("SELECT 1")),
            _ahead(lambda: float(ask("SELECT extract(epoch FROM clock_timestamp())"))),
            {name: ask(f"SHOW {name}") for name in LOSING},
        )


def of_redis(client: redis.Redis) -> Vitals:
    """`said` is what INFO says of memory and replication. Raises `redis.RedisError`."""
    said: Any = client.info()
    name = "Valkey" if "valkey_version" in said else "Redis"
    version = said.get("valkey_version") or said.get("redis_version", "of no version")

    def its_time() -> float:
        seconds, micros = client.time()
        return float(seconds) + float(micros) / 1e6

    return Vitals(f"{name} {version}", round_trip(client.ping), _ahead(its_time), said)


def _timed(ask: Callable[[], object]) -> float:
    begun = time.perf_counter()
    ask()
    return 1000 * (time.perf_counter() - begun)


def _ahead(theirs: Callable[[], float]) -> float:
    """Against the middle of the round trip."""
    before = time.time()
    said = theirs()
    return said - (before + time.time()) / 2
