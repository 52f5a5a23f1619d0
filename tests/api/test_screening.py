"""What the rules read: notes, comments, listings, profiles and titles, each in its own words, before anybody else does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.desk import case_of, decide, report, told, undo
from tests.house import Client, House, problem
from tests.market import list_product, price
from tests.visitor import Visitor
from tests.writing import open_gate, publish

PHONE = "Call me 13812345678"
COUNTERFEIT = "卖高仿包包"


def cases(moderator: Client) -> list[str]:
    return [case["target_id"] for case in moderator.get("cases?limit=100").json["items"]]


def nobody(account: str) -> str:
    """What is shown of a profile behind the veil."""
    return f"user-{account[-8:]}"


def list_as(merchant: Client, **words: Any) -> dict[str, Any]:
    form = {"title": "Linen shirt", "skus": [{"name": "M", "price": price(12900), "stock": 5}], **words}
    made = merchant.post("products", form)
    assert made.status_code == 201, made.json
    return dict(made.json)


# -- listings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["title", "description", "category"])
def test_a_listing_that_a_rule_holds_is_shown_to_nobody_until_a_moderator_approves(
    any_house: House, field: str
) -> None:
    merchant, moderator = any_house.as_("shop", "merchant"), any_house.as_("mod", "moderator")
    product = list_as(merchant, **{field: PHONE})
    assert problem(any_house.anonymous().get(f"products/{product['id']}")) == (404, "product.not_found")
    assert (product["hidden"], merchant.get(f"products/{product['id']}").json["hidden"]) == (True, True)
    assert told(merchant) == ["content.screened"]
    approved = decide(moderator, product["id"], "approve").json["id"]
    assert any_house.anonymous().get(f"products/{product['id']}").json["hidden"] is False
    any_house.clock.advance(seconds=1)
    undo(moderator, approved)
    assert problem(any_house.anonymous().get(f"products/{product['id']}")) == (404, "product.not_found")
    assert cases(moderator) == [product["id"]]


def test_the_name_of_a_sku_is_read_too(house: House) -> None:
    merchant = house.as_("shop", "merchant")
    product = list_as(merchant, skus=[{"name": PHONE, "price": price(12900), "stock": 5}])
    assert product["hidden"] is True


def test_an_edited_listing_is_read_again_and_a_mended_one_comes_back(any_house: House) -> None:
    merchant, moderator = any_house.as_("shop", "merchant"), any_house.as_("mod", "moderator")
    path = f"products/{list_product(merchant)['id']}"
    bad = merchant.patch(path, {"description": COUNTERFEIT}, etag="1")
    assert (bad.status_code, bad.json["hidden"]) == (200, True)
    assert problem(any_house.anonymous().get(path)) == (404, "product.not_found")
    assert (told(merchant), cases(moderator)) == (["content.screened"], [])
    assert merchant.patch(path, {"description": "Washed twice."}, etag="2").json["hidden"] is False
    assert any_house.anonymous().get(path).status_code == 200


def test_an_edit_brings_no_listing_back_that_a_moderator_hid(any_house: House) -> None:
    merchant, moderator = any_house.as_("shop", "merchant"), any_house.as_("mod", "moderator")
    product = list_product(merchant)["id"]
    report(any_house.as_("reporter"), "product", product)
    hidden = decide(moderator, product, "hide").json["id"]
    assert merchant.patch(f"products/{product}", {"title": "Another"}, etag="1").json["hidden"] is True
    assert cases(moderator) == [product]
    any_house.clock.advance(seconds=1)
    undo(moderator, hidden)
    assert any_house.anonymous().get(f"products/{product}").json["title"] == "Another"
    assert cases(moderator) == []


def test_only_another_title_text_or_picture_has_notes_read_again(any_house: House) -> None:
    merchant, author = any_house.as_("shop", "merchant"), any_house.as_("creator")
    open_gate(any_house, author.id)
    product = list_product(merchant)
    sku = product["skus"][0]["id"]
    note = publish(any_house, author, products=[sku])

    def version() -> int:
        any_house.jobs()
        return int(author.get(f"notes/{note}").json["version"])

    assert merchant.patch(f"skus/{sku}", {"price": price(9900)}, etag="1").status_code == 200
    assert version() == 1
    assert any_house.anonymous().get(f"notes/{note}").json["product"]["price"] == price(9900)
    assert merchant.patch(f"products/{product['id']}", {"title": "Linen shirt"}, etag="1").status_code == 200
    assert version() == 1  # the words it had
    assert merchant.patch(f"products/{product['id']}", {"title": "Washed linen shirt"}, etag="2").status_code == 200
    assert version() == 2
    assert author.get(f"notes/{note}").json["state"] == "public"


def test_a_changed_title_is_found(any_house: House) -> None:
    merchant = any_house.as_("shop", "merchant")
    product = list_product(merchant)["id"]
    any_house.jobs()
    merchant.patch(f"products/{product}", {"title": "Corduroy jacket"}, etag="1")
    any_house.jobs()
    found = any_house.anonymous().get("search?q=corduroy").json["items"]
    assert [item["id"] for item in found] == [product]


# -- profiles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["name", "bio"])
def test_a_profile_that_a_rule_holds_shows_nothing_until_a_moderator_approves(any_house: House, field: str) -> None:
    author, moderator = any_house.as_("author"), any_house.as_("mod", "moderator")
    edited = author.patch("me", {field: PHONE}, etag="1")
    assert edited.status_code == 200, edited.json

    def seen() -> tuple[str, str]:
        profile = any_house.anonymous().get(f"accounts/{author.id}").json
        return profile["name"], profile["bio"]

    assert seen() == (nobody(author.id), "")
    mine = author.get("me").json
    assert (mine["veiled"], mine["handle"], mine[field]) == (True, "author", PHONE)
    assert told(author) == ["content.screened"]
    target = case_of(moderator, author.id)["target"]
    assert PHONE in target["title"] + target["text"]
    assert decide(moderator, author.id, "approve").status_code == 201
    assert seen() != (nobody(author.id), "")
    assert author.patch("me", {"bio": COUNTERFEIT}, etag="2").status_code == 200
    assert seen() == (nobody(author.id), "")
    assert author.patch("me", {"name": "Author", "bio": "Linen, mostly."}, etag="3").status_code == 200
    assert seen() == ("Author", "Linen, mostly.")


def test_a_name_is_read_when_somebody_joins(any_house: House) -> None:
    form = {"handle": "seller", "name": "加微信 abc12345", "password": "correct horse battery"}
    joined = any_house.anonymous().post("accounts", form)
    assert joined.status_code == 201, joined.json
    account = any_house.services.accounts.find_by_handle("seller")
    assert any_house.anonymous().get(f"accounts/{account}").json["name"] == nobody(account)
    assert cases(any_house.as_("mod", "moderator")) == [account]


@pytest.mark.parametrize("handle", ["13812345678", "kill_yourself", "replica_bags"])
def test_a_handle_that_a_rule_blocks_is_refused_because_nobody_can_mend_it(any_house: House, handle: str) -> None:
    form = {"handle": handle, "name": "Anna", "password": "correct horse battery"}
    refused = any_house.anonymous().post("accounts", form)
    assert problem(refused) == (422, "account.handle_refused")
    assert [error["field"] for error in refused.json["errors"]] == ["handle"]
    assert any_house.services.accounts.find_by_handle(handle) is None
    page = Visitor(any_house).send("/register", "/register", follow=False, **form)
    assert (page.status_code, "do not allow this user name" in page.text) == (422, True)
    assert cases(any_house.as_("mod", "moderator")) == []


def test_a_handle_from_before_its_rule_is_read_with_the_next_words_and_shown_nowhere_behind_the_veil(
    any_house: House,
) -> None:
    author, writer, moderator = any_house.as_("kys"), any_house.as_("writer"), any_house.as_("mod", "moderator")
    note = publish(any_house, writer)
    author.post(f"notes/{note}/comments", {"text": "Lovely"})
    assert author.patch("me", {"name": "Anna", "bio": "Linen, mostly."}, etag="1").status_code == 200
    stranger, browser = any_house.anonymous(), Visitor(any_house)
    said = stranger.get(f"notes/{note}/comments").json["items"][0]["author"]
    profile = stranger.get(f"accounts/{author.id}").json
    assert {said["handle"], said["name"], profile["handle"], profile["name"]} == {nobody(author.id)}
    assert "kys" not in browser.get(f"/profiles/{author.id}").text
    assert author.get("me").json["handle"] == "kys"
    case = case_of(moderator, author.id)
    assert (case["target"]["title"], case["target"]["text"]) == ("Anna", "@kys\nLinen, mostly.")
    decide(moderator, author.id, "approve")
    assert stranger.get(f"accounts/{author.id}").json["handle"] == "kys"


def test_who_is_hidden_still_logs_in_with_their_handle_and_sees_what_to_mend(any_house: House) -> None:
    form = {"handle": "seller", "name": "加微信 abc12345", "password": "correct horse battery"}
    assert any_house.anonymous().post("accounts", form).status_code == 201
    browser = Visitor(any_house)
    sent = browser.send("/login", "/login", handle="seller", password="correct horse battery")
    assert sent.status_code == 200
    page = browser.get("/me/profile").text
    assert "加微信 abc12345" in page
    assert "Nobody else sees what your profile says" in page


def test_another_picture_asks_nobody_again_about_words_that_were_approved(any_house: House) -> None:
    author, moderator = any_house.as_("author"), any_house.as_("mod", "moderator")
    author.patch("me", {"bio": PHONE}, etag="1")
    decide(moderator, author.id, "approve")
    assert author.patch("me", {"avatar": None, "bio": PHONE}, etag="2").status_code == 200
    assert any_house.anonymous().get(f"accounts/{author.id}").json["bio"] == PHONE
    assert cases(moderator) == []


# -- comments ----------------------------------------------------------------------------------------------------------


def lines(client: Client, note: str) -> list[tuple[str, str]]:
    return [(line["text"], line["state"]) for line in client.get(f"notes/{note}/comments").json["items"]]


def test_a_comment_that_a_rule_holds_is_seen_by_its_author_alone_from_the_start(any_house: House) -> None:
    writer, author, moderator = any_house.as_("writer"), any_house.as_("author"), any_house.as_("mod", "moderator")
    note = publish(any_house, writer)
    author.post(f"notes/{note}/comments", {"text": "Lovely"})
    any_house.clock.advance(seconds=1)
    said = author.post(f"notes/{note}/comments", {"text": PHONE}, key="once")
    assert (said.status_code, said.json["state"]) == (201, "in_review")
    assert author.post(f"notes/{note}/comments", {"text": PHONE}, key="once").json == said.json
    for stranger in (any_house.anonymous(), writer):  # before any job ran
        assert lines(stranger, note) == [("Lovely", "public")]
        assert stranger.get(f"notes/{note}").json["comments"] == 1
    assert lines(author, note) == [(PHONE, "in_review"), ("Lovely", "public")]
    assert author.get(f"notes/{note}/comments?limit=1").json["items"][0]["text"] == PHONE
    assert told(author) == ["content.screened"]
    approved = decide(moderator, said.json["id"], "approve").json["id"]
    assert lines(any_house.anonymous(), note) == [(PHONE, "public"), ("Lovely", "public")]
    assert writer.get(f"notes/{note}").json["comments"] == 2
    any_house.clock.advance(seconds=1)
    undo(moderator, approved)
    assert lines(author, note) == [(PHONE, "in_review"), ("Lovely", "public")]
    assert lines(writer, note) == [("Lovely", "public")]
    assert case_of(moderator, said.json["id"])["status"] == "open"


def test_a_comment_in_review_is_nobody_elses_to_report_or_to_delete(any_house: House) -> None:
    writer, author, moderator = any_house.as_("writer"), any_house.as_("author"), any_house.as_("mod", "moderator")
    note = publish(any_house, writer)
    said = author.post(f"notes/{note}/comments", {"text": PHONE}).json["id"]
    assert problem(writer.delete(f"comments/{said}")) == (404, "comment.not_found")
    assert problem(report(writer, "comment", said)) == (404, "target.not_found")
    assert author.delete(f"comments/{said}").status_code == 204
    assert lines(author, note) == []
    assert writer.get(f"notes/{note}").json["comments"] == 0
    assert case_of(moderator, said)["target"] is None


def test_a_comment_that_a_rule_rejects_is_hidden_and_stays_where_it_is_evidence(any_house: House) -> None:
    writer, author, moderator = any_house.as_("writer"), any_house.as_("author"), any_house.as_("mod", "moderator")
    note = publish(any_house, writer)
    said = author.post(f"notes/{note}/comments", {"text": COUNTERFEIT}).json
    assert said["state"] == "hidden"
    assert lines(author, note) == lines(writer, note) == []
    assert problem(moderator.delete(f"comments/{said['id']}")) == (404, "comment.not_found")
    assert told(author) == ["content.screened"]
