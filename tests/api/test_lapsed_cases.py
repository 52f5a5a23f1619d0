"""A case that only the rules opened ends when its author mends the words: one rule for everything that has versions."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest

from tests.desk import case_of, decide, report, told, undo
from tests.house import Client, House, problem
from tests.market import list_product
from tests.studio import open_room
from tests.visitor import Visitor
from tests.writing import close_gate, open_gate, publish

PHONE = "Call me 13812345678"


class Thing:
    """Something of `author`'s that has versions; `say` gives it other words and returns when they are read."""

    def __init__(self, house: House, author: Client, path: str, field: str, id: str, version: int = 1) -> None:
        self.house, self.author, self.path, self.field, self.id = house, author, path, field, id
        self.version = version

    def say(self, words: str) -> None:
        changed = self.author.patch(self.path, {self.field: words}, etag=str(self.version))
        assert changed.status_code == 200, changed.json
        self.version += 1
        self.house.jobs()


def a_note(house: House) -> Thing:
    author = house.as_("author")
    note = publish(house, author)
    return Thing(house, author, f"notes/{note}", "text", note)


def a_listing(house: House) -> Thing:
    author = house.as_("author", "merchant")
    product = str(list_product(author)["id"])
    return Thing(house, author, f"products/{product}", "description", product)


def a_profile(house: House) -> Thing:
    author = house.as_("author")
    return Thing(house, author, "me", "bio", author.id)


def a_room(house: House) -> Thing:
    author = house.as_("author")
    room = open_room(author)
    return Thing(house, author, f"rooms/{room}", "title", room)


THINGS: dict[str, Callable[[House], Thing]] = {
    "note": a_note,
    "product": a_listing,
    "account": a_profile,
    "room": a_room,
}


def waiting(moderator: Client, status: str = "open") -> list[str]:
    return [case["target_id"] for case in moderator.get(f"cases?status={status}").json["items"]]


@pytest.mark.parametrize("kind", THINGS)
def test_a_case_that_only_the_rules_opened_closes_when_the_words_are_mended(any_house: House, kind: str) -> None:
    thing, moderator = THINGS[kind](any_house), any_house.as_("mod", "moderator")
    thing.say(PHONE)
    case = case_of(moderator, thing.id)["id"]
    assert moderator.post(f"cases/{case}/claim").status_code == 200
    thing.say("Washed twice.")
    assert (waiting(moderator), waiting(moderator, "closed")) == ([], [thing.id])
    late = moderator.post(f"cases/{case}/actions", {"action": "hide", "version": thing.version, "reason": "Phone"})
    assert problem(late) == (409, "case.closed")
    line = moderator.get("audit").json["items"][0]
    assert (line["what"], line["actor_id"], line["target_id"]) == ("case.lapsed", thing.author.id, thing.id)
    assert line["data"] == {"case": case, "version": thing.version}
    assert told(thing.author) == ["content.screened"]
    thing.say(PHONE)
    assert waiting(moderator) == [thing.id]
    assert moderator.get(f"cases/{case}").json["hits"][0]["rule"] == "phone_number"


@pytest.mark.parametrize("kind", THINGS)
def test_a_case_with_a_report_waits_for_a_moderator_whatever_its_author_writes(any_house: House, kind: str) -> None:
    thing, moderator = THINGS[kind](any_house), any_house.as_("mod", "moderator")
    assert report(any_house.as_("reporter"), kind, thing.id).status_code == 201
    thing.say(PHONE)
    thing.say("Washed twice.")
    assert waiting(moderator) == [thing.id]
    assert decide(moderator, thing.id, "approve").status_code == 201
    assert waiting(moderator) == []


@pytest.mark.parametrize("kind", THINGS)
def test_words_that_a_moderators_decision_holds_wait_however_clean(any_house: House, kind: str) -> None:
    thing, moderator = THINGS[kind](any_house), any_house.as_("mod", "moderator")
    report(any_house.as_("reporter"), kind, thing.id)
    hidden = decide(moderator, thing.id, "hide").json["id"]
    for words in (PHONE, "Washed twice.", "Washed three times."):
        thing.say(words)
        assert waiting(moderator) == [thing.id]
    any_house.clock.advance(seconds=1)
    undo(moderator, hidden)
    assert waiting(moderator) == []


def test_the_desk_says_how_a_case_ended_that_nobody_decided(house: House) -> None:
    thing, browser = a_listing(house), Visitor(house)
    browser.log_in("mod", "moderator")
    thing.say(PHONE)
    thing.say("Washed twice.")
    case = house.as_("other", "moderator").get("cases?status=closed").json["items"][0]["id"]
    assert "Its author changed it before anybody decided" in browser.text(f"/moderation?status=closed&case={case}")


# -- at the same moment ------------------------------------------------------------------------------------------------


def reported_note(house: House) -> tuple[Thing, Client]:
    note, moderator = a_note(house), house.as_("mod", "moderator")
    report(house.as_("reporter"), "note", note.id)
    return note, moderator


def after(service: Any, name: str, then: Callable[[], Any]) -> None:
    """Have something happen right after a step of the service."""
    step = getattr(service, name)

    def run(*arguments: Any) -> Any:
        out = step(*arguments)
        then()
        return out

    setattr(service, name, run)


def test_a_version_that_is_read_while_a_moderator_limits_the_one_before_is_limited(any_house: House) -> None:
    note, moderator = reported_note(any_house)
    reading = Thread(target=any_house.jobs)

    def read() -> None:
        reading.start()
        reading.join(0.5)  # for as long as the action is not committed there is nothing more to do

    def edit() -> None:
        assert note.author.patch(note.path, {"text": "Other words"}, etag="1").status_code == 200

    after(any_house.services.moderation, "_judged", edit)
    after(any_house.services.moderation, "_act", read)
    assert decide(moderator, note.id, "limit").status_code == 201
    reading.join()
    any_house.jobs()
    mine = note.author.get(note.path).json
    assert (mine["version"], mine["state"]) == (2, "limited")


def test_nobody_judges_a_version_that_another_one_replaced_since_the_look(any_house: House) -> None:
    note, moderator = reported_note(any_house)
    after(any_house.services.moderation, "_judged", lambda: note.say("Other words"))
    refused = decide(moderator, note.id, "limit")
    assert (problem(refused), refused.json["version"]) == ((409, "case.version_changed"), 2)
    mine = note.author.get(note.path).json
    assert (mine["version"], mine["state"], told(note.author)) == (2, "public", [])
    assert waiting(moderator) == [note.id]


def test_what_the_gate_refused_once_is_told_once(any_house: House) -> None:
    author, moderator = any_house.as_("author"), any_house.as_("mod", "moderator")
    open_gate(any_house, author.id)
    product = list_product(any_house.as_("shop", "merchant"))
    note = publish(any_house, author, products=[product["skus"][0]["id"]])
    report(any_house.as_("reporter"), "note", note)
    limited = decide(moderator, note, "limit").json["id"]
    assert author.patch(f"notes/{note}", {"text": "Other words"}, etag="1").status_code == 200
    close_gate(any_house, author.id)
    any_house.jobs()
    assert told(author).count("content.screened") == 1
    any_house.clock.advance(seconds=1)
    undo(moderator, limited)
    assert author.get(f"notes/{note}").json["state"] == "rejected"
    assert told(author).count("content.screened") == 1
