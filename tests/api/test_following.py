"""The following feed: complete and chronological, and every item of it an exposure like any other."""

from __future__ import annotations

import re

from sqlalchemy import select

from feed.exposures import CHRONOLOGICAL
from feed.models import Candidate, Exposure
from tests.api.test_feed import ids, publish
from tests.house import Client, House, problem
from tests.market import buy
from tests.visitor import Visitor
from tests.writing import list_product, open_gate


def fan_of(house: House, *authors: Client) -> Client:
    fan = house.as_("fan")
    for author in authors:
        fan.put(f"accounts/{author.id}/follow")
    return fan


def logged(house: House) -> list[Exposure]:
    with house.engines.db.read() as session:
        return list(session.scalars(select(Exposure).order_by(Exposure.id)))


def test_the_following_feed_is_complete_and_chronological(any_house: House) -> None:
    star = any_house.as_("star")
    fan, notes = fan_of(any_house, star), []
    for number in range(7):
        notes.append(publish(any_house, star, number))
        any_house.clock.advance(minutes=1)
    publish(any_house, any_house.as_("stranger"), 50)
    shown: list[tuple[str, int]] = []
    cursor = ""
    while cursor is not None:
        page = fan.get(f"feed/following?limit=3{cursor and '&cursor=' + cursor}")
        shown += [(item["id"], item["position"]) for item in page.json["items"]]
        cursor = page.json["next_cursor"]
    assert shown == list(zip(reversed(notes), range(1, 8)))


def test_what_the_following_feed_shows_is_logged_as_what_it_is(any_house: House) -> None:
    author = any_house.as_("author")
    fan, note = fan_of(any_house, author), publish(any_house, author)
    (item,) = fan.get("feed/following").json["items"]
    (row,) = logged(any_house)
    assert (row.id, row.person, row.item_id, row.author_id) == (item["exposure_id"], fan.id, note, author.id)
    assert (row.placement, row.position, row.propensity, row.policy_version) == ("following", 1, 1.0, CHRONOLOGICAL)
    why = fan.get(f"exposures/{item['exposure_id']}/why").json
    assert (why["placement"], why["reason"], why["position"]) == ("following", "following", 1)
    assert problem(any_house.as_("other").get(f"exposures/{row.id}/why")) == (404, "exposure.not_found")


def test_an_order_that_began_in_the_following_feed_says_so(house: House) -> None:
    author, merchant = house.as_("author"), house.as_("shop", "merchant")
    open_gate(house, author.id)
    note = publish(house, author, products=[list_product(house, merchant.id)])
    fan = fan_of(house, author)
    (item,) = fan.get("feed/following").json["items"]
    met = {"placement": "following", "note_id": note, "exposure_id": item["exposure_id"]}
    order = buy(fan, item["product"]["sku_id"], touchpoint=met)["order"]
    assert met.items() <= fan.get(f"orders/{order}").json["lines"][0]["touchpoint"].items()


def test_the_page_carries_the_exposure_to_the_checkout(house: House) -> None:
    author, merchant = house.as_("author"), house.as_("shop", "merchant")
    open_gate(house, author.id)
    note = publish(house, author, products=[list_product(house, merchant.id)])
    visitor = Visitor(house)
    visitor.log_in("fan")
    visitor.send(f"/profiles/{author.id}", f"/profiles/{author.id}/follow", on="1")
    ahead = visitor.get("/following", headers={"Sec-Purpose": "prefetch"}).get_data(as_text=True)
    assert (note in ahead, logged(house)) == (False, [])
    (link,) = re.findall(rf'href="(/notes/{note}\?via=following:expo_\w+)"', visitor.text("/following"))
    (row,) = logged(house)
    assert link.endswith(row.id)
    assert f"touchpoint=note%3A{note}%3A{row.id}" in visitor.text(link)


def test_what_was_seen_there_does_not_come_back_in_the_feed_but_there(house: House) -> None:
    author = house.as_("author")
    fan, note = fan_of(house, author), publish(house, author)
    assert ids(fan.get("feed/following")) == ids(fan.get("feed/following")) == [note]
    assert ids(fan.get("feed")) == []
    assert ids(house.device().get("feed")) == [note]
    house.clock.advance(days=7, minutes=1)
    assert ids(fan.get("feed")) == [note]


def test_followers_use_up_no_guarantee(house: House) -> None:
    author = house.as_("author")
    fan = fan_of(house, author)
    publish(house, author)
    fan.get("feed/following")
    with house.engines.db.read() as session:
        assert session.scalars(select(Candidate.exposures)).all() == [0]


def test_what_was_seen_there_is_no_part_of_the_feeds_last_ten(house: House) -> None:
    author = house.as_("author")
    fan = fan_of(house, author)
    for number in range(3):
        publish(house, author, number)
    assert len(ids(fan.get("feed/following"))) == 3
    fresh = publish(house, author, 9)
    assert ids(fan.get("feed")) == [fresh]
