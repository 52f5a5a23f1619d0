"""A moderator's decision stands until it is taken back, whatever authors write and screening reads meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from tests.desk import case_of, decide, report, told, undo
from tests.house import Client, House, problem
from tests.market import list_product
from tests.writing import close_gate, open_gate, publish

HELD = "Call me 13812345678"


class Desk:
    """A published note of an author, and a moderator who acts on it; each reporter is somebody else."""

    def __init__(self, house: House, author: Client | None = None, **fields: Any) -> None:
        self.house = house
        self.author, self.moderator = author or house.as_("author"), house.as_("mod", "moderator")
        self.note = publish(house, self.author, **fields)
        self.reporters = 0

    def reported(self) -> Client:
        self.reporters += 1
        reporter = self.house.as_(f"reporter{self.reporters}")
        assert report(reporter, "note", self.note).status_code == 201
        return reporter

    def act(self, action: str) -> str:
        """Decide the open case; the action's id."""
        self.house.clock.advance(seconds=1)
        acted = decide(self.moderator, self.note, action)
        assert acted.status_code == 201, acted.json
        return str(acted.json["id"])

    def judge(self, action: str) -> str:
        """Have the note reported, and decide that."""
        self.reported()
        return self.act(action)

    def undo(self, action: str) -> None:
        self.house.clock.advance(seconds=1)
        undo(self.moderator, action)
        self.house.jobs()

    def edit(self, **change: Any) -> None:
        version = self.author.get(f"notes/{self.note}").json["version"]
        edited = self.author.patch(f"notes/{self.note}", change, etag=str(version))
        assert edited.status_code == 200, edited.json
        if edited.json["state"] == "draft":
            assert self.author.post(f"notes/{self.note}/submit").status_code == 200
        self.house.jobs()

    @property
    def state(self) -> str:
        """Of the newest version, as its author sees it."""
        return str(self.author.get(f"notes/{self.note}").json["state"])

    @property
    def shown(self) -> str | None:
        """The text that strangers get."""
        answer = self.house.anonymous().get(f"notes/{self.note}")
        return str(answer.json["text"]) if answer.status_code == 200 else None

    @property
    def waits(self) -> bool:
        """Whether there is an open case."""
        return any(case["target_id"] == self.note for case in self.moderator.get("cases?limit=100").json["items"])


@pytest.fixture
def desk(any_house: House) -> Desk:
    return Desk(any_house)


def test_an_edit_of_a_limited_note_is_limited_until_that_is_taken_back(desk: Desk) -> None:
    limit = desk.judge("limit")
    desk.edit(text="Other words, as clean as the first.")
    assert (desk.state, desk.waits) == ("limited", False)
    desk.edit(text="And others again.")
    assert desk.state == "limited"
    assert desk.author.get(f"notes/{desk.note}").json["state_reason"] == "The rules say so"
    desk.undo(limit)
    assert (desk.state, desk.shown) == ("public", "And others again.")


def test_a_changed_listing_lifts_no_limit(any_house: House) -> None:
    merchant, author = any_house.as_("shop", "merchant"), any_house.as_("creator")
    open_gate(any_house, author.id)
    product = list_product(merchant)
    note = publish(any_house, author, products=[product["skus"][0]["id"]])
    moderator = any_house.as_("mod", "moderator")
    report(any_house.as_("reporter"), "note", note)
    decide(moderator, note, "limit")
    assert merchant.patch(f"products/{product['id']}", {"title": "Washed linen"}, etag="1").status_code == 200
    any_house.jobs()
    assert author.get(f"notes/{note}").json["state"] == "limited"


@pytest.mark.parametrize("action", ["reject", "hide"])
def test_an_edit_of_what_a_moderator_took_out_waits_for_one(desk: Desk, action: str) -> None:
    done = desk.judge(action)
    assert not desk.waits
    desk.edit(text="Mended.")
    assert (desk.shown, desk.waits) == (None, True)
    case = case_of(desk.moderator, desk.note)
    assert (case["target"]["text"], case["target"]["version"]) == ("Mended.", 2)
    assert told(desk.author)[0] == "content.screened"
    desk.undo(done)
    assert (desk.state, desk.shown, desk.waits) == ("public", "Mended.", False)


def test_a_moderator_lets_the_mended_version_of_a_rejected_note_appear(desk: Desk) -> None:
    reject = desk.judge("reject")
    desk.edit(text="Mended.")
    approve = desk.act("approve")
    assert (desk.state, desk.shown) == ("public", "Mended.")
    desk.edit(text="Mended better.")
    assert (desk.state, desk.shown) == ("public", "Mended better.")
    desk.undo(approve)  # what was let through in its light waits with it
    assert (desk.state, desk.shown, desk.waits) == ("in_review", None, True)
    desk.undo(reject)
    assert (desk.state, desk.shown, desk.waits) == ("public", "Mended better.", False)


def test_a_harder_word_of_the_rules_is_not_softened_by_a_limit(desk: Desk) -> None:
    limit = desk.judge("limit")
    desk.edit(text=HELD)
    assert (desk.state, desk.waits) == ("in_review", True)
    desk.undo(limit)
    assert (desk.state, desk.waits) == ("in_review", True)


def test_a_first_hiding_is_not_overlooked_behind_other_decisions(desk: Desk) -> None:
    first = desk.judge("hide")
    desk.edit(text="Mended.")
    approve = desk.act("approve")
    assert desk.shown is None
    report(desk.house.as_("colleague", "moderator"), "note", desk.note)
    second = desk.act("hide")
    desk.undo(second)
    assert (desk.state, desk.shown) == ("hidden", None)
    desk.undo(approve)
    assert desk.shown is None
    desk.undo(first)
    assert desk.shown == "Mended."


def test_a_held_edit_of_a_hidden_note_waits_again_once_its_approval_is_taken_back(desk: Desk) -> None:
    desk.judge("hide")
    desk.edit(text=HELD)
    approve = desk.act("approve")
    assert not desk.waits
    desk.undo(approve)
    assert (desk.shown, desk.waits) == (None, True)


def test_a_report_that_is_unfounded_reinstates_nobody(any_house: House) -> None:
    author, moderator = any_house.as_("author"), any_house.as_("mod", "moderator")
    author.patch("me", {"name": "BUY FAKES", "bio": "fakes, fakes"}, etag="1")
    report(any_house.as_("r1"), "account", author.id)
    removed = decide(moderator, author.id, "remove").json["id"]
    for number, action in enumerate(("approve", "hide")):
        any_house.clock.advance(seconds=1)
        assert report(any_house.as_(f"again{number}"), "account", author.id).status_code == 201
        assert case_of(moderator, author.id)["target"]["title"] == "BUY FAKES"
        assert case_of(moderator, author.id)["target"]["text"] == "@author\nfakes, fakes"
        later = decide(moderator, author.id, action).json["id"]
        assert problem(author.get("me")) == (401, "account.suspended")
        assert any_house.anonymous().get(f"accounts/{author.id}").json["name"] == f"user-{author.id[-8:]}"
        undo(moderator, later)
        assert problem(author.get("me")) == (401, "account.suspended")
    undo(moderator, removed)
    assert author.get("me").status_code == 200
    assert any_house.anonymous().get(f"accounts/{author.id}").json["name"] == "BUY FAKES"


# -- versions side by side -----------------------------------------------------------------------------------------------


def test_a_verdict_on_a_held_edit_settles_no_report_of_what_is_still_served(desk: Desk) -> None:
    reporter = desk.reported()
    desk.edit(title="Never shown", text=HELD)
    assert case_of(desk.moderator, desk.note)["target"]["version"] == 2
    desk.act("reject")
    assert desk.waits
    assert told(reporter) == []
    case = desk.moderator.get(f"cases/{case_of(desk.moderator, desk.note)['id']}").json
    assert case["target"]["version"] == 1
    assert [line["version"] for line in case["report_lines"]] == [1]
    desk.act("reject")
    assert (desk.shown, desk.waits, told(reporter)) == (None, False, ["report.answered"])


def test_approving_the_edit_settles_what_was_reported_of_the_version_it_replaces(desk: Desk) -> None:
    reporter = desk.reported()
    desk.edit(text=HELD)
    desk.act("approve")
    assert (desk.shown, desk.waits, told(reporter)) == (HELD, False, ["report.answered"])


def test_reporters_read_no_title_that_was_never_public(desk: Desk) -> None:
    reporter = desk.reported()
    desk.edit(title="Never shown", text=HELD)
    desk.act("hide")
    (notice,) = reporter.get("notices").json["items"]
    assert notice["data"]["title"] == "Linen in the rain"
    acted = next(one for one in desk.author.get("notices").json["items"] if one["kind"] == "content.acted")
    assert acted["data"]["title"] == "Never shown"


def a_shop_note(house: House, **fields: Any) -> Desk:
    author = house.as_("author")
    open_gate(house, author.id)
    product = list_product(house.as_("shop", "merchant"))
    return Desk(house, author, products=[product["skus"][0]["id"]], **fields)


def test_no_moderator_publishes_what_the_product_gate_refuses_and_is_told_so(any_house: House) -> None:
    desk = a_shop_note(any_house, text=HELD)
    close_gate(any_house, desk.author.id)
    refused = decide(desk.moderator, desk.note, "approve")
    assert problem(refused) == (409, "note.gate_refused")
    assert refused.json["because"] == "creator.active_strike"
    assert (desk.state, desk.waits, told(desk.author)) == ("in_review", True, ["content.screened"])
    desk.act("reject")
    assert (desk.state, desk.waits) == ("rejected", False)


@pytest.mark.parametrize(("action", "state"), [("approve", "public"), ("limit", "limited")])
def test_what_is_served_is_judged_without_the_gate(any_house: House, action: str, state: str) -> None:
    desk = a_shop_note(any_house)
    close_gate(any_house, desk.author.id)
    desk.judge(action)
    assert desk.state == state


def test_an_author_is_told_why_the_gate_refused_after_screening(any_house: House) -> None:
    desk = a_shop_note(any_house)
    edited = desk.author.patch(f"notes/{desk.note}", {"text": "Mended."}, etag="1")
    assert edited.status_code == 200
    close_gate(any_house, desk.author.id)
    any_house.jobs()
    assert desk.state == "rejected"
    (notice,) = desk.author.get("notices").json["items"]
    assert (notice["kind"], notice["data"]["verdict"]) == ("content.screened", "reject")
    assert notice["data"]["reason"] == "A strike still counts against this account."


def test_undoing_is_told_as_what_it_is(any_house: House) -> None:
    desk = Desk(any_house, text=HELD)
    approved = desk.act("approve")
    desk.undo(approved)
    notice = desk.author.get("notices").json["items"][0]
    assert (notice["kind"], notice["data"]["standing"]) == ("content.reopened", "hold")
    desk.act("approve")
    desk.undo(desk.judge("hide"))
    assert told(desk.author)[0] == "content.restored"
    desk.edit(text="13812345678")
    desk.undo(desk.act("reject"))
    assert told(desk.author)[0] == "content.reopened"  # the edit waits again
