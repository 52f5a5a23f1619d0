"""Where a line says it came from: kept when it is true, refused when it is not, dropped when it is too old."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

import pytest
from sqlalchemy import func, select

from kernel.ids import made_at, new_id
from shop.models import Quote
from tests.api.test_feed import publish as publish_post
from tests.house import Client, House, problem
from tests.market import buy, list_product, price
from tests.studio import go_live
from tests.writing import open_gate, publish, verdict

# The feed shows a note with a card when it is worth reading, and never two commercial things in a row.
WORTH_READING = (
    "I am 5'2\" and bought the petite. The waist sits where it should, but the hem is long, so I had it shortened by "
    "4 cm. The linen is soft and does not itch, because it was washed before."
)
NOBODYS_NOTE, NOBODYS_ROOM = "note_" + "0" * 26, "room_" + "0" * 26


@dataclass(frozen=True)
class Window:
    """A merchant's note and room show one product in two sizes; beside it stands another product that nobody shows."""

    house: House
    note: str
    room: str
    sku: str
    size: str
    hidden_away: str
    posts: Iterator[int] = field(default_factory=count)

    def exposures(self, who: Client) -> dict[str, str]:
        """Item -> exposure, as this person's feed shows them. Never two commercial items in a row: where a page ends with
        one of the two, the other comes as soon as something else stands between."""
        shown = self._page(who)
        while not {self.note, self.room} <= shown.keys():
            self.post()
            shown |= self._page(who)
        return shown

    def post(self) -> None:
        """Something else worth reading. No copy of what stands there: of those a page shows one, whichever is drawn."""
        number = next(self.posts)
        publish_post(self.house, self.house.as_(f"writer{number}"), number)

    def _page(self, who: Client) -> dict[str, str]:
        return {item["id"]: item["exposure_id"] for item in who.get("feed").json["items"]}


@pytest.fixture
def window(any_house: House) -> Window:
    merchant = any_house.as_("weaver", "merchant")
    sizes = [{"name": name, "price": price(9900), "stock": 5} for name in ("M", "L")]
    shirt = merchant.post("products", {"title": "Linen shirt", "skus": sizes}).json["skus"]
    other = list_product(merchant)["skus"][0]["id"]
    note = publish(any_house, merchant, text=WORTH_READING, products=[shirt[0]["id"]])
    room = go_live(merchant, shelf=[shirt[0]["id"]])
    made = Window(any_house, note, room, shirt[0]["id"], shirt[1]["id"], other)
    for _ in range(3):
        made.post()
    return made


def quotes(house: House) -> int:
    with house.engines.db.read() as session:
        return session.scalar(select(func.count()).select_from(Quote)) or 0


def refused(window: Window, buyer: Client, sku: str, **touchpoint: Any) -> str:
    """The field that is to blame; nothing was quoted."""
    before = quotes(window.house)
    answer = buyer.post("quotes", {"lines": [{"sku": sku, "touchpoint": {"placement": "note", **touchpoint}}]})
    assert problem(answer) == (422, "touchpoint.untrue")
    assert quotes(window.house) == before
    (error,) = answer.json["errors"]
    return str(error["field"])


def test_what_is_true_travels_to_the_order_also_for_another_size(window: Window) -> None:
    buyer = window.house.as_("buyer")
    shown = window.exposures(buyer)
    met = {"placement": "note", "note_id": window.note, "exposure_id": shown[window.note]}
    order = buyer.get(f"orders/{buy(buyer, window.size, touchpoint=met)['order']}").json
    assert order["lines"][0]["touchpoint"] == {**met, "room_id": None}
    live = {"placement": "room", "room_id": window.room, "exposure_id": shown[window.room]}
    order = buyer.get(f"orders/{buy(buyer, window.sku, touchpoint=live)['order']}").json
    assert (order["channel"], order["lines"][0]["touchpoint"]) == ("room", {**live, "note_id": None})


def test_a_note_or_room_that_does_not_show_the_product_is_refused_by_name(window: Window) -> None:
    buyer = window.house.as_("buyer")
    field = "lines.0.touchpoint."
    assert refused(window, buyer, window.sku, note_id=NOBODYS_NOTE) == field + "note_id"
    assert refused(window, buyer, window.sku, room_id=NOBODYS_ROOM) == field + "room_id"
    assert refused(window, buyer, window.hidden_away, note_id=window.note) == field + "note_id"
    assert refused(window, buyer, window.hidden_away, room_id=window.room) == field + "room_id"


def test_somebody_elses_exposure_and_one_of_something_else_are_refused(window: Window) -> None:
    buyer, other, house = window.house.as_("buyer"), window.house.as_("other"), window.house
    field, theirs, mine = "lines.0.touchpoint.exposure_id", window.exposures(other), window.exposures(buyer)
    assert refused(window, buyer, window.sku, note_id=window.note, exposure_id=theirs[window.note]) == field
    assert refused(window, buyer, window.sku, note_id=window.note, exposure_id=mine[window.room]) == field
    assert refused(window, buyer, window.hidden_away, exposure_id=mine[window.note]) == field
    assert refused(window, buyer, window.sku, exposure_id=new_id("expo", house.clock.now())) == field
    assert (
        buyer.post(
            "quotes",
            {"lines": [{"sku": window.sku, "touchpoint": {"placement": "feed", "exposure_id": mine[window.note]}}]},
        ).json["lines"][0]["touchpoint"]["exposure_id"]
        == mine[window.note]
    )


def test_what_a_device_was_shown_is_its_account_s_after_log_in(window: Window) -> None:
    device = window.house.device()
    exposure = window.exposures(device)[window.note]
    joined = device.post("accounts", {"handle": "lin_mei", "password": "a long enough one"}).json
    buyer = Client(window.house, {"Authorization": f"Bearer {joined['token']}"}, joined["account"]["id"])
    buy(buyer, window.sku, touchpoint={"placement": "feed", "note_id": window.note, "exposure_id": exposure})
    field = refused(window, window.house.as_("other"), window.sku, note_id=window.note, exposure_id=exposure)
    assert field == "lines.0.touchpoint.exposure_id"


def test_an_exposure_that_is_too_old_is_dropped_and_not_refused(window: Window) -> None:
    buyer = window.house.as_("buyer")
    met = {"placement": "note", "note_id": window.note, "exposure_id": window.exposures(buyer)[window.note]}
    window.house.clock.advance(days=7, seconds=1)
    order = buyer.get(f"orders/{buy(buyer, window.sku, touchpoint=met)['order']}").json
    assert (order["channel"], order["lines"][0]["touchpoint"]) == ("product", None)


def channel(buyer: Client, sku: str, **met: Any) -> tuple[str, str | None, int]:
    """Channel of an order, placement on its line, seconds to pay."""
    order = buyer.get(f"orders/{buy(buyer, sku, touchpoint=met)['order']}").json
    buyer.post(f"orders/{order['id']}/cancel")
    times = [datetime.fromisoformat(order[name]) for name in ("placed_at", "pay_by")]
    kept = order["lines"][0]["touchpoint"]
    return order["channel"], kept and kept["placement"], int((times[1] - times[0]).total_seconds())


def test_a_room_s_offer_is_one_whatever_it_is_called_and_nothing_else_is(window: Window) -> None:
    buyer, room, note = window.house.as_("buyer"), window.room, window.note
    exposure = window.exposures(buyer)[room]
    for met in ({"room_id": room}, {"note_id": note, "room_id": room}, {"exposure_id": exposure}):
        for said in ("room", "search", "feed"):
            assert channel(buyer, window.sku, placement=said, **met) == ("room", "room", 300)
    assert channel(buyer, window.sku, placement="room", note_id=note) == ("note", "note", 1800)
    assert channel(buyer, window.sku, placement="room") == ("product", "product", 1800)


def test_a_placement_is_kept_as_far_as_the_rest_bears_it_out(window: Window) -> None:
    buyer, note = window.house.as_("buyer"), window.note
    exposure = window.exposures(buyer)[note]
    for said in ("feed", "following"):  # what an exposure was shown in, it says itself
        assert channel(buyer, window.sku, placement=said, exposure_id=exposure)[:2] == ("feed", "feed")
        assert channel(buyer, window.sku, placement=said)[:2] == ("product", "product")
    assert channel(buyer, window.sku, placement="note")[:2] == ("product", "product")
    for said in ("search", "profile", "share"):
        assert channel(buyer, window.sku, placement=said, note_id=note)[:2] == (said, said)
        assert channel(buyer, window.sku, placement=said)[:2] == (said, said)


def test_an_exposure_s_note_stands_on_the_line_though_it_was_not_named(window: Window) -> None:
    buyer = window.house.as_("buyer")
    met = {"placement": "feed", "exposure_id": window.exposures(buyer)[window.note]}
    order = buyer.get(f"orders/{buy(buyer, window.size, touchpoint=met)['order']}").json
    assert order["lines"][0]["touchpoint"] == {**met, "note_id": window.note, "room_id": None}


@pytest.mark.parametrize("how", ["hidden", "removed", "deleted", "rejected", "suspended", "blocked", "unlinked"])
def test_a_note_that_is_gone_is_dropped_and_the_order_goes_through(window: Window, how: str) -> None:
    house, buyer = window.house, window.house.as_("buyer")
    creator = house.as_("creator")
    open_gate(house, creator.id)
    note = publish(house, creator, title="Gone soon", text=WORTH_READING, products=[window.sku])
    met = {"placement": "note", "note_id": note}
    assert channel(buyer, window.sku, **met)[0] == "note"
    if how == "deleted":
        creator.delete(f"notes/{note}")
    elif how == "unlinked":
        etag = creator.get(f"notes/{note}").headers["ETag"]
        assert creator.put(f"notes/{note}/products", {"products": []}, headers={"If-Match": etag}).status_code == 200
        house.jobs()
    elif how == "blocked":
        creator.put(f"accounts/{buyer.id}/block")
    elif how == "rejected":
        verdict(house, note, 1, "reject", overrule=True)
    elif how == "suspended":
        house.engines.db.write(lambda tx: house.services.accounts.suspend(tx, creator.id))
    else:
        notes = house.services.notes
        house.engines.db.write(lambda tx: (notes.hide if how == "hidden" else notes.remove)(tx, note))
    assert channel(buyer, window.sku, **met) == ("product", None, 1800)


def test_a_room_that_is_gone_is_dropped_and_the_order_goes_through(window: Window) -> None:
    house, buyer = window.house, window.house.as_("buyer")
    exposure = window.exposures(buyer)[window.room]
    house.engines.db.write(lambda tx: house.services.desk.hide(tx, window.room))
    assert channel(buyer, window.sku, placement="room", room_id=window.room) == ("product", None, 1800)
    assert channel(buyer, window.sku, placement="feed", exposure_id=exposure) == ("product", None, 1800)


def test_the_room_s_own_counter_refuses_what_is_not_on_its_shelf(window: Window) -> None:
    buyer = window.house.as_("buyer")
    assert refused(window, buyer, window.hidden_away, placement="room", room_id=window.room).endswith("room_id")


def test_an_id_says_when_it_was_made(house: House) -> None:
    now = house.clock.now()
    made = made_at(new_id("expo", now))
    assert made is not None
    assert abs((made - now).total_seconds()) < 0.001
    assert made_at("expo_" + "u" * 26) is None
