"""Products, SKUs, prices and stock through HTTP."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import update

from shop import stock
from shop.models import Sku, Stock
from tests.house import House, problem
from tests.market import ADDRESS, buy, level, list_product, price, quote, sell
from tests.writing import picture, upload


def test_a_merchant_lists_a_product_and_everybody_sees_it(any_house: House) -> None:
    merchant = any_house.as_("weaver", "merchant")
    made = list_product(merchant, stock=3)
    shown = any_house.anonymous().get(f"products/{made['id']}")
    assert shown.json == made
    assert shown.headers["ETag"] == '"1"'
    assert made["merchant"]["handle"] == "weaver"
    sku = any_house.anonymous().get(f"skus/{made['skus'][0]['id']}").json
    assert (sku["price"], sku["available"], sku["state"]) == (price(12900), 3, "in_stock")
    assert level(any_house, sku["id"]) == (3, 3, 0, 0)


def test_only_a_merchant_lists_products(house: House) -> None:
    refused = house.as_("viewer").post("products", {"title": "x", "skus": [{"name": "M", "price": price(1)}]})
    assert problem(refused) == (403, "role.required")
    assert house.anonymous().get("products").json == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"skus": []}, "skus"),
        ({"title": "a\u202eb"}, "title"),
        ({"price": 1}, "price"),
        ({"skus": [{"name": "M", "price": {"amount": 0, "currency": "CNY"}}]}, "skus.0.price.amount"),
        ({"skus": [{"name": "M", "price": {"amount": 1.5, "currency": "CNY"}}]}, "skus.0.price.amount"),
        ({"skus": [{"name": "M", "price": {"amount": 1, "currency": "XXX"}}]}, "skus.0.price.currency"),
        ({"skus": [{"name": "M", "price": {"amount": 1, "currency": "CNY"}, "stock": -1}]}, "skus.0.stock"),
        ({"cover": {"url": "https://evil.example/x.png", "width": 1, "height": 1}}, "cover.url"),
        ({"cover": {"url": "/media/../secret", "width": 1, "height": 1}}, "cover.url"),
    ],
)
def test_a_wrong_product_names_the_field_and_lists_nothing(house: House, change: dict, field: str) -> None:
    form = {"title": "Shirt", "skus": [{"name": "M", "price": price(100)}], **change}
    refused = house.as_("weaver", "merchant").post("products", form)
    assert problem(refused) == (422, "request.invalid")
    assert refused.json["errors"][0]["field"] == field
    assert house.anonymous().get("products").json["items"] == []


def test_a_site_sells_in_its_own_currency(any_house: House) -> None:
    merchant, dollar = any_house.as_("weaver", "merchant"), {"amount": 1, "currency": "USD"}
    skus = [{"name": "M", "price": price(1)}, {"name": "L", "price": dollar}]
    refused = merchant.post("products", {"title": "Shirt", "skus": skus})
    assert problem(refused) == (422, "money.other_currency")
    assert [error["field"] for error in refused.json["errors"]] == ["skus.1.price.currency"]
    assert any_house.anonymous().get("products").json["items"] == []
    sku = list_product(merchant)["skus"][0]
    refused = merchant.patch(f"skus/{sku['id']}", {"price": dollar}, '"1"')
    assert problem(refused) == (422, "money.other_currency")
    assert [error["field"] for error in refused.json["errors"]] == ["price.currency"]
    assert merchant.get(f"skus/{sku['id']}").json["price"] == price(12900)


def test_what_was_listed_in_another_currency_is_for_sale_once_it_has_a_price_in_the_sites(
    build: Callable[..., House],
) -> None:
    house = build(currency="JPY")
    merchant, buyer = house.as_("weaver", "merchant"), house.as_("buyer")
    skus = [{"name": "M", "price": {"amount": 12900, "currency": "JPY"}, "stock": 1}]
    sku = merchant.post("products", {"title": "Shirt", "skus": skus}).json["skus"][0]["id"]
    house.engines.db.write(lambda tx: tx.session.execute(update(Sku).values(currency="CNY")))
    assert problem(buyer.post("quotes", {"lines": [{"sku": sku}]})) == (409, "product.not_available")
    yen = {"amount": 2580, "currency": "JPY"}
    assert merchant.patch(f"skus/{sku}", {"price": yen}, '"1"').json["price"] == yen
    assert buyer.post("quotes", {"lines": [{"sku": sku}]}).json["total"] == yen


def test_no_sku_receives_more_units_than_its_columns_hold(any_house: House) -> None:
    merchant = any_house.as_("weaver", "merchant")
    product = list_product(merchant, stock=0)
    sku, more = product["skus"][0]["id"], f"products/{product['id']}/stock"
    full = {"received": stock.MOST - 1, "available": stock.MOST - 1}
    any_house.engines.db.write(lambda tx: tx.session.execute(update(Stock).values(full)))
    refused = merchant.post(more, {"sku": sku, "quantity": 2})
    assert problem(refused) == (422, "stock.too_many")
    assert refused.json["errors"][0]["field"] == "quantity"
    assert merchant.post(more, {"sku": sku, "quantity": 1}).json["received"] == stock.MOST
    assert problem(merchant.post(more, {"sku": sku, "quantity": 1_000_000})) == (422, "stock.too_many")
    assert level(any_house, sku) == (stock.MOST, stock.MOST, 0, 0)


def test_nobody_buys_from_themselves(any_house: House) -> None:
    merchant, buyer = any_house.as_("weaver", "merchant"), any_house.as_("buyer")
    own, other = (list_product(one)["skus"][0]["id"] for one in (merchant, any_house.as_("dyer", "merchant")))
    for skus in ([own], [other, own]):
        refused = merchant.post("quotes", {"lines": [{"sku": sku, "qty": 1} for sku in skus], "address": ADDRESS})
        assert problem(refused) == (403, "merchant.own_goods")
        assert refused.json["skus"] == [own]
    assert merchant.get("orders").json["items"] == []
    assert buy(buyer, own)["result"] == "accepted"


def test_a_quote_of_ones_own_goods_from_before_becomes_no_order(
    any_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant = any_house.as_("weaver", "merchant")
    sku = list_product(merchant)["skus"][0]["id"]
    with monkeypatch.context() as before:
        before.setattr("shop.checkout.refuse_own", lambda buyer, lines: None)
        asked = quote(merchant, sku)
    assert problem(merchant.post("orders", {"quote": asked})) == (403, "merchant.own_goods")
    assert (merchant.get("orders").json["items"], level(any_house, sku)) == ([], (5, 5, 0, 0))


def test_a_cover_is_an_upload_of_the_merchants_own(any_house: House) -> None:
    merchant, other = any_house.as_("weaver", "merchant"), any_house.as_("dyer", "merchant")
    own = upload(merchant, picture()).json["url"]
    foreign = upload(other, picture(colour=(0, 0, 200))).json["url"]
    form = {"title": "Shirt", "skus": [{"name": "M", "price": price(100)}]}
    elsewhere = [own.replace("/media/images/", where) for where in ("/static/", "/media/x/", "/media//", "/media/")]
    for url in (foreign, "/media/images/nothing.webp", *elsewhere):
        refused = merchant.post("products", {**form, "cover": {"url": url, "width": 3, "height": 4}})
        assert problem(refused) == (422, "media.not_found")
        assert refused.json["errors"][0]["field"] == "cover.url"
    assert any_house.anonymous().get("products").json["items"] == []
    made = merchant.post("products", {**form, "cover": {"url": own, "width": 3, "height": 4}}).json
    refused = merchant.patch(f"products/{made['id']}", {"cover": {"url": foreign, "width": 3, "height": 4}}, '"1"')
    assert problem(refused) == (422, "media.not_found")
    assert any_house.anonymous().get(f"products/{made['id']}").json == made
    kept = {"cover": made["cover"], "title": "Blouse"}
    assert merchant.patch(f"products/{made['id']}", kept, '"1"').json["cover"] == made["cover"]


def test_listing_twice_with_one_key_lists_once(any_house: House) -> None:
    merchant = any_house.as_("weaver", "merchant")
    form = {"title": "Shirt", "skus": [{"name": "M", "price": price(100), "stock": 2}]}
    first, again = merchant.post("products", form, key="k"), merchant.post("products", form, key="k")
    assert again.json == first.json
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(any_house.anonymous().get("products").json["items"]) == 1


def test_products_are_paged_newest_first_without_gaps(any_house: House) -> None:
    merchant = any_house.as_("weaver", "merchant")
    made = []
    for _ in range(5):
        made.append(list_product(merchant)["id"])
        any_house.clock.advance(seconds=1)
    seen, cursor = [], None
    while True:
        path = "products?limit=2" + (f"&cursor={cursor}" if cursor else "")
        page = any_house.anonymous().get(path).json
        seen += [item["id"] for item in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == made[::-1]
    assert any_house.anonymous().get(f"products?merchant={merchant.id}&limit=1").json["items"][0]["id"] == made[-1]
    assert problem(any_house.anonymous().get("products?cursor=nonsense")) == (400, "cursor.malformed")
    assert problem(any_house.anonymous().get("products?limit=0")) == (422, "request.invalid")


def test_received_and_removed_units_are_booked_once(any_house: House) -> None:
    merchant = any_house.as_("weaver", "merchant")
    product = list_product(merchant, stock=1)
    sku, path = product["skus"][0]["id"], f"products/{product['id']}/stock"
    first = merchant.post(path, {"sku": sku, "quantity": 4}, key="in")
    assert first.json == {"sku": sku, "received": 5, "available": 5, "reserved": 0, "sold": 0, "removed": 0}
    assert merchant.post(path, {"sku": sku, "quantity": 4}, key="in").json == first.json
    assert merchant.post(path, {"sku": sku, "quantity": 2, "kind": "remove"}).json["removed"] == 2
    too_many = merchant.post(path, {"sku": sku, "quantity": 4, "kind": "remove"})
    assert problem(too_many) == (409, "stock.insufficient")
    assert level(any_house, sku) == (5, 3, 0, 0)


def test_another_merchant_moves_no_stock_and_no_price(house: House) -> None:
    product = list_product(house.as_("weaver", "merchant"), stock=1)
    other, sku = house.as_("other", "merchant"), product["skus"][0]["id"]
    refused = other.post(f"products/{product['id']}/stock", {"sku": sku, "quantity": 4})
    assert problem(refused) == (403, "product.not_yours")
    assert problem(other.patch(f"skus/{sku}", {"price": price(1)}, '"1"')) == (403, "product.not_yours")
    assert problem(other.patch(f"products/{product['id']}", {"title": "Mine"}, '"1"')) == (403, "product.not_yours")
    assert house.anonymous().get(f"products/{product['id']}").json == product


def test_a_price_changes_only_from_the_version_that_was_seen(any_house: House) -> None:
    merchant = any_house.as_("weaver", "merchant")
    product = list_product(merchant)
    sku = product["skus"][0]["id"]
    changed = merchant.patch(f"skus/{sku}", {"price": price(9900)}, '"1"')
    assert (changed.json["price"], changed.headers["ETag"]) == (price(9900), '"2"')
    stale = merchant.patch(f"skus/{sku}", {"price": price(1)}, '"1"')
    assert problem(stale) == (412, "version.changed")
    assert stale.json["current"] == "2"
    assert problem(merchant.patch(f"skus/{sku}", {"price": price(1)}, '"x"')) == (412, "version.changed")
    assert any_house.anonymous().get(f"skus/{sku}").json["price"] == price(9900)
    assert (
        any_house.anonymous().get(f"products/{product['id']}").json["version"] == 1
    )  # of its words, which moderators judge


def test_a_changed_title_is_a_new_version(house: House) -> None:
    merchant = house.as_("weaver", "merchant")
    product = list_product(merchant)
    changed = merchant.patch(f"products/{product['id']}", {"title": "Hemp shirt"}, '"1"').json
    assert (changed["title"], changed["version"], changed["skus"][0]["title"]) == ("Hemp shirt", 2, "Hemp shirt")


def test_a_hidden_product_is_gone_everywhere_and_comes_back(any_house: House) -> None:
    merchant, viewer = any_house.as_("weaver", "merchant"), any_house.as_("viewer")
    product = list_product(merchant)
    sku, products = product["skus"][0]["id"], any_house.services.products
    any_house.engines.db.write(lambda tx: products.hide(tx, product["id"]))
    assert problem(viewer.get(f"products/{product['id']}")) == (404, "product.not_found")
    assert problem(viewer.get(f"skus/{sku}")) == (404, "sku.not_found")
    assert problem(viewer.post("quotes", {"lines": [{"sku": sku}]})) == (404, "sku.not_found")
    assert viewer.get("products").json["items"] == []
    assert (products.chips(None, [sku]), products.all_ids()) == ({}, [])
    with any_house.engines.db.read() as session:
        assert products.merchants(session, merchant.id, [sku]) == {}
    assert merchant.get(f"products/{product['id']}").status_code == 200
    any_house.engines.db.write(lambda tx: products.restore(tx, product["id"]))
    assert viewer.get(f"products/{product['id']}").status_code == 200
    with any_house.engines.db.read() as session:
        assert products.merchants(session, merchant.id, [sku]) == {sku: merchant.id}


def test_a_blocked_merchant_is_not_in_the_list(house: House) -> None:
    merchant, viewer = house.as_("weaver", "merchant"), house.as_("viewer")
    list_product(merchant)
    viewer.put(f"accounts/{merchant.id}/block")
    assert viewer.get("products").json == {"items": [], "next_cursor": None}
    assert len(house.anonymous().get("products").json["items"]) == 1


def test_policies_are_changed_by_an_admin_with_a_reason(any_house: House) -> None:
    admin, viewer, sku = any_house.as_("boss", "admin"), any_house.as_("viewer"), sell(any_house)
    change = {"name": "order.pay_by", "value": 5, "scope": sku, "reason": "a drill"}
    assert problem(viewer.put("policies", change)) == (403, "role.required")
    assert problem(viewer.get("policies")) == (403, "role.required")
    assert problem(admin.put("policies", {**change, "value": 0})) == (422, "policy.out_of_bounds")
    assert problem(admin.put("policies", {**change, "value": "soon"})) == (422, "policy.out_of_bounds")
    assert problem(admin.put("policies", {**change, "name": "order.nothing"})) == (422, "policy.unknown")
    assert problem(admin.put("policies", {**change, "reason": " "})) == (422, "policy.reason_missing")
    assert admin.get("policies").json["changes"] == []
    made = admin.put("policies", change)
    assert made.status_code == 200
    listed = admin.get("policies").json
    assert listed["changes"] == [{"id": made.json["id"], **change, "set_by": admin.id}]
    pay_by = next(item for item in listed["items"] if item["name"] == "order.pay_by")
    assert pay_by == {"name": "order.pay_by", "value": 1800, "default": 1800, "low": 1, "high": 86400}
