"""Whether a process may take traffic: one bounded look at each engine, and nothing about where they are."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import text

from kernel.errors import Unavailable
from tests.house import House
from web import health
from web.migrate import history

ENGINES = {"database", "kv", "index", "encoder", "realtime", "disk"}


@pytest.fixture(autouse=True)
def _no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "KEPT", 0.0)
    monkeypatch.setattr(health, "PATIENCE", 30.0)  # none of these engines hangs; a busy machine may be slow to ask them


@pytest.fixture
def migrated(any_house: House) -> House:
    """A house whose database says that it has this version's schema, and an index that is filled."""
    with any_house.engines.index.filling():
        pass
    say_revision(any_house, history()[-1])
    return any_house


def say_revision(house: House, revision: str) -> None:
    def write(tx) -> None:  # type: ignore[no-untyped-def]
        tx.session.execute(text("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32))"))
        tx.session.execute(text("DELETE FROM alembic_version"))
        tx.session.execute(text("INSERT INTO alembic_version VALUES (:at)"), {"at": revision})

    house.engines.db.write(write)


def test_a_whole_house_is_ready(migrated: House) -> None:
    response = migrated.anonymous().get("/readyz")
    assert response.status_code == 200, response.json
    assert response.json is not None
    assert response.json["status"] == "ready", response.json
    assert set(response.json["engines"]) == ENGINES
    assert all(set(one) == {"status", "latency_ms"} for one in response.json["engines"].values())


@pytest.mark.parametrize("revision", ["0000", "9999"])
def test_another_schema_takes_no_traffic(migrated: House, revision: str) -> None:
    say_revision(migrated, revision)
    response = migrated.anonymous().get("/readyz")
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert response.json is not None
    assert response.json["status"] == "unavailable"
    assert response.json["engines"]["database"] == {"status": "unavailable", "code": "database.schema"}
    assert migrated.anonymous().get("/healthz").status_code == 200


def test_a_lost_engine_is_named_and_traffic_goes_on(migrated: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise Unavailable("kv.unavailable", "redis at 10.1.2.3 with password hunter2 is gone")

    def crashed() -> int:
        raise RuntimeError("http://user:hunter2@10.1.2.3:9200 refused")

    monkeypatch.setattr(migrated.engines.index, "count", crashed)
    monkeypatch.setattr(type(migrated.engines.kv), "ping", lambda self: gone())
    response = migrated.anonymous().get("/readyz")
    assert response.status_code == 200
    assert response.json is not None
    assert response.json["status"] == "degraded"
    assert response.json["engines"]["index"] == {"status": "unavailable", "code": "index.failed"}
    assert response.json["engines"]["kv"] == {"status": "unavailable", "code": "kv.unavailable"}
    assert "hunter2" not in response.text
    assert "10.1.2.3" not in response.text


def test_an_index_that_is_being_filled_is_degraded(house: House) -> None:
    say_revision(house, history()[-1])
    answer = house.anonymous().get("/readyz").json
    assert answer is not None
    assert answer["status"] == "degraded"
    assert answer["engines"]["index"]["code"] == "index.filling"


def test_a_hanging_engine_holds_the_answer_for_a_second_and_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    released, asked = threading.Event(), []

    def hang() -> None:
        asked.append(1)
        released.wait(120)

    readiness = health.Readiness({"database": lambda: None, "kv": hang, "index": hang})
    monkeypatch.setattr(health, "PATIENCE", 0.2)
    began = time.monotonic()
    said = [readiness.look() for _ in range(3)]
    assert time.monotonic() - began < 30
    assert {one["status"] for one in said} == {"degraded"}
    assert said[0]["engines"]["kv"] == {"status": "unavailable", "code": "kv.timeout"}
    assert len(asked) == 2  # once for each, not once for every caller
    released.set()
    while readiness.look()["status"] != "ready":
        assert time.monotonic() - began < 60


def test_many_callers_share_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "KEPT", 60.0)
    asked: list[int] = []
    readiness = health.Readiness({"database": lambda: asked.append(1)})
    assert [readiness.look()["status"] for _ in range(5)] == ["ready"] * 5
    assert len(asked) == 1


def test_a_disk_that_runs_full_is_said(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    say_revision(house, history()[-1])
    for least, code in (("LITTLE_ROOM", "disk.low"), ("NO_ROOM", "disk.full")):
        monkeypatch.setattr(health, least, 2**62)
        answer = house.anonymous().get("/readyz")
        assert answer.status_code == 200
        assert answer.json is not None
        assert answer.json["engines"]["disk"]["code"] == code
