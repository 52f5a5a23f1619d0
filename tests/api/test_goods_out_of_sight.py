"""Goods whose merchant is suspended, or behind a block of the viewer's: not on cards, not in rooms, not to be had."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.house import Client, House, problem
from tests.market import list_product, quote
from tests.studio import go_live
from tests.writing import draft, open_gate, publish


@dataclass
class Stall:
    """A merchant whose shirt hangs on a creator's note and in the creator's room; a viewer who has met neither."""

    house: House
    merchant: Client
    creator: Client
    viewer: Client
    product: str
    sku: str
    note: str
    room: str

    def suspend(self, back: bool = False) -> None:
        accounts = self.house.services.accounts
        self.house.engines.db.write(lambda tx: (accounts.reinstate if back else accounts.suspend)(tx, self.merchant.id))
        self.house.jobs()

    def chips(self, viewer: Client) -> set[bool]:
        """Whether the note's card is there with its product, at each door."""
        alone = viewer.get(f"notes/{self.note}").json
        profile = viewer.get(f"accounts/{self.creator.id}/notes").json["items"]
        found = viewer.get("search?q=linen&kind=note").json["items"]
        feed = [item for item in viewer.get("feed").json["items"] if item["id"] == self.note]
        assert len(profile) == len(found) == 1
        return {bool(alone["products"]), *(bool(card["product"]) for card in [alone, *profile, *found, *feed])}

    def shelf(self) -> list[str]:
        room = self.house.anonymous().get(f"rooms/{self.room}").json
        return [item["sku_id"] for item in room["state"]["shelf"]]


@pytest.fixture
def stall(any_house: House) -> Stall:
    merchant, creator = any_house.as_("weaver", "merchant"), any_house.as_("creator")
    open_gate(any_house, creator.id)
    product = list_product(merchant)
    sku = product["skus"][0]["id"]
    note = publish(any_house, creator, title="Linen in the rain", products=[sku])
    room = go_live(creator, shelf=[sku])
    return Stall(any_house, merchant, creator, any_house.as_("viewer"), product["id"], sku, note, room)


def test_goods_of_a_suspended_merchant_leave_cards_and_rooms_and_come_back(stall: Stall) -> None:
    assert (stall.chips(stall.viewer), stall.shelf()) == ({True}, [stall.sku])
    stall.suspend()
    assert (stall.chips(stall.house.as_("another")), stall.chips(stall.creator), stall.shelf()) == (
        {False},
        {False},
        [],
    )
    stall.suspend(back=True)
    assert (stall.chips(stall.house.as_("third")), stall.shelf()) == ({True}, [stall.sku])


@pytest.mark.parametrize("theirs", [True, False])
def test_a_card_behind_a_block_is_bare_for_that_viewer_only(stall: Stall, theirs: bool) -> None:
    one, other = (stall.merchant, stall.viewer) if theirs else (stall.viewer, stall.merchant)
    one.put(f"accounts/{other.id}/block")
    assert stall.chips(stall.viewer) == {False}
    assert stall.chips(stall.house.as_("another")) == {True}


@pytest.mark.parametrize("theirs", [True, False])
def test_nobody_buys_across_a_block_and_nobody_learns_of_it(stall: Stall, theirs: bool) -> None:
    asked = quote(stall.viewer, stall.sku)
    one, other = (stall.merchant, stall.viewer) if theirs else (stall.viewer, stall.merchant)
    one.put(f"accounts/{other.id}/block")
    refused = stall.viewer.post("quotes", {"lines": [{"sku": stall.sku}]})
    nothing = stall.viewer.post("quotes", {"lines": [{"sku": "sku_" + "0" * 26}]})
    assert problem(refused) == problem(nothing) == (404, "sku.not_found")
    assert (refused.json["detail"], refused.json.keys()) == (nothing.json["detail"], nothing.json.keys())
    # What was quoted before answers as what was hidden since.
    ordered = stall.viewer.post("orders", {"quote": asked})
    stall.house.engines.db.write(lambda tx: stall.house.services.products.hide(tx, stall.product))
    hidden = stall.viewer.post("orders", {"quote": asked})
    assert problem(ordered) == problem(hidden) == (409, "product.not_available")
    assert stall.viewer.get("orders").json["items"] == []


def test_the_gate_attaches_nothing_that_is_out_of_the_author_s_sight(stall: Stall) -> None:
    form = {"title": "Again", "products": [stall.sku]}
    stall.merchant.put(f"accounts/{stall.creator.id}/block")
    assert problem(stall.creator.post("notes", form)) == (422, "product.not_found")
    stall.merchant.delete(f"accounts/{stall.creator.id}/block")
    stall.suspend()
    before = len(stall.creator.get("me/notes").json["items"])
    assert problem(stall.creator.post("notes", form)) == (422, "product.not_found")
    assert problem(stall.creator.put(f"rooms/{stall.room}/shelf", {"skus": [stall.sku]})) == (422, "product.not_found")
    assert len(stall.creator.get("me/notes").json["items"]) == before
    # A note outlives its products: what it carried it may go on carrying.
    kept = stall.creator.put(f"notes/{stall.note}/products", {"products": [stall.sku]})
    assert (kept.status_code, kept.json["products"], kept.json["product_ids"]) == (200, [], [stall.sku])


def test_what_a_creator_drafted_keeps_its_product_and_shows_none(stall: Stall) -> None:
    mine = draft(stall.creator, products=[stall.sku])
    stall.suspend()
    handed_in = stall.creator.post(f"notes/{mine['id']}/submit")
    assert (handed_in.status_code, handed_in.json["products"]) == (200, [])
