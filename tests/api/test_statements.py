"""SQL statements are counted on feed, following and search: who asks included, and never more for a longer page."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from kernel import policy
from tests.api.test_feed import publish
from tests.house import Client, House
from tests.statements import statements
from tests.studio import go_live
from tests.writing import list_product, open_gate

FEED, FOLLOWING, SEARCH = "feed?limit=20", "feed/following", "search?q=linen"


@dataclass
class Shelf:
    """A community that grows: each author with a note, every other one with a product; two rooms on air."""

    house: House
    viewer: Client
    merchant: Client
    authors: int = 0

    def grow(self, more: int) -> None:
        for number in range(self.authors, self.authors + more):
            author = self.house.as_(f"author{number}")
            open_gate(self.house, author.id)
            skus = [list_product(self.house, self.merchant.id)] if number % 2 else []
            publish(self.house, author, number, products=skus)
            self.viewer.put(f"accounts/{author.id}/follow")
        self.authors += more

    def told(self, who: Client, path: str, at_least: int) -> list[str]:
        with statements() as told:
            answer = who.get(path)
        assert len(answer.json["items"]) >= at_least
        return told


@pytest.fixture
def shelf(any_house: House, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr(policy, "KEPT_FOR", 3600.0)  # one statement a second and process, not one a page
    merchant = any_house.as_("shop", "merchant")
    built = Shelf(any_house, any_house.as_("viewer"), merchant)
    built.grow(4)
    for number, goods in enumerate(([], [list_product(any_house, merchant.id)])):
        go_live(any_house.as_(f"host{number}", "merchant") if not goods else merchant, shelf=goods)
    liked = any_house.device().get("feed?limit=1").json["items"][0]
    if liked["kind"] == "note":
        built.viewer.put(f"notes/{liked['id']}/like")
    any_house.jobs()
    any_house.services.policies.lately([])
    return built


def test_a_feed_page_takes_eight_reads_and_a_write_of_four_whatever_is_on_it(shelf: Shelf) -> None:
    # The longest of a few: a page on which no product note was drawn asks for no products.
    few = max((without_rooms(shelf.told(shelf.house.as_(f"early{n}"), FEED, 4)) for n in range(6)), key=len)
    shelf.grow(8)
    many = without_rooms(shelf.told(shelf.viewer, FEED, 8))
    assert len(few) == len(many)
    # Who asks, what is known of them, whom they follow, recall, rooms, people, notes, products.
    assert sum(text.startswith("SELECT") for text in many[:8]) == 8, many
    # The lock (PostgreSQL only), the check that nothing was shown meanwhile, the exposures, the notes' counters.
    assert len(many[8:]) <= 4, many
    assert sum(text.startswith(("INSERT", "UPDATE")) for text in many[8:]) == 2, many
    assert len(without_rooms(shelf.told(shelf.house.device(), FEED, 8))) == len(many) - 1


def without_rooms(told: list[str]) -> list[str]:
    """Without the counters of the rooms, which are written once where a room is on the page."""
    rooms = [text for text in told if "feed_broadcasts" in text]
    assert [text.partition(" ")[0] for text in rooms] in ([], ["UPDATE"]), rooms
    return [text for text in told if text not in rooms]


def test_a_following_page_takes_seven_reads_and_one_insert(shelf: Shelf) -> None:
    few = shelf.told(shelf.viewer, FOLLOWING, 4)
    shelf.grow(8)
    many = shelf.told(shelf.viewer, FOLLOWING, 12)
    assert len(few) == len(many) <= 8, many
    assert [text for text in many if not text.startswith("SELECT")] == many[7:], many


def test_an_answer_of_all_kinds_takes_five_statements(shelf: Shelf) -> None:
    few = shelf.told(shelf.viewer, SEARCH, 7)
    shelf.grow(8)
    many = shelf.told(shelf.viewer, SEARCH, 15)
    assert len(few) == len(many) <= 5, many
