"""What Prometheus reads: figures with few labels, for few SQL statements, by whom the setting allows."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from kernel.actor import Actor
from kernel.errors import Unavailable
from kernel.jobs import JobRow
from tests.house import House
from tests.statements import statements
from web import meters
from web.meters import Meters


@pytest.fixture(autouse=True)
def _no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "KEPT", 0.0)


def read(house: House) -> dict[tuple[str, ...], float]:
    """Every sample: (name, label values in order of their names) -> value."""
    answer = house.anonymous().get("/metrics")
    assert answer.status_code == 200
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(answer.text)
        for one in family.samples
    }


def test_requests_are_counted_by_route_and_never_by_path(house: House) -> None:
    someone = house.as_("ann")
    for number in range(3):
        someone.get("me")
        someone.get(f"/api/v1/nowhere/{number}")
    house.app.test_client().open("/healthz", method="PROPFIND")
    found = read(house)
    count = "offshelf_http_request_duration_seconds_count"
    assert found[(count, "GET", "/api/v1/me", "200")] == 3
    assert found[(count, "GET", "none", "404")] == 3
    assert found[(count, "other", "none", "405")] == 1
    assert not [key for key in found if "nowhere" in str(key)]


def test_jobs_their_lag_and_the_indexs_lag_are_told(any_house: House) -> None:
    def plan(tx) -> None:  # type: ignore[no-untyped-def]
        tx.enqueue("search.index", {"kind": "note", "ids": []})
        tx.enqueue("other.job", {})

    any_house.engines.db.write(plan)
    any_house.clock.advance(seconds=90)
    found = read(any_house)
    assert found[("offshelf_jobs", "search.index", "waiting")] == 1
    assert found[("offshelf_jobs_lag_seconds",)] == found[("offshelf_index_lag_seconds",)] == 90
    assert found[("offshelf_jobs_parked",)] == 0
    any_house.engines.db.write(lambda tx: tx.session.execute(update(JobRow).values(status="parked")))
    found = read(any_house)
    assert found[("offshelf_jobs_parked",)] == 2
    assert found[("offshelf_jobs_lag_seconds",)] == 0


def test_people_of_the_day_are_those_of_the_report(any_house: House) -> None:
    for handle in ("ann", "ben"):
        any_house.services.metrics.act(actor(any_house, handle), "note.viewed", "feed")
    any_house.services.metrics.act(actor(any_house, "bot", synthetic=True), "note.viewed", "feed")
    found = read(any_house)
    assert (found[("offshelf_dau",)], found[("offshelf_dab",)]) == (2, 0)
    any_house.clock.advance(days=1)
    assert read(any_house)[("offshelf_dau",)] == 0


def actor(house: House, handle: str, synthetic: bool = False) -> Actor:
    return Actor(account_id=house.as_(handle, synthetic=synthetic).id, synthetic=synthetic)


def test_reading_costs_three_statements_and_within_seconds_none(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "KEPT", 60.0)
    with statements() as first:
        read(house)
    assert len([one for one in first if one.startswith("SELECT")]) == 3, first
    with statements() as again:
        read(house)
    assert list(again) == []


def test_sockets_and_frames_are_counted(house: House) -> None:
    here: Meters = house.app.extensions["offshelf"][Meters]
    here.connections = {"a": SimpleNamespace(rooms={"r1": 1, "r2": 1}), "b": SimpleNamespace(rooms={"r1": 1})}
    here.frame("room.join", "ok")
    found = read(house)
    assert found[("offshelf_sockets_open",)] == 2
    assert found[("offshelf_rooms_with_viewers",)] == 2
    assert found[("offshelf_socket_frames_total", "room.join", "ok")] == 1


def test_what_cannot_be_had_is_left_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise Unavailable("database.unavailable", "gone")

    monkeypatch.setattr(house.services.metrics, "people_today", gone)
    found = read(house)
    assert ("offshelf_dau",) not in found
    assert ("offshelf_jobs_parked",) in found


@pytest.mark.parametrize(
    ("setting", "address", "headers", "status"),
    [
        ("loopback", "127.0.0.1", {}, 200),
        ("loopback", "::1", {}, 200),
        ("loopback", "10.0.0.9", {}, 404),
        ("loopback", "127.0.0.1", {"X-Forwarded-For": "10.0.0.9"}, 404),
        ("open", "10.0.0.9", {}, 200),
        ("off", "127.0.0.1", {}, 404),
    ],
)
def test_who_may_read(
    build: Callable[..., House], setting: str, address: str, headers: dict[str, str], status: int
) -> None:
    client = build(metrics=setting).app.test_client()
    answer = client.get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": address})
    assert answer.status_code == status
    assert ("offshelf_jobs_parked" in answer.text) == (status == 200)
