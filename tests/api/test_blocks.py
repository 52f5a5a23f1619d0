"""Blocks: between people, and never against those who moderate."""

from __future__ import annotations

import pytest

from live.chat import RECENT
from tests.api.test_feed import publish
from tests.api.test_rooms import go_live
from tests.hall import Hall
from tests.house import Client, House, problem


def ids(client: Client, path: str) -> list[str]:
    """What a page has for them, where there is one."""
    return [item["id"] for item in client.get(path).json.get("items", [])]


@pytest.mark.parametrize("role", ["moderator", "admin"])
def test_nobody_escapes_the_moderators_by_a_block(any_house: House, role: str) -> None:
    troll, staff, author = any_house.as_("troll"), any_house.as_("staff", role), any_house.as_("author")
    viewer = any_house.as_("viewer")
    note, room = publish(any_house, troll), go_live(troll)
    any_house.jobs()
    for blocked in (staff, viewer):
        troll.put(f"accounts/{blocked.id}/block")
    theirs = publish(any_house, author, 2)
    said = troll.post(f"notes/{theirs}/comments", {"text": "You again"}).json["id"]
    chat = troll.post(f"rooms/{room}/chat", {"text": "Nobody reads this"}).json["id"]
    pages = {
        f"accounts/{troll.id}/notes": note,
        f"notes/{theirs}/comments": said,
        "rooms": room,
        f"rooms/{room}/chat": chat,
        "search?q=linen": note,
    }
    for path, what in pages.items():
        assert what in ids(staff, path), path
        assert what not in ids(viewer, path), path


def test_a_host_s_block_throws_a_viewer_out_of_the_room_and_no_moderator(house: House) -> None:
    hall, host = Hall(house), house.as_("host")
    staff, viewer = house.as_("staff", "moderator"), house.as_("viewer")
    room = go_live(host)
    for sid, client in (("s", staff), ("v", viewer)):
        hall.enter(sid, client.headers["Authorization"].removeprefix("Bearer "))
        hall.join(sid, room)
    hall.settle()
    for client in (staff, viewer):
        host.put(f"accounts/{client.id}/block")
    assert [(sid, data["code"]) for event, sid, data in hall.server.sent if event == "room.gone"] == [
        ("v", "room.not_found")
    ]


def test_what_a_moderator_blocks_stays_out_of_their_own_sight(house: House) -> None:
    staff, troll = house.as_("staff", "moderator"), house.as_("troll")
    room = go_live(troll)
    staff.put(f"accounts/{troll.id}/block")
    assert ids(staff, "rooms") == []
    assert room in ids(house.anonymous(), "rooms")


def test_the_chat_of_a_suspended_account_is_read_by_nobody_until_it_is_reinstated(any_house: House) -> None:
    host, troll, viewer = any_house.as_("host"), any_house.as_("troll"), any_house.as_("viewer")
    room = go_live(host)
    said = troll.post(f"rooms/{room}/chat", {"text": "Look at me"}).json["id"]
    accounts = any_house.services.accounts
    any_house.engines.db.write(lambda tx: accounts.suspend(tx, troll.id))
    assert ids(viewer, f"rooms/{room}/chat") == []
    any_house.engines.db.write(lambda tx: accounts.reinstate(tx, troll.id))
    assert ids(viewer, f"rooms/{room}/chat") == [said]


@pytest.mark.parametrize("how", ["suspended", "blocked"])
def test_what_others_say_is_not_pushed_out_of_a_chat_by_whom_one_does_not_hear(any_house: House, how: str) -> None:
    host, troll, viewer = any_house.as_("host"), any_house.as_("troll"), any_house.as_("viewer")
    room, accounts = go_live(host), any_house.services.accounts
    said = host.post(f"rooms/{room}/chat", {"text": "Welcome"}).json["id"]
    for number in range(RECENT):
        any_house.clock.advance(seconds=2)
        assert troll.post(f"rooms/{room}/chat", {"text": f"{number} times louder"}).status_code == 201
    if how == "suspended":
        any_house.engines.db.write(lambda tx: accounts.suspend(tx, troll.id))
    else:
        viewer.put(f"accounts/{troll.id}/block")
    assert ids(viewer, f"rooms/{room}/chat") == [said]


def test_who_is_blocked_still_deletes_their_own_comment(any_house: House) -> None:
    author, viewer = any_house.as_("author"), any_house.as_("viewer")
    note = publish(any_house, author)
    said = viewer.post(f"notes/{note}/comments", {"text": "I take this back"}).json["id"]
    author.put(f"accounts/{viewer.id}/block")
    assert viewer.delete(f"comments/{said}").status_code == 204
    assert any_house.anonymous().get(f"notes/{note}").json["comments"] == 0
    assert problem(viewer.delete(f"comments/{said}")) == (404, "comment.not_found")


def test_who_is_blocked_still_takes_their_likes_and_saves_back(any_house: House) -> None:
    author, viewer = any_house.as_("author"), any_house.as_("viewer")
    note = publish(any_house, author)
    for kind in ("like", "save"):
        viewer.put(f"notes/{note}/{kind}")
    author.put(f"accounts/{viewer.id}/block")
    taken = [viewer.delete(f"notes/{note}/{kind}").json for kind in ("like", "save")]
    assert taken[-1] == {"liked": False, "saved": False, "likes": None, "saves": None}
    shown = any_house.anonymous().get(f"notes/{note}").json
    assert (shown["likes"], shown["saves"]) == (0, 0)
    for answer in (viewer.delete(f"notes/{note}/like"), viewer.put(f"notes/{note}/like")):
        assert problem(answer) == (404, "note.not_found")


def test_no_command_tells_who_is_blocked_what_a_profile_would_not(any_house: House) -> None:
    star, fan, staff = any_house.as_("star"), any_house.as_("fan"), any_house.as_("staff", "moderator")
    any_house.add_followers(star.id, 3)
    for blocked in (fan, staff):
        star.put(f"accounts/{blocked.id}/block")
    there = f"accounts/{star.id}"
    nothing = {"following": False, "blocked": False, "followers": None}
    assert problem(fan.get(there)) == (404, "account.not_found")
    assert fan.delete(f"{there}/follow").json == nothing
    assert fan.put(f"{there}/block").json == {**nothing, "blocked": True}
    assert fan.delete(f"{there}/block").json == nothing
    assert staff.delete(f"{there}/follow").json["followers"] == staff.get(there).json["followers"] == 3
