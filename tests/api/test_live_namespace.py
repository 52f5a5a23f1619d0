"""What happens between two steps of a join: hidden, banned, gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kernel.errors import Unavailable
from live import RestrictionIn
from live.allowance import FRAMES, FRAMES_OF_NOBODIES, WINDOW
from live.log import PAGE
from tests.hall import Hall, token_of
from tests.house import House
from tests.studio import go_live, merchant_live


@pytest.fixture
def hall(house: House) -> Hall:
    return Hall(house)


def test_a_person_has_one_budget_of_frames_for_all_their_connections(house: House, hall: Hall) -> None:
    token, other = token_of(house.as_("lin_mei")), token_of(house.as_("wu_han"))
    for number in range(10):
        hall.enter(f"s{number}", token)
    hall.enter("theirs", other)
    nowhere = "room_" + "0" * 26
    codes = [hall.join(f"s{n % 10}", nowhere)["problem"]["code"] for n in range(FRAMES + 1)]
    assert (codes[-2], codes[-1]) == ("room.not_found", "rate.limited")
    assert hall.join("theirs", nowhere)["problem"]["code"] == "room.not_found"
    house.clock.advance(seconds=WINDOW)
    assert hall.join("s0", nowhere)["problem"]["code"] == "room.not_found"


def test_nobodies_of_an_address_share_a_larger_one(house: House, hall: Hall) -> None:
    nowhere = "room_" + "0" * 26
    for number in range(3):
        hall.enter(f"s{number}", address="192.0.2.1")
    hall.enter("elsewhere", address="192.0.2.2")
    codes = [hall.join(f"s{n % 3}", nowhere)["problem"]["code"] for n in range(FRAMES_OF_NOBODIES + 1)]
    assert (codes[-2], codes[-1]) == ("room.not_found", "rate.limited")
    assert hall.join("elsewhere", nowhere)["problem"]["code"] == "room.not_found"


def while_reading(monkeypatch: pytest.MonkeyPatch, house: House, act: Callable[[], None]) -> None:
    """Something happens to the room while a join reads its log."""
    log = house.services.rooms.log
    read = log.catch_up

    def catch_up(room_id: str, after: int | None) -> Any:
        answer = read(room_id, after)
        act()
        return answer

    monkeypatch.setattr(log, "catch_up", catch_up)


def test_a_room_that_is_hidden_before_the_viewer_is_admitted_throws_them_out(house: House, hall: Hall) -> None:
    room = go_live(house.as_("host"))
    hall.enter("s1")
    assert hall.join("s1", room)["ok"] is True
    house.engines.db.write(lambda tx: house.services.desk.hide(tx, room))
    assert hall.heard("room.gone") == [{"room": room, "code": "room.not_found"}]
    hall.settle()
    assert (hall.live.delivery.rooms(), hall.server.rooms) == ([], set())
    assert house.services.directory.presence.viewers(room) == 0


def test_a_room_that_is_hidden_while_it_is_joined_is_not_found(
    house: House, hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = go_live(house.as_("host"))
    while_reading(monkeypatch, house, lambda: house.engines.db.write(lambda tx: house.services.desk.hide(tx, room)))
    hall.enter("s1")
    assert hall.join("s1", room)["problem"]["code"] == "room.not_found"
    hall.settle()
    assert (hall.live.delivery.rooms(), hall.live.audience.in_room(room)) == ([], [])
    assert house.services.directory.presence.viewers(room) == 0


def test_who_is_banned_while_joining_does_not_get_in(house: House, hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    room, viewer = go_live(house.as_("host")), house.as_("viewer")
    form = RestrictionIn(account=viewer.id, kind="ban")
    ban = lambda: house.engines.db.write(lambda tx: house.services.desk.restrict(tx, room, form, "mod"))  # noqa: E731
    while_reading(monkeypatch, house, ban)
    hall.enter("s1", token_of(viewer))
    assert hall.join("s1", room)["problem"]["code"] == "room.banned"
    assert hall.live.audience.in_room(room) == []


def test_who_leaves_while_joining_is_not_counted_as_a_viewer(
    house: House, hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = go_live(house.as_("host"))
    while_reading(monkeypatch, house, lambda: hall.leave("s1"))
    hall.enter("s1")
    assert hall.join("s1", room)["problem"]["code"] == "session.required"
    hall.settle()
    for _ in range(20):
        hall.live.tick()
    assert house.services.directory.presence.viewers(room) == 0


def test_the_host_stays_in_a_room_that_is_hidden(house: House, hall: Hall) -> None:
    host = house.as_("host")
    room = go_live(host)
    hall.enter("s1", token_of(host))
    hall.join("s1", room)
    hall.settle()
    house.engines.db.write(lambda tx: house.services.desk.hide(tx, room))
    assert hall.heard("room.gone") == []
    assert hall.heard("room.event")[-1]["data"] == {"action": "hide"}


def test_a_seq_ahead_of_the_log_gets_a_snapshot_and_one_below_zero_is_refused(house: House, hall: Hall) -> None:
    room = go_live(house.as_("host"))
    hall.enter("s1")
    ahead = hall.join("s1", room, after=10_000)
    assert (ahead["snapshot"]["status"], ahead["seq"]) == ("live", 1)
    assert hall.join("s1", room, after=1)["events"] == []
    for absurd in (-1, 2**53, True, "1", 1.5):
        assert hall.join("s1", room, after=absurd)["problem"]["code"] == "request.invalid"  # type: ignore[arg-type]


def test_who_missed_more_than_a_page_gets_a_snapshot_and_http_gives_the_pages(house: House, hall: Hall) -> None:
    host, room, sku = merchant_live(house)
    log, pin = house.services.rooms.log, house.services.shelf.pin_within

    def many(tx: Any) -> None:
        for number in range(2 * PAGE + 7):
            pin(tx, room, sku if number % 2 else None)

    house.engines.db.write(many)
    hall.enter("s1")
    last = log.snapshot(room)[1]
    assert last == 2 * PAGE + 8
    assert hall.join("s1", room, after=last - PAGE)["events"][0]["seq"] == last - PAGE + 1
    late = hall.join("s1", room, after=last - PAGE - 1)
    assert (late["seq"], "snapshot" in late) == (last, True)
    seen: list[int] = []
    while True:
        page = host.get(f"rooms/{room}/events?after={len(seen)}").json
        seen += [event["seq"] for event in page["events"]]
        if not page["more"]:
            break
    assert seen == list(range(1, last + 1))


def test_a_room_that_ends_before_the_viewer_is_admitted_tells_them(house: House, hall: Hall) -> None:
    host = house.as_("host")
    room = go_live(host)
    hall.enter("s1")
    assert hall.join("s1", room)["snapshot"]["status"] == "live"
    host.post(f"rooms/{room}/end")
    hall.settle()
    assert [(event["seq"], event["kind"]) for event in hall.heard("room.event")] == [(2, "room.ended")]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("database.unavailable", "Away."), "database.unavailable"),
        (RuntimeError("a bug"), "server.internal"),
    ],
)
def test_who_cannot_be_admitted_after_the_ack_is_thrown_out_and_may_come_again(
    house: House, hall: Hall, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    host = house.as_("host")
    room = go_live(host)

    def away(*_: object) -> None:
        raise error

    hall.enter("s1")
    seq = hall.join("s1", room)["seq"]
    with monkeypatch.context() as patch:
        patch.setattr(house.services.rooms.log, "events_after", away)
        hall.settle()
    assert hall.heard("room.gone") == [{"room": room, "code": code}]
    assert (hall.live.delivery.rooms(), hall.live.audience.in_room(room), hall.server.rooms) == ([], [], set())
    assert house.services.directory.presence.viewers(room) == 0
    assert hall.join("s1", room, after=seq)["events"] == []
    hall.settle()
    host.post(f"rooms/{room}/end")
    assert [event["kind"] for event in hall.heard("room.event")] == ["room.ended"]


def test_while_the_bus_is_away_every_connection_knows_it(
    house: House, hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = go_live(house.as_("host"))
    hall.enter("s1")
    assert hall.join("s1", room)["degraded"] is False
    for away in (True, False):
        monkeypatch.setattr(type(hall.live.realtime), "degraded", away)
        hall.live.tick()
        hall.live.tick()
        assert hall.heard("degraded")[-1] == {"realtime": away}
        assert hall.join("s1", room)["degraded"] is away
    assert len(hall.heard("degraded")) == 2


def test_while_the_store_is_away_nobody_says_how_many_watch(
    house: House, hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = go_live(house.as_("host"))
    hall.enter("s1")
    hall.join("s1", room)
    hall.settle()
    hall.live.tick()
    assert hall.heard("presence")[-1] == {"room": room, "viewers": 1}

    def away(*_: object) -> None:
        raise Unavailable("kv.unavailable", "The key-value store does not answer.")

    presence = house.services.directory.presence
    with monkeypatch.context() as patch:
        patch.setattr(presence.kv, "leased", away)
        hall.live.tick()
        assert hall.heard("presence")[-1] == {"room": room, "viewers": None}
        assert hall.join("s1", room)["viewers"] is None
        assert house.as_("reader").get(f"rooms/{room}").json["viewers"] is None
        assert "\N{EN DASH}" in house.anonymous().get(f"/rooms/{room}").get_data(as_text=True)
    hall.settle()
    hall.live.tick()
    assert hall.heard("presence")[-1] == {"room": room, "viewers": 1}


def test_who_leaves_at_one_process_and_stays_at_another_is_still_there(house: House, hall: Hall) -> None:
    room, ann = go_live(house.as_("host")), token_of(house.as_("ann"))
    other = Hall(house)  # as another process: the same store, the same bus
    for one in (hall, other):
        one.enter("s1", ann)
        one.join("s1", room)
    presence = house.services.directory.presence
    assert presence.viewers(room) == 1
    hall.leave("s1")
    assert presence.viewers(room) == 1
    other.leave("s1")
    assert presence.viewers(room) == 0


def test_a_message_that_comes_again_after_its_room_is_gone_gets_its_first_ack(house: House, hall: Hall) -> None:
    room, viewer = go_live(house.as_("host")), house.as_("viewer")
    hall.enter("s1", token_of(viewer))
    hall.join("s1", room)
    hall.settle()
    frame = {"room": room, "text": "Hello", "key": "k"}
    first = hall.live.trigger_event("chat.send", "s1", frame)
    house.engines.db.write(lambda tx: house.services.desk.hide(tx, room))
    assert hall.heard("room.gone") == [{"room": room, "code": "room.not_found"}]
    assert first["ok"] is True
    assert hall.live.trigger_event("chat.send", "s1", frame) == first
    fresh = hall.live.trigger_event("chat.send", "s1", {**frame, "key": "other"})
    assert fresh["problem"]["code"] == "room.not_found"
