"""A socket is no better than its log-in: it ends with it, and does what the account's roles allow now."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hall import Hall, token_of
from tests.house import Client, House
from tests.market import buy, sell
from tests.studio import go_live
from web.auth import SESSION_COOKIE


@pytest.fixture
def hall(any_house: House) -> Hall:
    return Hall(any_house)


def watch(hall: Hall, sid: str, viewer: Client, room: str) -> None:
    hall.enter(sid, token_of(viewer))
    assert hall.join(sid, room)["ok"] is True
    hall.settle()


def test_logging_out_closes_the_sockets_of_that_log_in_and_no_other(any_house: House, hall: Hall) -> None:
    room, viewer = go_live(any_house.as_("host")), any_house.as_("viewer")
    elsewhere = any_house.engines.db.write(lambda tx: any_house.services.accounts._open_session(tx, viewer.id, None))
    watch(hall, "phone", viewer, room)
    watch(hall, "tab", viewer, room)
    hall.enter("laptop", elsewhere.token)
    hall.settle()
    assert viewer.delete("sessions/current").status_code == 204
    assert hall.server.here == {"laptop"}
    assert hall.heard("session.ended") == [{"code": "session.invalid"}] * 2
    assert hall.join("phone", room)["problem"]["code"] == "session.required"
    assert any_house.services.directory.presence.viewers(room) == 0
    buy(Client(any_house, {"Authorization": f"Bearer {elsewhere.token}"}, viewer.id), sell(any_house))
    assert [sid for name, sid, _ in hall.server.sent if name == "order.changed"] == ["laptop"]


def test_a_page_that_logs_out_is_nobody_on_its_socket_too(house: House) -> None:
    hall, viewer = Hall(house), house.as_("viewer")
    hall.enter("page", cookie=f"{SESSION_COOKIE}={token_of(viewer)}")
    hall.settle()
    house.services.accounts.log_out(token_of(viewer))
    assert (hall.server.here, hall.heard("session.ended")) == (set(), [{"code": "session.required"}])


def test_who_logs_out_while_connecting_does_not_stay(any_house: House, hall: Hall) -> None:
    viewer = any_house.as_("viewer")
    connect = any_house.services.accounts.authenticate

    def slow(token: str) -> Any:
        any_house.services.accounts.authenticate = connect  # type: ignore[method-assign]
        actor = connect(token)
        viewer.delete("sessions/current")
        return actor

    any_house.services.accounts.authenticate = slow  # type: ignore[method-assign]
    hall.enter("s1", token_of(viewer))
    hall.settle()
    assert hall.server.here == set()


def test_where_no_word_of_it_came_the_next_frame_finds_the_log_in_ended(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    hall, room, viewer = Hall(house), go_live(house.as_("host")), house.as_("viewer")
    watch(hall, "s1", viewer, room)
    monkeypatch.setattr(house.engines.realtime, "publish", lambda *lost: None)
    viewer.delete("sessions/current")
    assert hall.server.here == {"s1"}
    assert hall.join("s1", room)["problem"]["code"] == "session.invalid"
    hall.settle()
    assert (hall.server.here, hall.live.audience.in_room(room)) == (set(), [])


def test_a_suspension_says_why_the_socket_closes(any_house: House, hall: Hall) -> None:
    room, viewer = go_live(any_house.as_("host")), any_house.as_("viewer")
    watch(hall, "s1", viewer, room)
    any_house.engines.db.write(lambda tx: any_house.services.accounts.suspend(tx, viewer.id))
    assert (hall.server.here, hall.heard("session.ended")) == (set(), [{"code": "account.suspended"}])


def test_who_is_no_moderator_any_more_joins_no_hidden_room_and_who_became_one_does(
    any_house: House, hall: Hall
) -> None:
    db, services = any_house.engines.db, any_house.services
    room, old, new = go_live(any_house.as_("host")), any_house.as_("old", "moderator"), any_house.as_("new")
    db.write(lambda tx: services.desk.hide(tx, room))
    watch(hall, "old", old, room)
    hall.enter("new", token_of(new))
    assert hall.join("new", room)["problem"]["code"] == "room.not_found"
    db.write(lambda tx: services.accounts.drop_role(tx, old.id, "moderator"))
    db.write(lambda tx: services.accounts.add_role(tx, new.id, "moderator"))
    assert hall.join("old", room)["problem"]["code"] == "room.not_found"
    assert hall.join("new", room)["ok"] is True


def test_a_room_that_is_hidden_keeps_no_moderator_of_yesterday(any_house: House, hall: Hall) -> None:
    db, services = any_house.engines.db, any_house.services
    room, old, still = go_live(any_house.as_("host")), any_house.as_("old", "moderator"), any_house.as_("mod", "admin")
    watch(hall, "old", old, room)
    watch(hall, "still", still, room)
    db.write(lambda tx: services.accounts.drop_role(tx, old.id, "moderator"))
    db.write(lambda tx: services.desk.hide(tx, room))
    assert [connection.sid for connection in hall.live.audience.in_room(room)] == ["still"]
    assert hall.heard("room.gone") == [{"room": room, "code": "room.not_found"}]
