"""What happens between two steps of a join: hidden, banned, gone. The namespace with its services, on a server of wood."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from kernel.errors import Unavailable
from live import LiveNamespace, RestrictionIn, ShopCounter
from live.log import PAGE
from tests.house import House
from tests.studio import go_live, merchant_live
from web.errors import ack_problem
from web.sockets import authenticator


class Wood:
    """Socket.IO without sockets: who is in which room, and what was emitted to whom."""

    def __init__(self) -> None:
        self.here: set[str] = set()
        self.rooms: set[tuple[str, str]] = set()
        self.sent: list[tuple[str, str, Any]] = []
        self.manager = SimpleNamespace(is_connected=lambda sid, namespace: sid in self.here)

    def enter_room(self, sid: str, room: str, namespace: str) -> None:
        self.rooms.add((sid, room))

    def leave_room(self, sid: str, room: str, namespace: str) -> None:
        self.rooms.discard((sid, room))

    def emit(self, event: str, data: Any, to: str, namespace: str, skip_sid: Any) -> None:
        receivers = {sid for sid, room in self.rooms if room == to} | ({to} & self.here)
        self.sent += [(event, sid, data) for sid in receivers]


class Hall:
    """A namespace in which what comes after an ack waits until it is let."""

    def __init__(self, house: House) -> None:
        services, self.later = house.services, list[tuple[Callable[..., None], tuple[Any, ...]]]()
        self.live = LiveNamespace(
            rooms=services.directory,
            chat=services.chat,
            desk=services.desk,
            checkout=ShopCounter(services.checkout),
            realtime=house.engines.realtime,
            clock=house.clock,
            authenticate=authenticator(services.accounts),
            problem=ack_problem,
            defer=lambda fn, *args: self.later.append((fn, args)),
        )
        self.server = self.live.server = Wood()

    def enter(self, sid: str, token: str | None = None) -> None:
        self.server.here.add(sid)
        self.live.trigger_event("connect", sid, {}, {"token": token} if token else None)

    def join(self, sid: str, room: str, after: int | None = None) -> dict[str, Any]:
        frame = {"room": room} if after is None else {"room": room, "after": after}
        answer: dict[str, Any] = self.live.trigger_event("room.join", sid, frame)
        return answer

    def leave(self, sid: str) -> None:
        self.server.here.discard(sid)
        self.live.trigger_event("disconnect", sid)

    def settle(self) -> None:
        """What was to come after the acks."""
        waiting, self.later[:] = list(self.later), []
        for act, args in waiting:
            act(*args)

    def heard(self, event: str) -> list[Any]:
        return [data for name, _, data in self.server.sent if name == event]


@pytest.fixture
def hall(house: House) -> Hall:
    return Hall(house)


def token_of(client: Any) -> str:
    return str(client.headers["Authorization"].removeprefix("Bearer "))


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
