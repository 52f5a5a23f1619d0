"""The feed through HTTP: what is shown, what never is, and what is logged."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from demo.reviews import read_reviews
from feed.models import Exposure
from kernel.actor import Actor
from kernel.errors import Unavailable
from tests.house import Client, House, problem
from tests.market import list_product
from web.verdicts import Verdicts

# Real posts that say enough: notes of one template would be near-duplicates, and share no page.
POSTS = [review for review in read_reviews() if review.title and len(review.text) > 400]


def publish(house: House, author: Client, number: int = 1, **fields: Any) -> str:
    post = POSTS[number]
    draft = {"title": post.title, "text": post.text, "topics": ["linen"], **fields}
    note_id: str = author.post("notes", draft).json["id"]
    assert author.post(f"notes/{note_id}/submit").status_code == 200
    house.jobs()
    return note_id


def ids(page: Any) -> list[str]:
    return [item["id"] for item in page.json["items"]]


def test_a_good_note_reaches_a_stranger_and_is_logged(any_house: House) -> None:
    note = publish(any_house, any_house.as_("author"))
    page = any_house.device().get("feed")
    assert ids(page) == [note]
    item = page.json["items"][0]
    assert (item["kind"], item["position"], item["recommended"]) == ("note", 1, True)
    assert item["exposure_id"].startswith("expo_")


def test_a_note_that_merely_displays_a_product_is_not_recommended(house: House) -> None:
    author = house.as_("author")
    note = publish(house, author, text="New arrival! Buy now, link below. {n}0% off while stocks last.")
    assert ids(house.device().get("feed")) == []
    assert author.get(f"notes/{note}/quality").json["tier"] == "below_floor"
    fan = house.as_("fan")
    fan.put(f"accounts/{author.id}/follow")
    assert ids(fan.get("feed/following")) == [note]


def test_nothing_comes_back_within_seven_days(house: House) -> None:
    authors = [house.as_(f"author{n}") for n in range(4)]
    notes = {publish(house, authors[n % 4], n) for n in range(6)}
    viewer = house.device()
    first, second = ids(viewer.get("feed?limit=3")), ids(viewer.get("feed?limit=3"))
    assert set(first) | set(second) == notes
    assert ids(viewer.get("feed")) == []
    house.clock.advance(days=7, minutes=1)
    assert set(ids(viewer.get("feed"))) == notes


def test_what_is_hidden_blocked_or_deleted_is_absent_from_the_next_page(house: House) -> None:
    author, viewer, moderator = house.as_("author"), house.as_("viewer"), house.as_("mod", "moderator")
    notes = [publish(house, author, n) for n in range(2)]
    other = publish(house, house.as_("other"), 7)
    viewer.post("reports", {"target": {"kind": "note", "id": notes[0]}, "reason": "spam"})
    case = moderator.get("cases").json["items"][0]
    act = {"action": "hide", "version": case["target"]["version"], "reason": "Spam"}
    assert moderator.post(f"cases/{case['id']}/actions", act).status_code == 201
    assert notes[0] not in ids(house.device().get("feed"))
    author.delete(f"notes/{notes[1]}")
    assert ids(house.device().get("feed")) == [other]
    blocker = house.as_("blocker")
    blocker.put(f"accounts/{house.services.notes.contents([other])[other].author_id}/block")
    assert ids(blocker.get("feed")) == []


def test_undo_brings_a_note_back(house: House) -> None:
    note = publish(house, house.as_("author"))
    moderator = house.as_("mod", "moderator")
    house.as_("reader").post("reports", {"target": {"kind": "note", "id": note}, "reason": "spam"})
    case = moderator.get("cases").json["items"][0]
    act = {"action": "hide", "version": case["target"]["version"], "reason": "Spam"}
    action = moderator.post(f"cases/{case['id']}/actions", act).json["id"]
    assert ids(house.device().get("feed")) == []
    moderator.post(f"actions/{action}/undo", {"reason": "It was fine"})
    house.jobs()
    assert ids(house.device().get("feed")) == [note]


def test_at_most_two_of_one_author_in_ten(house: House) -> None:
    busy = house.as_("busy")
    for number in range(6):
        publish(house, busy, number)
    for number in range(8):
        publish(house, house.as_(f"author{number}"), 10 + number)
    viewer = house.device()
    shown = []
    for _ in range(3):
        shown += [item["author"]["id"] for item in viewer.get("feed?limit=5").json["items"]]
    windows = [shown[n : n + 10] for n in range(max(1, len(shown) - 9))]
    assert all(window.count(busy.id) <= 2 for window in windows)
    assert busy.id in shown


def test_not_interested_changes_the_very_next_page(house: House) -> None:
    note = publish(house, house.as_("author"))
    viewer = house.as_("viewer")
    assert viewer.post("feedback", {"kind": "not_interested", "target": note}).status_code == 204
    assert ids(viewer.get("feed")) == []
    hider = house.as_("hider")
    author = house.services.notes.contents([note])[note].author_id
    hider.post("feedback", {"kind": "hide_author", "target": author})
    assert ids(hider.get("feed")) == []


def test_liking_a_topic_brings_more_of_it(house: House) -> None:
    viewer = house.as_("viewer")
    liked = publish(house, house.as_("a0"), 0, topics=["tennis"])
    for _ in range(3):
        viewer.put(f"notes/{liked}/like")
        viewer.delete(f"notes/{liked}/like")
    viewer.put(f"notes/{liked}/like")
    tennis = publish(house, house.as_("a1"), 1, topics=["tennis"])
    publish(house, house.as_("a2"), 2, topics=["baking"])
    items = {item["id"]: item["exposure_id"] for item in viewer.get("feed").json["items"]}
    why = viewer.get(f"exposures/{items[tennis]}/why").json
    assert (why["reason"], why["about"]) == ("topic", "tennis")
    assert why["parts"]["affinity"] > 0
    assert 0 < why["propensity"] <= 1


def test_only_the_person_it_was_shown_to_may_ask_why(house: House) -> None:
    publish(house, house.as_("author"))
    exposure = house.as_("viewer").get("feed").json["items"][0]["exposure_id"]
    assert problem(house.as_("other").get(f"exposures/{exposure}/why")) == (404, "exposure.not_found")
    assert problem(house.device().get(f"exposures/{exposure}/why")) == (404, "exposure.not_found")


def test_the_quality_page_is_the_authors(house: House) -> None:
    author = house.as_("author")
    note = publish(house, author)
    answer = author.get(f"notes/{note}/quality").json
    assert answer["recommended"] is True
    assert set(answer["advice"]) <= {f"more_{name}" for name in answer["parts"]} | {"less_display"}
    assert problem(house.as_("other").get(f"notes/{note}/quality")) == (404, "note.not_found")


def test_ranking_inputs_name_nothing_forbidden(house: House) -> None:
    answer = house.anonymous().get("ranking/inputs").json
    assert not set(answer["inputs"]) & set(answer["forbidden"])
    assert "price" in answer["forbidden"]


def test_absurd_cursors_and_limits_are_refused(house: House) -> None:
    viewer = house.as_("viewer")
    assert problem(viewer.get("feed?cursor=zzz")) == (400, "cursor.malformed")
    assert problem(viewer.get("feed/following?cursor=WyJhIiwiYiJd")) == (400, "cursor.malformed")
    assert problem(viewer.get("feed?limit=1000")) == (422, "request.invalid")
    assert problem(viewer.post("feedback", {"kind": "not_interested"})) == (422, "feedback.target_missing")


def test_a_bots_views_do_not_count_as_exposures(house: House) -> None:
    author = house.as_("author")
    note = publish(house, author)
    house.as_("bot", synthetic=True).get("feed")
    assert author.get(f"notes/{note}/quality").json["exposures"] == 0
    house.as_("person").get("feed")
    assert author.get(f"notes/{note}/quality").json["exposures"] == 1


def test_a_visitor_without_a_device_gets_a_page(house: House) -> None:
    note = publish(house, house.as_("author"))
    page = house.services.feed.page(Actor(), None, 10)
    assert [item["id"] for item in page.items] == [note]


def test_what_cannot_be_written_down_is_shown_all_the_same_and_counts_as_shown_to_nobody(house: House) -> None:
    author, viewer = house.as_("author"), house.as_("viewer")
    for number in range(2):
        publish(house, author, number=number)
    viewer.put(f"accounts/{author.id}/follow")
    with pytest.MonkeyPatch.context() as full:
        full.setattr(house.engines.db, "write", _no_room)
        for path in ("feed?limit=1", "feed/following?limit=1"):
            page = viewer.get(path).json
            assert [item["exposure_id"] for item in page["items"]] == [None]
            # Nobody knows what was shown, so the next page of the one would be the same again; the other has its places.
            assert (page["next_cursor"] is None) == (path == "feed?limit=1")
        assert viewer.get("/").status_code == 200
        assert house.anonymous().get("/", headers={"Accept": "text/html"}).status_code == 200
        assert problem(viewer.post("feedback", {"kind": "fewer_products"})) == (503, "disk.full")
    with house.engines.db.read() as session:
        assert session.scalar(select(func.count()).select_from(Exposure)) == 0
    assert len(viewer.get("feed").json["items"]) == 2


def _no_room(write: object) -> None:
    raise Unavailable("disk.full", "There is no room left on the disk.", retry_after=5)


def test_what_began_to_sell_a_moment_ago_counts_as_commercial(any_house: House) -> None:
    """Candidates learn of it by a job; until that has run, every page was nothing but product notes, logged as none."""
    for number in range(6):
        author = any_house.as_(f"merchant{number}", "merchant")
        sku, note = list_product(author)["skus"][0]["id"], publish(any_house, author, number)
        changed = author.put(f"notes/{note}/products", {"products": [sku]}).json
        Verdicts(any_house.services).screen({"kind": "note", "id": note, "version": changed["version"]})
    page = any_house.as_("viewer").get("feed").json["items"]
    assert [item["commercial"] for item in page] == [True]  # never two in a row
    with any_house.engines.db.read() as session:
        assert list(session.scalars(select(Exposure.commercial))) == [True]


def test_who_is_not_known_again_gets_no_next_page(any_house: House) -> None:
    for number in range(4):
        publish(any_house, any_house.as_(f"author{number}"), number)
    page = any_house.anonymous().get("feed?limit=2").json
    assert (len(page["items"]), page["next_cursor"]) == (2, None)
    assert any_house.device().get("feed?limit=2").json["next_cursor"]
