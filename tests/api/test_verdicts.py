"""What verdicts do to each kind of thing, who is told, and what the ill-willed cannot do with reports and cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.desk import case_of, decide, report, told, undo
from tests.house import Client, House, problem
from tests.market import list_product
from tests.studio import go_live, open_room
from tests.writing import publish

PHONE = "Call me 13812345678"
COUNTERFEIT = "卖高仿包包"


def a_note(house: House) -> tuple[Client, str, Callable[[], bool]]:
    author = house.as_("author")
    note = publish(house, author)
    return author, note, lambda: house.anonymous().get(f"notes/{note}").status_code == 200


def a_comment(house: House) -> tuple[Client, str, Callable[[], bool]]:
    author, note = house.as_("author"), publish(house, house.as_("writer"))
    comment = author.post(f"notes/{note}/comments", {"text": "Lovely"}).json["id"]
    house.jobs()
    return author, comment, lambda: bool(house.anonymous().get(f"notes/{note}/comments").json["items"])


def a_message(house: House) -> tuple[Client, str, Callable[[], bool]]:
    author, room = house.as_("author"), go_live(house.as_("host"))
    said = author.post(f"rooms/{room}/chat", {"text": "Lovely"}).json["id"]
    return author, said, lambda: bool(house.anonymous().get(f"rooms/{room}/chat").json["items"])


def a_product(house: House) -> tuple[Client, str, Callable[[], bool]]:
    author = house.as_("author", "merchant")
    product = str(list_product(author)["id"])
    return author, product, lambda: house.anonymous().get(f"products/{product}").status_code == 200


def a_room(house: House) -> tuple[Client, str, Callable[[], bool]]:
    author = house.as_("author")
    room = go_live(author)
    return author, room, lambda: house.anonymous().get(f"rooms/{room}").status_code == 200


def a_profile(house: House) -> tuple[Client, str, Callable[[], bool]]:
    author = house.as_("author")
    return author, author.id, lambda: house.anonymous().get(f"accounts/{author.id}").json["name"] == "Author"


THINGS = {
    "note": a_note,
    "comment": a_comment,
    "chat": a_message,
    "product": a_product,
    "room": a_room,
    "account": a_profile,
}


@pytest.mark.parametrize("kind", THINGS)
def test_everything_can_be_reported_hidden_and_brought_back_and_all_are_told(any_house: House, kind: str) -> None:
    author, thing, seen = THINGS[kind](any_house)
    reporter, moderator = any_house.as_("reporter"), any_house.as_("mod", "moderator")
    assert report(reporter, kind, thing).status_code == 201
    assert case_of(moderator, thing)["author_id"] == author.id
    acted = decide(moderator, thing, "hide")
    assert acted.status_code == 201, acted.json
    assert not seen()
    assert (told(author), told(reporter)) == (["content.acted"], ["report.answered"])
    undone = moderator.post(f"actions/{acted.json['id']}/undo", {"reason": "A second look"})
    assert undone.status_code == 200, undone.json
    assert seen()
    assert told(author) == ["content.restored", "content.acted"]
    assert told(reporter) == ["report.reopened", "report.answered"]


@pytest.mark.parametrize("kind", THINGS)
def test_taking_back_that_nothing_was_wrong_hides_nothing(house: House, kind: str) -> None:
    _, thing, seen = THINGS[kind](house)
    moderator = house.as_("mod", "moderator")
    report(house.as_("reporter"), kind, thing)
    action = decide(moderator, thing, "approve").json["id"]
    assert moderator.post(f"actions/{action}/undo", {"reason": "A second look"}).status_code == 200
    assert seen()


@pytest.mark.parametrize(("kind", "action"), [("comment", "limit"), ("account", "reject"), ("chat", "remove")])
def test_what_makes_no_sense_for_a_kind_is_refused(house: House, kind: str, action: str) -> None:
    author, thing, seen = THINGS[kind](house)
    moderator = house.as_("mod", "moderator")
    report(house.as_("reporter"), kind, thing)
    assert action not in case_of(moderator, thing)["choices"]
    assert problem(decide(moderator, thing, action)) == (422, "action.not_for_kind")
    assert seen()
    assert told(author) == []


def test_a_removed_profile_is_suspended_until_that_is_undone(any_house: House) -> None:
    author, _, seen = a_note(any_house)
    moderator = any_house.as_("mod", "moderator")
    report(any_house.as_("reporter"), "account", author.id)
    acted = decide(moderator, author.id, "remove").json
    assert problem(author.get("me")) == (401, "account.suspended")
    assert not seen()
    moderator.post(f"actions/{acted['id']}/undo", {"reason": "Somebody else's face"})
    assert author.get("me").status_code == 200
    assert seen()


def test_only_an_admin_judges_staff(house: House) -> None:
    chief, moderator = house.as_("chief", "admin"), house.as_("mod", "moderator")
    report(house.as_("reporter"), "account", chief.id)
    assert problem(decide(moderator, chief.id, "remove")) == (403, "role.required")
    assert chief.get("me").status_code == 200


def test_blocking_the_moderators_saves_nobody(house: House) -> None:
    author, moderator = house.as_("author"), house.as_("mod", "moderator")
    report(house.as_("reporter"), "account", author.id)
    author.put(f"accounts/{moderator.id}/block")
    assert decide(moderator, author.id, "hide").status_code == 201
    assert house.anonymous().get(f"accounts/{author.id}").json["name"] == f"user-{author.id[-8:]}"


def test_deleting_the_evidence_saves_nobody_from_the_strike(any_house: House) -> None:
    author, note, _ = a_note(any_house)
    reporter, moderator = any_house.as_("reporter"), any_house.as_("mod", "moderator")
    report(reporter, "note", note)
    author.delete(f"notes/{note}")
    assert case_of(moderator, note)["choices"] == ["approve", "remove"]
    assert decide(moderator, note, "remove", strike=True).status_code == 201
    assert any_house.services.strikes.active_strikes(author.id) == 1
    assert told(reporter) == ["report.answered"]
    assert moderator.get("cases").json["items"] == []


def test_an_undone_verdict_on_what_screening_held_is_asked_again(any_house: House) -> None:
    author, moderator = any_house.as_("author"), any_house.as_("mod", "moderator")
    note = publish(any_house, author, text=PHONE)
    assert told(author) == ["content.screened"]
    action = decide(moderator, note, "approve").json["id"]
    assert any_house.anonymous().get(f"notes/{note}").status_code == 200
    moderator.post(f"actions/{action}/undo", {"reason": "It is a phone number"})
    assert problem(any_house.anonymous().get(f"notes/{note}")) == (404, "note.not_found")
    assert case_of(moderator, note)["status"] == "open"


def test_undoing_a_second_hiding_leaves_the_first_one_standing(any_house: House) -> None:
    _, comment, seen = a_comment(any_house)
    moderator = any_house.as_("mod", "moderator")
    report(any_house.as_("first"), "comment", comment)
    decide(moderator, comment, "hide")
    any_house.services.cases.db.write(
        lambda tx: any_house.services.cases.open(tx, "comment", comment, "acct_x", 0.5, 0)
    )
    any_house.clock.advance(seconds=1)
    second = decide(moderator, comment, "remove").json["id"]
    moderator.post(f"actions/{second}/undo", {"reason": "Hidden is enough"})
    assert not seen()


# -- reports -----------------------------------------------------------------------------------------------------------


def test_nobody_reports_their_own(house: House) -> None:
    author, note, _ = a_note(house)
    assert problem(report(author, "note", note)) == (403, "report.own_content")
    assert house.as_("mod", "moderator").get("cases").json["items"] == []


def test_one_person_reopens_no_decided_case_until_the_thing_has_changed(any_house: House) -> None:
    author, note, _ = a_note(any_house)
    reporter, moderator = any_house.as_("reporter"), any_house.as_("mod", "moderator")
    report(reporter, "note", note)
    decide(moderator, note, "approve")
    assert problem(report(reporter, "note", note, "dangerous")) == (409, "report.already_decided")
    assert moderator.get("cases").json["items"] == []
    author.patch(f"notes/{note}", {"text": "Other words"}, etag="1")
    any_house.jobs()
    assert report(reporter, "note", note).status_code == 201
    assert report(any_house.as_("second"), "note", note).status_code == 201


def test_a_profile_that_was_changed_is_reported_and_judged_as_it_is_now(any_house: House) -> None:
    author, reporter, moderator = any_house.as_("author"), any_house.as_("reporter"), any_house.as_("mod", "moderator")
    report(reporter, "account", author.id)
    decide(moderator, author.id, "approve")
    assert problem(report(reporter, "account", author.id)) == (409, "report.already_decided")
    edited = author.patch("me", {"bio": "Cheaper elsewhere"}, etag="1")
    assert edited.status_code == 200, edited.json
    assert report(reporter, "account", author.id).status_code == 201
    case = case_of(moderator, author.id)["id"]
    stale = moderator.post(f"cases/{case}/actions", {"action": "hide", "version": 1, "reason": "Spam"})
    assert problem(stale) == (409, "case.version_changed")
    assert any_house.anonymous().get(f"accounts/{author.id}").json["bio"] == "Cheaper elsewhere"


def test_a_flood_of_reports_is_stopped(build: Any) -> None:
    house = build(rate_limits=True)
    reporter = house.as_("reporter")
    answers = [report(reporter, "account", house.as_(f"a{n}").id).status_code for n in range(21)]
    assert answers == [201] * 20 + [429]


# -- cases -------------------------------------------------------------------------------------------------------------


def test_nobody_keeps_their_own_case_from_others_by_claiming_it(any_house: House) -> None:
    mine, other = any_house.as_("mod", "moderator"), any_house.as_("other", "moderator")
    report(any_house.as_("reporter"), "account", mine.id)
    case = case_of(other, mine.id)["id"]
    assert problem(mine.post(f"cases/{case}/claim")) == (403, "case.own_content")
    assert other.post(f"cases/{case}/claim").status_code == 200


def test_an_action_after_the_lease_went_to_somebody_else_is_refused(any_house: House) -> None:
    author, note, seen = a_note(any_house)
    slow, quick = any_house.as_("slow", "moderator"), any_house.as_("quick", "moderator")
    report(any_house.as_("reporter"), "note", note)
    case = case_of(slow, note)["id"]
    slow.post(f"cases/{case}/claim")
    any_house.clock.advance(minutes=16)
    quick.post(f"cases/{case}/claim")
    assert problem(decide(slow, note, "hide")) == (409, "case.claimed")
    assert seen()
    assert decide(quick, note, "approve").status_code == 201
    late = slow.post(f"cases/{case}/actions", {"action": "hide", "version": 1, "reason": "Late"})
    assert problem(late) == (409, "case.closed")
    assert told(author) == ["content.acted"]


def test_the_queue_is_counted(any_house: House) -> None:
    moderator = any_house.as_("mod", "moderator")
    empty = {"open": 0, "claimed": 0, "closed": 0, "oldest_opened_at": None, "by_kind": {}}
    assert moderator.get("cases/counts").json == empty
    people = [any_house.as_(f"author{n}").id for n in range(3)]
    for person in people:
        report(any_house.as_(f"by_{person[-8:]}"), "account", person)
        any_house.clock.advance(minutes=1)
    first = case_of(moderator, people[0])
    decide(moderator, people[2], "approve")
    moderator.post(f"cases/{first['id']}/claim")
    counts = moderator.get("cases/counts").json
    assert counts == {
        **empty,
        "open": 2,
        "claimed": 1,
        "closed": 1,
        "oldest_opened_at": first["opened_at"],
        "by_kind": {"account": 2},
    }
    any_house.clock.advance(minutes=16)
    assert moderator.get("cases/counts").json["claimed"] == 0
    assert problem(any_house.as_("viewer").get("cases/counts")) == (403, "role.required")


# -- titles and chat -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("title", [PHONE, COUNTERFEIT])
def test_a_room_with_a_blocked_title_is_not_shown_and_does_not_start(any_house: House, title: str) -> None:
    host = any_house.as_("host")
    room = open_room(host, title)
    assert host.get(f"rooms/{room}").json["hidden"] is True
    assert problem(host.post(f"rooms/{room}/start")) == (403, "room.hidden")
    assert problem(any_house.anonymous().get(f"rooms/{room}")) == (404, "room.not_found")
    assert told(host) == ["content.screened"]


def test_another_title_is_screened_again_and_may_go_on_air_at_once(any_house: House) -> None:
    host = any_house.as_("host")
    room = open_room(host, COUNTERFEIT)
    changed = host.patch(f"rooms/{room}", {"title": "Linen, live"}, etag="1")
    assert (changed.json["title"], changed.json["version"], changed.json["hidden"]) == ("Linen, live", 2, False)
    assert problem(host.patch(f"rooms/{room}", {"title": "Late"}, etag="1")) == (412, "version.changed")
    assert host.post(f"rooms/{room}/start").status_code == 200
    assert problem(host.patch(f"rooms/{room}", {"title": PHONE}, etag="2")) == (409, "room.already_live")
    assert host.get(f"rooms/{room}").json["title"] == "Linen, live"
    assert problem(any_house.as_("else").patch(f"rooms/{room}", {"title": "Mine"}, etag="2")) == (403, "room.not_host")


def test_a_moderator_lets_a_held_title_go_on_air(any_house: House) -> None:
    host, moderator = any_house.as_("host"), any_house.as_("mod", "moderator")
    room = open_room(host, PHONE)
    assert decide(moderator, room, "approve").status_code == 201
    assert host.post(f"rooms/{room}/start").status_code == 200


def test_a_new_title_brings_no_hidden_room_back(any_house: House) -> None:
    host, moderator = any_house.as_("host"), any_house.as_("mod", "moderator")
    room = open_room(host)
    report(any_house.as_("reporter"), "room", room)
    decide(moderator, room, "hide")
    assert host.patch(f"rooms/{room}", {"title": "Fresh start"}, etag="1").json["hidden"] is True
    assert problem(host.post(f"rooms/{room}/start")) == (403, "room.hidden")


@pytest.mark.parametrize("text", [COUNTERFEIT, "kill yourself", "日赚5000 躺赚"])
def test_what_is_certainly_wrong_is_not_said(any_house: House, text: str) -> None:
    room, speaker = go_live(any_house.as_("host")), any_house.as_("speaker")
    assert problem(speaker.post(f"rooms/{room}/chat", {"text": text}, key="k")) == (422, "chat.refused")
    assert any_house.anonymous().get(f"rooms/{room}/chat").json["items"] == []
    assert speaker.post(f"rooms/{room}/chat", {"text": "Sorry"}, key="k").json["n"] == 1


def test_the_first_doubtful_message_is_said_and_looked_at_and_the_next_waits_for_that(any_house: House) -> None:
    room, speaker = go_live(any_house.as_("host")), any_house.as_("speaker")
    moderator = any_house.as_("mod", "moderator")
    said = speaker.post(f"rooms/{room}/chat", {"text": PHONE}).json["id"]
    assert problem(speaker.post(f"rooms/{room}/chat", {"text": PHONE})) == (422, "chat.refused")
    assert [line["id"] for line in any_house.anonymous().get(f"rooms/{room}/chat").json["items"]] == [said]
    assert [case["target"]["text"] for case in moderator.get("cases").json["items"]] == [PHONE]
    assert moderator.get(f"cases/{case_of(moderator, said)['id']}").json["hits"][0]["rule"] == "phone_number"
    decide(moderator, said, "hide")
    assert any_house.anonymous().get(f"rooms/{room}/chat").json["items"] == []
    assert speaker.post(f"rooms/{room}/chat", {"text": "Only words"}).status_code == 201


def test_a_host_puts_nothing_into_a_notice_that_chat_would_refuse(house: House) -> None:
    host = house.as_("host")
    room = go_live(host)
    assert problem(host.post(f"rooms/{room}/notice", {"text": PHONE})) == (422, "chat.refused")
    assert [event["kind"] for event in host.get(f"rooms/{room}/events").json["events"]] == ["room.started"]


@pytest.mark.parametrize("action", ["hide", "remove"])
def test_what_a_judged_profile_says_of_itself_stands_nowhere(any_house: House, action: str) -> None:
    author, moderator, viewer = any_house.as_("author"), any_house.as_("mod", "moderator"), any_house.as_("viewer")
    author.patch("me", {"name": "BUY FAKES", "bio": "fakes, fakes"}, etag="1")
    note = publish(any_house, author, title="Washed linen shirt", text="Soft after the third wash, true to size.")
    room = go_live(author)
    report(any_house.as_("r1"), "account", author.id)
    if action == "remove":  # a harder verdict never lifts what the softer one did
        decide(moderator, author.id, "hide")
        any_house.clock.advance(seconds=1)
        report(any_house.as_("r2"), "account", author.id)
    assert decide(moderator, author.id, action).status_code == 201
    any_house.jobs()
    paths = [
        f"accounts/{author.id}",
        f"notes/{note}",
        f"accounts/{author.id}/notes",
        "search?q=linen",
        "rooms",
        f"rooms/{room}",
    ]
    viewer.put(f"accounts/{author.id}/follow")
    for path in [*paths, "feed", "feed/following"]:
        assert "fakes" not in viewer.get(path).get_data(as_text=True).casefold(), path


def test_what_was_done_to_staff_takes_an_admin_to_undo(house: House) -> None:
    chief, moderator, bad = house.as_("chief", "admin"), house.as_("mod", "moderator"), house.as_("bad", "moderator")
    report(house.as_("r"), "account", bad.id)
    action = decide(chief, bad.id, "remove").json["id"]
    assert problem(moderator.post(f"actions/{action}/undo", {"reason": "second look"})) == (403, "role.required")
    assert bad.get("me").status_code == 401
    assert chief.post(f"actions/{action}/undo", {"reason": "second look"}).status_code in (200, 201)
    assert bad.get("me").status_code == 200


def test_of_two_verdicts_taken_back_neither_is_left(any_house: House) -> None:
    author, note, seen = a_note(any_house)
    moderator, actions = any_house.as_("mod", "moderator"), []
    for number, action in enumerate(("limit", "reject")):
        report(any_house.as_(f"reporter{number}"), "note", note)
        actions.append(decide(moderator, note, action).json["id"])
        any_house.clock.advance(seconds=1)
    assert not seen()
    undo(moderator, actions[1])
    assert author.get(f"notes/{note}").json["state"] == "limited"
    undo(moderator, actions[0])
    assert author.get(f"notes/{note}").json["state"] == "public"
    assert seen()


def test_what_was_held_waits_again_when_every_verdict_is_taken_back(any_house: House) -> None:
    author, moderator = any_house.as_("author"), any_house.as_("mod", "moderator")
    note = author.post("notes", {"title": "Washed linen", "text": PHONE}).json["id"]
    author.post(f"notes/{note}/submit")
    any_house.jobs()
    actions = []
    for number, action in enumerate(("approve", "reject")):
        if number:
            report(any_house.as_("reporter"), "note", note)
        actions.append(decide(moderator, note, action).json["id"])
        any_house.clock.advance(seconds=1)
    for action in reversed(actions):
        undo(moderator, action)
    assert author.get(f"notes/{note}").json["state"] == "in_review"
    assert any_house.anonymous().get(f"notes/{note}").status_code == 404
    assert case_of(moderator, note)["status"] == "open"


def test_a_note_that_was_hidden_twice_stays_hidden_when_one_is_taken_back(any_house: House) -> None:
    author, note, seen = a_note(any_house)
    first, second = any_house.as_("mod", "moderator"), any_house.as_("mod2", "moderator")
    report(any_house.as_("reporter"), "note", note)
    earlier = decide(first, note, "hide").json["id"]
    any_house.clock.advance(seconds=1)
    assert author.patch(f"notes/{note}", {"text": PHONE}, etag="1").status_code == 200
    any_house.jobs()
    later = decide(first, note, "hide").json["id"]
    undo(second, later)
    any_house.jobs()
    assert not seen()
    undo(second, earlier)
    assert seen()
    assert any_house.anonymous().get(f"notes/{note}").json["text"] != PHONE
