"""What two people, or one person twice, do at the same moment: threads on both databases."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.api.test_orders import in_parallel
from tests.house import House
from tests.market import list_product
from tests.studio import go_live, open_room


def test_no_follow_survives_a_block_made_at_the_same_moment(any_house: House) -> None:
    for number in range(12):
        fan, star = any_house.as_(f"fan{number}"), any_house.as_(f"star{number}")
        answers = in_parallel(
            [
                lambda fan=fan, star=star: fan.put(f"accounts/{star.id}/follow").status_code,
                lambda fan=fan, star=star: star.put(f"accounts/{fan.id}/block").status_code,
                lambda fan=fan, star=star: star.put(f"accounts/{fan.id}/follow").status_code,
            ]
        )
        assert set(answers) <= {200, 404}
        for one in (fan, star):
            mine = one.get("me").json
            assert (mine["following"], mine["followers"]) == (0, 0)
            assert any_house.services.accounts.following_ids(one.id) == []
        assert star.get(f"accounts/{fan.id}").json["blocked_by_me"] is True


@pytest.mark.parametrize("live", [True, False])
def test_shelves_put_up_at_once_leave_one_of_them_whole(any_house: House, live: bool) -> None:
    host = any_house.as_("host", "merchant")
    skus = [list_product(host)["skus"][0]["id"] for _ in range(4)]
    room = (go_live if live else open_room)(host, shelf=skus)
    shelves = [skus[:2], skus[2:], skus[::-1], [skus[0], skus[3]]] * 2
    answers = in_parallel(
        [lambda shelf=shelf: host.put(f"rooms/{room}/shelf", {"skus": shelf}).status_code for shelf in shelves]
    )
    assert set(answers) == {200}
    shown = host.get(f"rooms/{room}").json
    assert shown["shelf"] in shelves
    if live:
        assert [item["sku_id"] for item in shown["state"]["shelf"]] == shown["shelf"]


def test_a_room_goes_on_air_with_the_shelf_that_it_has(any_house: House) -> None:
    host = any_house.as_("host", "merchant")
    skus = [list_product(host)["skus"][0]["id"] for _ in range(2)]
    for number in range(6):
        room = open_room(host, shelf=[skus[0]])
        started, changed = in_parallel(
            [
                lambda room=room: host.post(f"rooms/{room}/start"),
                lambda room=room: host.put(f"rooms/{room}/shelf", {"skus": [skus[1]]}),
            ]
        )
        assert changed.status_code == 200
        shown = host.get(f"rooms/{room}").json
        if started.status_code == 409:
            assert (started.json["code"], shown["status"]) == ("room.shelf_changed", "created"), number
        else:
            assert [item["sku_id"] for item in shown["state"]["shelf"]] == shown["shelf"] == [skus[1]]
            host.post(f"rooms/{room}/end")


@pytest.mark.parametrize(("hosts", "refusal"), [(1, "room.host_on_air"), (2, "air.full")])
def test_of_two_rooms_that_start_at_once_one_goes_on_air(
    any_house: House, monkeypatch: pytest.MonkeyPatch, hosts: int, refusal: str
) -> None:
    people = [any_house.as_(f"host{number}") for number in range(hosts)] * (3 - hosts)
    rooms = [open_room(person) for person in people]
    most = {"name": "live.rooms_on_air", "value": 3 - hosts, "reason": "a small machine"}
    assert any_house.as_("boss", "admin").put("policies", most).status_code == 200
    begin, waits = any_house.services.streams.begin, [threading.Barrier(2).wait] * 2

    def begin_together(room: Any) -> bool:
        if waits:  # the room on air makes sure of its stream once more
            waits.pop()(timeout=30)  # neither saw the other when it looked
        return begin(room)

    monkeypatch.setattr(any_house.services.streams, "begin", begin_together)
    answers = in_parallel(
        [lambda n=n: people[n].post(f"rooms/{rooms[n]}/start") for n in range(2)]  # type: ignore[misc]
    )
    assert sorted(answer.status_code for answer in answers) in ([200, 409], [200, 503])
    lost = next(n for n, answer in enumerate(answers) if answer.status_code != 200)
    assert answers[lost].json["code"] == refusal
    assert any_house.services.directory.live_ids() == [rooms[1 - lost]]
    monkeypatch.undo()
    any_house.jobs()
    assert any_house.engines.streams.kept(rooms[lost]) is False
