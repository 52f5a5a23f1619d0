"""Notes through HTTP."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kernel.db import Write
from kernel.errors import Forbidden
from kernel.ids import new_id
from notes.models import Note
from tests.house import House, problem
from tests.market import list_product as list_goods
from tests.statements import statements
from tests.writing import (
    close_gate,
    draft,
    list_product,
    open_gate,
    picture,
    publish,
    submit,
    upload,
    verdict,
)

HELD = "Call me on 13812345678"  # a phone number is held for a moderator


def stored(house: House, note_id: str) -> Note:
    with house.engines.db.read() as session:
        return session.get_one(Note, note_id)


def test_a_draft_is_its_authors_alone_until_it_passed_review(any_house: House) -> None:
    author, reader, staff = any_house.as_("author"), any_house.as_("reader"), any_house.as_("mod", "moderator")
    made = author.post("notes", {"title": "Linen", "text": "Dries fast.", "topics": ["#home", "Home", "亚麻"]})
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    assert (made.json["state"], made.json["topics"], made.json["is_mine"]) == ("draft", ["home", "亚麻"], True)
    path = f"notes/{made.json['id']}"
    assert problem(reader.get(path)) == problem(staff.get(path)) == (404, "note.not_found")
    assert author.post(f"{path}/submit").json["state"] == "in_review"
    assert problem(reader.get(path)) == (404, "note.not_found")
    assert staff.get(path).json["state"] == "in_review"
    any_house.jobs()
    seen = any_house.anonymous().get(path).json
    assert (seen["state"], seen["text"], seen["author"]["handle"]) == ("public", "Dries fast.", "author")
    assert (seen["is_mine"], seen["published_at"]) == (False, "2026-11-22T04:00:00.000Z")


def test_an_edit_is_reviewed_while_the_approved_version_is_served(any_house: House) -> None:
    author, reader = any_house.as_("author"), any_house.as_("reader")
    path = f"notes/{publish(any_house, author, title='First')}"
    edited = author.patch(path, {"title": HELD}, etag='"1"')
    assert (edited.status_code, edited.headers["ETag"], edited.json["state"]) == (200, '"2"', "in_review")
    any_house.jobs()
    assert reader.get(path).json["title"] == "First"
    assert author.get(path).json["title"] == HELD
    line = author.get("me/notes").json["items"][0]
    assert (line["state"], line["version"], line["served_version"], line["served_state"]) == (
        "in_review",
        2,
        1,
        "public",
    )
    verdict(any_house, path[6:], 2, "approve")
    after = reader.get(path)
    assert (after.json["title"], after.headers["ETag"], after.json["edited_at"]) == (
        HELD,
        '"2"',
        "2026-11-22T04:00:00.000Z",
    )


def test_an_edit_of_an_old_version_gets_the_current_one(any_house: House) -> None:
    author = any_house.as_("author")
    note = draft(author)
    path = f"notes/{note['id']}"
    author.patch(path, {"title": "Mine"}, etag='"1"')
    late = author.patch(path, {"title": "Other tab"}, etag='"1"')
    assert problem(late) == (412, "note.changed")
    assert (late.json["version"], late.json["current"]["title"]) == (2, "Mine")
    assert problem(author.patch(path, {"title": "x"}, etag='"rubbish"')) == (412, "note.changed")
    assert problem(author._open("PATCH", path, json={"title": "x"})) == (412, "version.missing")
    assert author.get(path).json["title"] == "Mine"


def test_a_rejected_note_says_why_and_can_be_handed_in_again(any_house: House) -> None:
    author, reader = any_house.as_("author"), any_house.as_("reader")
    note_id = submit(author)
    assert verdict(any_house, note_id, 1, "reject", "An advert.")
    assert (author.get("me/notes").json["items"][0]["state_reason"], stored(any_house, note_id).status) == (
        "An advert.",
        "rejected",
    )
    assert problem(author.post(f"notes/{note_id}/submit")) == (409, "note.not_a_draft")
    assert author.patch(f"notes/{note_id}", {"text": "Better."}, etag='"1"').json["state"] == "draft"
    assert author.post(f"notes/{note_id}/submit").json["version"] == 2
    any_house.jobs()
    assert reader.get(f"notes/{note_id}").json["text"] == "Better."


def test_a_late_verdict_on_an_older_version_changes_nothing(any_house: House) -> None:
    author = any_house.as_("author")
    note_id = submit(author)
    author.patch(f"notes/{note_id}", {"text": "Second"}, etag='"1"')
    assert not verdict(any_house, note_id, 1, "approve")
    assert stored(any_house, note_id).served is None
    assert verdict(any_house, note_id, 2, "limit")
    assert not verdict(any_house, note_id, 2, "approve")
    assert stored(any_house, note_id).status == "limited"
    assert verdict(any_house, note_id, 2, "approve", overrule=True)
    assert stored(any_house, note_id).status == "public"


def test_a_verdict_taken_back_restores_what_was_served(any_house: House) -> None:
    author, notes = any_house.as_("author"), any_house.services.notes
    note_id = publish(any_house, author, title="First")
    author.patch(f"notes/{note_id}", {"title": HELD}, etag='"1"')
    verdict(any_house, note_id, 2, "approve")
    assert any_house.engines.db.write(lambda tx: notes.undecide(tx, note_id, 2))
    assert any_house.anonymous().get(f"notes/{note_id}").json["title"] == "First"
    assert author.get(f"notes/{note_id}").json["state"] == "in_review"
    verdict(any_house, note_id, 2, "approve")
    verdict(any_house, note_id, 2, "reject", overrule=True)
    assert stored(any_house, note_id).served is None
    assert verdict(any_house, note_id, 2, "approve", overrule=True)
    assert any_house.anonymous().get(f"notes/{note_id}").json["title"] == HELD


def test_an_empty_note_is_not_handed_in(house: House) -> None:
    author = house.as_("author")
    note = draft(author, title="", text="")
    assert problem(author.post(f"notes/{note['id']}/submit")) == (422, "note.empty")
    assert stored(house, note["id"]).status == "draft"


def test_others_may_not_change_a_note(house: House) -> None:
    author, other = house.as_("author"), house.as_("other")
    hidden, public = draft(author)["id"], publish(house, author)
    for note_id, refusal in ((hidden, (404, "note.not_found")), (public, (403, "note.not_yours"))):
        path = f"notes/{note_id}"
        assert problem(other.patch(path, {"title": "x"}, etag='"1"')) == refusal
        assert problem(other.delete(path)) == problem(other.post(f"{path}/submit")) == refusal
        assert problem(other.put(f"{path}/products", {"products": []})) == refusal
    assert author.get(f"notes/{public}").json["title"] == "Linen in the rain"


def test_a_deleted_note_is_gone_for_everybody(any_house: House) -> None:
    author, fan = any_house.as_("author"), any_house.as_("fan")
    note_id = publish(any_house, author)
    fan.put(f"notes/{note_id}/save")
    assert author.delete(f"notes/{note_id}").status_code == 204
    for client in (author, fan, any_house.as_("mod", "moderator")):
        assert problem(client.get(f"notes/{note_id}")) == (404, "note.not_found")
    assert fan.get("me/saves").json["items"] == author.get("me/notes").json["items"] == []
    assert problem(author.delete(f"notes/{note_id}")) == (404, "note.not_found")


def test_the_same_key_writes_one_note(any_house: House) -> None:
    author = any_house.as_("author")
    body = {"title": "Once"}
    first, again = author.post("notes", body, key="k"), author.post("notes", body, key="k")
    assert (again.json, again.headers["Idempotency-Replayed"], again.headers["ETag"]) == (first.json, "true", '"1"')
    assert problem(author.post("notes", {"title": "Twice"}, key="k")) == (409, "idempotency.key_reused")
    path = f"notes/{first.json['id']}/submit"
    assert author.post(path, key="s").json == author.post(path, key="s").json
    assert len(author.get("me/notes").json["items"]) == 1


def test_likes_and_saves_count_once_and_come_back(any_house: House) -> None:
    author, fan = any_house.as_("author"), any_house.as_("fan")
    path = f"notes/{publish(any_house, author)}"
    assert fan.put(f"{path}/like").json == {"liked": True, "saved": False, "likes": 1, "saves": 0}
    fan.put(f"{path}/like")
    assert fan.put(f"{path}/save").json == {"liked": True, "saved": True, "likes": 1, "saves": 1}
    shown = fan.get(path).json
    assert (shown["liked"], shown["saved"], shown["likes"], shown["saves"]) == (True, True, 1, 1)
    assert [item["id"] for item in fan.get("me/saves").json["items"]] == [path[6:]]
    assert fan.delete(f"{path}/like").json["likes"] == fan.delete(f"{path}/like").json["likes"] == 0
    assert fan.delete(f"{path}/save").json == {"liked": False, "saved": False, "likes": 0, "saves": 0}
    assert problem(any_house.anonymous().put(f"{path}/like")) == (401, "session.required")


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(act, range(count)))


def test_counters_are_right_when_many_like_at_once(any_house: House) -> None:
    fans = [any_house.as_(f"fan{n}") for n in range(6)]
    note_id = publish(any_house, any_house.as_("author"))
    at_once(12, lambda n: fans[n % 6].put(f"notes/{note_id}/like"))
    at_once(12, lambda n: fans[n % 3].delete(f"notes/{note_id}/like"))
    at_once(6, lambda n: fans[n].post(f"notes/{note_id}/comments", {"text": "!"}, key="same"))
    note = stored(any_house, note_id)
    assert (note.likes, note.comments) == (3, 6)


def test_of_two_edits_at_once_one_wins(any_house: House) -> None:
    author = any_house.as_("author")
    path = f"notes/{draft(author)['id']}"
    answers = at_once(4, lambda n: author.patch(path, {"title": f"Tab {n}"}, etag='"1"'))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert (author.get(path).json["title"], author.get(path).json["version"]) == (winner.json["title"], 2)


def test_a_draft_takes_no_likes_even_from_its_author(house: House) -> None:
    author = house.as_("author")
    note_id = draft(author)["id"]
    assert problem(author.put(f"notes/{note_id}/like")) == (404, "note.not_found")
    assert author.get(f"notes/{note_id}").json["likes"] == 0


def test_hidden_notes_leave_every_list_and_come_back(any_house: House) -> None:
    author, fan, staff = any_house.as_("author"), any_house.as_("fan"), any_house.as_("mod", "moderator")
    note_id = publish(any_house, author)
    fan.put(f"notes/{note_id}/save")
    notes, db = any_house.services.notes, any_house.engines.db
    assert db.write(lambda tx: notes.hide(tx, note_id, "Reported."))
    assert not db.write(lambda tx: notes.hide(tx, note_id, "Reported."))
    assert problem(fan.get(f"notes/{note_id}")) == (404, "note.not_found")
    assert problem(fan.put(f"notes/{note_id}/like")) == (404, "note.not_found")
    assert fan.get(f"accounts/{author.id}/notes").json["items"] == fan.get("me/saves").json["items"] == []
    own = author.get(f"notes/{note_id}").json
    assert (own["state"], own["state_reason"], staff.get(f"notes/{note_id}").json["state"]) == (
        "hidden",
        "Reported.",
        "hidden",
    )
    assert notes.public_ids(None, 10) == []
    assert db.write(lambda tx: notes.restore(tx, note_id))
    assert [item["id"] for item in fan.get("me/saves").json["items"]] == [note_id]


def test_a_removed_note_is_closed_to_its_author(house: House) -> None:
    author = house.as_("author")
    note_id = publish(house, author)
    house.engines.db.write(lambda tx: house.services.notes.remove(tx, note_id, "Counterfeit."))
    assert author.get(f"notes/{note_id}").json["state"] == "removed"
    assert problem(author.patch(f"notes/{note_id}", {"title": "x"}, etag='"1"')) == (409, "note.removed")
    assert stored(house, note_id).latest == 1


def test_a_block_makes_notes_absent_in_both_directions(house: House) -> None:
    author, other = house.as_("author"), house.as_("other")
    note_id = publish(house, author)
    other.put(f"accounts/{author.id}/block")
    assert problem(other.get(f"notes/{note_id}")) == (404, "note.not_found")
    other.delete(f"accounts/{author.id}/block")
    author.put(f"accounts/{other.id}/block")
    assert problem(other.get(f"notes/{note_id}")) == (404, "note.not_found")
    assert problem(other.get(f"accounts/{author.id}/notes")) == (404, "account.not_found")
    assert house.services.notes.cards(house.services.accounts.actor(other.id), [note_id], "search") == []


def test_a_limited_note_is_in_search_but_not_in_the_feed(house: House) -> None:
    author, notes = house.as_("author"), house.services.notes
    note_id = submit(author)
    verdict(house, note_id, 1, "limit", "Merely displays a product.")
    viewer = house.services.accounts.actor(house.as_("viewer").id)
    found = {place: bool(notes.cards(viewer, [note_id], place)) for place in ("feed", "following", "search", "profile")}
    assert found == {"feed": False, "following": True, "search": True, "profile": True}
    assert notes.public_ids(None, 5) == []
    assert [found for _, found in notes.public_ids(None, 5, limited=True)] == [note_id]


def test_lists_page_without_gaps_or_repeats(any_house: House) -> None:
    author, reader, notes = any_house.as_("author"), any_house.as_("reader"), any_house.services.notes
    made = []
    for number in range(7):
        made.append(publish(any_house, author, title=f"No {number}"))
        if number % 2:  # some share an instant
            any_house.clock.advance(milliseconds=0.5)
        reader.put(f"notes/{made[-1]}/save")
    any_house.engines.db.write(lambda tx: notes.hide(tx, made[4]))
    for path in (f"accounts/{author.id}/notes", "me/saves"):
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = reader.get(f"{path}?limit=2" + (f"&cursor={cursor}" if cursor else "")).json
            seen += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
        assert seen == [note_id for note_id in reversed(made) if note_id != made[4]], path
    first = author.get("me/notes?limit=5").json
    rest = author.get(f"me/notes?limit=5&cursor={first['next_cursor']}").json
    assert [item["id"] for item in first["items"] + rest["items"]] == made[::-1]
    hidden = author.get("me/notes?limit=1&state=hidden").json
    assert ([item["id"] for item in hidden["items"]], hidden["next_cursor"]) == ([made[4]], None)
    shown = author.get("me/notes?limit=3&state=public").json
    after = author.get(f"me/notes?limit=3&state=public&cursor={shown['next_cursor']}").json
    assert [item["id"] for item in shown["items"] + after["items"]] == [i for i in made[::-1] if i != made[4]]
    assert author.get("me/notes?state=draft").json["items"] == []
    assert problem(author.get("me/notes?state=superseded")) == (422, "request.invalid")
    newest = notes.public_ids(None, 3)
    assert [note_id for _, note_id in newest + notes.public_ids(newest[-1], 10)] == [
        i for i in made[::-1] if i != made[4]
    ]
    assert notes.by_authors(any_house.services.accounts.actor(reader.id), [author.id], None, 3) == newest


@pytest.mark.parametrize(
    "cursor", ["x", "%00", "WzEsMl0", "WzEsIm5vdGVfXHUwMDAwIl0", "WyJub3RlX1x1MDAwMCJd", "A" * 1025]
)
def test_absurd_cursors_are_refused(house: House, cursor: str) -> None:
    author = house.as_("author")
    for path in (f"accounts/{author.id}/notes", "me/notes", "me/saves"):
        assert author.get(f"{path}?cursor={cursor}").status_code in (400, 422), path


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"disclosure": None}, "disclosure"),
        ({"title": 7}, "title"),
        ({"title": "a\u202eb"}, "title"),
        ({"text": "a\x00b"}, "text"),
        ({"text": "x" * 10_001}, "text"),
        ({"topics": ["#"]}, "topics.0"),
        ({"topics": [str(n) for n in range(11)]}, "topics"),
        ({"images": [{"media": "media_1"}]}, "images.0.media"),
        ({"products": ["sku_" + "0" * 26] * 2}, "products"),
    ],
)
def test_a_bad_draft_names_the_field_and_writes_nothing(house: House, body: dict[str, Any], field: str) -> None:
    author = house.as_("author")
    refused = author.post("notes", body)
    assert problem(refused) == (422, "request.invalid")
    assert refused.json["errors"][0]["field"] == field
    assert author.get("me/notes").json["items"] == []


def test_an_empty_patch_and_null_are_refused(house: House) -> None:
    author = house.as_("author")
    path = f"notes/{draft(author)['id']}"
    assert problem(author.patch(path, {}, etag='"1"')) == (422, "note.no_change")
    assert problem(author.patch(path, {"title": None}, etag='"1"')) == (422, "request.invalid")
    assert author.get(path).json["version"] == 1


# -- images and products ------------------------------------------------------------------------------------------


def test_images_are_shown_in_order_and_must_be_ones_own(any_house: House) -> None:
    author, other = any_house.as_("author"), any_house.as_("other")
    mine = [upload(author, picture(60 + n, 40)).json["id"] for n in range(2)]
    note_id = publish(any_house, author, images=[{"media": mine[1], "alt": "A red square"}, {"media": mine[0]}])
    shown = any_house.anonymous().get(f"notes/{note_id}").json
    assert [p["width"] for p in shown["pictures"]] == [61, 60]
    assert (shown["cover"]["alt"], shown["cover"]["width"], shown["cover"]["height"]) == ("A red square", 61, 40)
    assert any_house.anonymous().get(shown["cover"]["url"], buffered=True).status_code == 200
    refused = other.post("notes", {"title": "Stolen", "images": [{"media": mine[0]}]})
    assert (problem(refused), refused.json["errors"][0]["field"]) == ((422, "media.not_found"), "images.0.media")
    many = [{"media": mine[0]}] * 19
    assert problem(author.post("notes", {"title": "Many", "images": many})) == (422, "request.invalid")


def test_products_need_the_gate_and_force_the_label(any_house: House) -> None:
    author, merchant = any_house.as_("author"), any_house.as_("shop", "merchant")
    sku = list_product(any_house, merchant.id)
    assert problem(author.post("notes", {"title": "Buy", "products": [sku]})) == (403, "creator.not_approved")
    assert author.get("me/notes").json["items"] == []
    open_gate(any_house, author.id)
    note_id = publish(any_house, author, products=[sku])
    shown = any_house.anonymous().get(f"notes/{note_id}").json
    assert shown["disclosure"] == {"kind": "product", "label": "Contains products"}
    assert (shown["commercial"], shown["product"]["available"]) == (True, True)
    assert shown["product"]["price"] == {"amount": 12900, "currency": "CNY"}
    assert [chip["sku_id"] for chip in shown["products"]] == [sku]
    unknown = author.post("notes", {"title": "Buy", "products": ["sku_" + "0" * 26]})
    assert (problem(unknown), unknown.json["errors"][0]["field"]) == ((422, "product.not_found"), "products.0")


def test_the_label_outlives_stock_and_listing(house: House) -> None:
    author, merchant = house.as_("author"), house.as_("shop", "merchant")
    open_gate(house, author.id)
    sku = list_product(house, merchant.id, stock=0)
    note_id = publish(house, author, products=[sku])
    card = house.anonymous().get(f"accounts/{author.id}/notes").json["items"][0]
    assert (card["product"]["available"], card["disclosure"]["kind"], card["commercial"]) == (False, "product", True)
    house.services.notes.listings = NothingListed()
    card = house.anonymous().get(f"accounts/{author.id}/notes").json["items"][0]
    assert (card["product"], card["disclosure"]["kind"], card["commercial"]) == (None, "product", True)
    assert house.anonymous().get(f"notes/{note_id}").json["product_ids"] == [sku]


class NothingListed:
    def chips(self, viewer_id: Any, sku_ids: Any) -> dict[str, Any]:
        return {}

    def merchants(self, session: Any, account_id: Any, sku_ids: Any) -> dict[str, str]:
        return {}

    def owners(self, session: Any, sku_ids: Any) -> dict[str, str]:
        return {}


def test_the_gate_sees_what_the_write_that_asks_it_has_done(any_house: House) -> None:
    creator = any_house.as_("creator")
    open_gate(any_house, creator.id)
    sku, services = list_product(any_house, any_house.as_("shop", "merchant").id), any_house.services

    def struck(tx: Write) -> None:
        assert services.gate.check(tx.session, creator.id, [sku]) == "product"
        services.strikes.give(tx, creator.id, new_id("act", tx.now))
        services.gate.check(tx.session, creator.id, [sku])

    with pytest.raises(Forbidden) as refused:
        any_house.engines.db.write(struck)
    assert refused.value.code == "creator.active_strike"
    assert services.strikes.active_strikes(creator.id) == 0


def test_a_merchant_attaches_its_own_listing_without_the_follower_rule(house: House) -> None:
    merchant, rival = house.as_("shop", "merchant"), house.as_("rival", "merchant")
    own, foreign = list_product(house, merchant.id), list_product(house, rival.id)
    note = draft(merchant, products=[own])
    assert note["disclosure"] == {"kind": "own_product", "label": "Contains the author's own products"}
    refused = merchant.put(f"notes/{note['id']}/products", {"products": [own, foreign]})
    assert problem(refused) == (403, "creator.not_approved")
    assert merchant.get(f"notes/{note['id']}").json["product_ids"] == [own]


def test_a_strike_closes_the_gate_at_each_publish_and_shelf_change(any_house: House) -> None:
    author, merchant = any_house.as_("author"), any_house.as_("shop", "merchant")
    open_gate(any_house, author.id)
    sku, other = list_product(any_house, merchant.id), list_product(any_house, merchant.id)
    waiting = draft(author, products=[sku])["id"]
    in_review, public = submit(author, products=[sku]), publish(any_house, author, products=[sku])
    any_house.clock.advance(seconds=1)
    in_review = submit(author, title=HELD, products=[sku])
    any_house.jobs()
    close_gate(any_house, author.id)
    closed = (403, "creator.active_strike")
    assert problem(author.post(f"notes/{waiting}/submit")) == closed
    assert problem(author.put(f"notes/{public}/products", {"products": [other]})) == closed
    assert problem(author.patch(f"notes/{public}", {"title": "New"}, etag='"1"')) == closed
    assert verdict(any_house, in_review, 1, "approve")
    assert stored(any_house, in_review).status == "rejected"
    assert stored(any_house, public).status == "public"
    assert author.put(f"notes/{public}/products", {"products": []}).json["disclosure"] is None


def test_changing_products_is_screened_while_the_old_ones_are_served(any_house: House) -> None:
    author, merchant = any_house.as_("author"), any_house.as_("shop", "merchant")
    open_gate(any_house, author.id)
    old, new = list_product(any_house, merchant.id), list_product(any_house, merchant.id)
    note_id = publish(any_house, author, products=[old])
    changed = author.put(f"notes/{note_id}/products", {"products": [new]})
    assert (changed.json["state"], changed.json["version"], changed.json["product_ids"]) == ("in_review", 2, [new])
    assert any_house.anonymous().get(f"notes/{note_id}").json["product_ids"] == [old]
    assert any_house.services.notes.ids_with_products([old, new]) == [note_id]
    any_house.jobs()
    assert any_house.anonymous().get(f"notes/{note_id}").json["product_ids"] == [new]
    assert any_house.services.notes.ids_with_products([old]) == []
    stale = author._open("PUT", f"notes/{note_id}/products", json={"products": []}, headers={"If-Match": '"1"'})
    assert problem(stale) == (412, "note.changed")


def test_a_changed_listing_has_its_notes_screened_again(any_house: House) -> None:
    author, merchant = any_house.as_("author"), any_house.as_("shop", "merchant")
    open_gate(any_house, author.id)
    sku = list_product(any_house, merchant.id)
    note_id, notes = publish(any_house, author, products=[sku]), any_house.services.notes
    assert any_house.engines.db.write(lambda tx: notes.screen_again(tx, [note_id])) == 1
    assert any_house.engines.db.write(lambda tx: notes.screen_again(tx, [note_id])) == 0
    assert (stored(any_house, note_id).latest, stored(any_house, note_id).served) == (2, 1)
    any_house.jobs()
    assert stored(any_house, note_id).served == 2


def test_a_page_of_cards_takes_four_statements(any_house: House) -> None:
    author, merchant, reader = any_house.as_("author"), any_house.as_("shop", "merchant"), any_house.as_("reader")
    open_gate(any_house, author.id)
    skus = [list_product(any_house, merchant.id) for _ in range(3)]
    media = upload(author, picture()).json["id"]
    ids = [
        publish(any_house, author, products=[skus[n % 3]] if n % 2 else [], images=[{"media": media}])
        for n in range(12)
    ]
    viewer = any_house.services.accounts.actor(reader.id)
    with statements() as told:
        cards = any_house.services.notes.cards(viewer, ids, "feed")
    assert [card.id for card in cards] == ids
    assert sum(card.commercial for card in cards) == 6
    assert len(told) == 4, told  # notes, people, who of them is on air, products


def test_contents_say_what_is_served_and_nothing_of_who_may_see(house: House) -> None:
    author = house.as_("author")
    note_id = publish(house, author, topics=["home"])
    author.patch(f"notes/{note_id}", {"title": HELD}, etag='"1"')
    house.engines.db.write(lambda tx: house.services.notes.hide(tx, note_id))
    content = house.services.notes.contents([note_id, "note_" + "0" * 26])[note_id]
    assert (content.title, content.version, content.topics) == ("Linen in the rain", 1, ("home",))
    assert (content.status, content.hidden, content.findable) == ("public", True, False)
    newest = house.services.notes.content_of(note_id)
    assert newest is not None
    assert (newest.title, newest.version) == (HELD, 2)


# -- moderation ---------------------------------------------------------------------------------------------------


def test_a_moderators_action_reaches_the_note_and_its_undo_brings_it_back(any_house: House) -> None:
    author, reporter, staff = any_house.as_("author"), any_house.as_("reporter"), any_house.as_("mod", "moderator")
    note_id = publish(any_house, author)
    path = f"notes/{note_id}"
    report = {"target": {"kind": "note", "id": note_id}, "reason": "misleading"}
    for action in ("hide", "remove", "reject", "limit"):
        assert reporter.post("reports", report).status_code == 201
        case = staff.get("cases").json["items"][0]["id"]
        staff.post(f"cases/{case}/claim")
        acted = staff.post(f"cases/{case}/actions", {"action": action, "version": 1, "reason": "Not linen."})
        assert acted.status_code in (200, 201), acted.json
        gone = any_house.anonymous().get(path)
        if action == "limit":
            assert gone.json["state"] == "limited"
        else:
            assert problem(gone) == (404, "note.not_found"), action
            assert author.get(path).json["state_reason"] == "Not linen."
        assert staff.post(f"actions/{acted.json['id']}/undo", {"reason": "It is linen."}).status_code in (200, 201)
        assert any_house.anonymous().get(path).json["state"] == "public", action


def test_what_the_rules_hold_waits_for_a_moderator(any_house: House) -> None:
    author, staff = any_house.as_("author"), any_house.as_("mod", "moderator")
    note_id = publish(any_house, author, text=HELD)
    assert author.get(f"notes/{note_id}").json["state"] == "in_review"
    case = staff.get("cases").json["items"][0]["id"]
    staff.post(f"cases/{case}/claim")
    staff.post(f"cases/{case}/actions", {"action": "approve", "version": 1, "reason": "The number is a size chart."})
    assert any_house.anonymous().get(f"notes/{note_id}").json["state"] == "public"


def test_a_hidden_product_takes_nothing_from_the_gate(any_house: House) -> None:
    """Handed in while the product was hidden, a note passed although a strike counted, and sold when it came back."""
    merchant, creator = any_house.as_("merchant", "merchant"), any_house.as_("creator")
    open_gate(any_house, creator.id)
    product = list_goods(merchant)
    note = draft(creator, products=[product["skus"][0]["id"]])["id"]
    close_gate(any_house, creator.id)
    any_house.engines.db.write(lambda tx: any_house.services.products.hide(tx, product["id"]))
    assert creator.post(f"notes/{note}/submit").status_code == 403
    assert creator.get(f"notes/{note}").json["state"] == "draft"


def test_ones_own_product_stays_ones_own_while_it_is_hidden(house: House) -> None:
    merchant = house.as_("merchant", "merchant")
    product = list_goods(merchant)
    note = publish(house, merchant, products=[product["skus"][0]["id"]])
    house.engines.db.write(lambda tx: house.services.products.hide(tx, product["id"]))
    changed = merchant.patch(f"notes/{note}", {"text": "Soft after the third wash."}, etag='"1"')
    assert changed.json["disclosure"]["kind"] == "own_product"
