"""Quotes, orders and payments through HTTP, on both databases."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import event, func, select, update

from accounts.models import Account
from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.ids import new_id
from shop import (
    LineIn,
    OrderClosed,
    OrderPaid,
    OrderPlaced,
    OrderRefunded,
    PlaceIn,
    QuoteIn,
    Settlement,
    WaiterDisappointed,
    WaiterServed,
)
from shop.models import Order, Quote
from tests.house import House, problem
from tests.market import ADDRESS, buy, deliver, level, list_product, pay, price, quote, sell
from tests.studio import merchant_live


def facts_of(house: House, *kinds: type) -> list:
    """From now on, facts of these kinds are collected here as they are told."""
    told: list = []
    table = dict(house.engines.db.reactions.table)
    for kind in kinds:
        table[kind] = type(table[kind])(within=table[kind].within, now=[told.append], later=table[kind].later)
    house.engines.db.reactions.table = table
    return told


def refunded(house: House, payment: str) -> int:
    """Minor units that the provider gave back."""
    with house.engines.payments._writing() as tx:
        return int(tx.execute("SELECT refunded FROM intent WHERE id = ?", (payment,)).fetchone()[0])


# -- quotes -----------------------------------------------------------------------------------------------------------


def test_a_quote_says_what_it_costs_and_holds_nothing(any_house: House) -> None:
    sku, buyer = sell(any_house, stock=5), any_house.as_("buyer")
    touchpoint = {"placement": "search"}
    made = buyer.post("quotes", {"lines": [{"sku": sku, "qty": 2, "touchpoint": touchpoint}], "address": ADDRESS}).json
    assert made["total"] == price(25800)
    assert made["lines"][0]["amount"] == price(25800)
    assert made["lines"][0]["touchpoint"] == {
        **touchpoint,
        "note_id": None,
        "room_id": None,
        "exposure_id": None,
    }
    assert made["expires_at"] == rfc3339(any_house.clock.now() + timedelta(minutes=15))
    assert level(any_house, sku) == (5, 5, 0, 0)


def test_the_last_address_is_the_default_of_the_next_quote(any_house: House) -> None:
    sku, buyer, other = sell(any_house), any_house.as_("buyer"), any_house.as_("other")
    lines = [{"sku": sku}]
    assert buyer.post("quotes", {"lines": lines}).json["address"] is None
    buyer.post("quotes", {"lines": lines, "address": {**ADDRESS, "street": "Old Road 1"}})
    buyer.post("quotes", {"lines": lines, "address": ADDRESS})
    assert buyer.post("quotes", {"lines": lines}).json["address"] == {**ADDRESS, "postcode": ""}
    assert other.post("quotes", {"lines": lines}).json["address"] is None


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"lines": []},
        {"lines": [{"sku": "sku_1"}]},
        {"lines": [{"sku": "sku_" + "0" * 26, "qty": 0}]},
        {"lines": [{"sku": "sku_" + "0" * 26, "qty": True}]},
        {"lines": [{"sku": "sku_" + "0" * 26, "price": 1}]},
        {"lines": [{"sku": "sku_" + "0" * 26, "touchpoint": {"placement": "nowhere"}}]},
        {"lines": [{"sku": "sku_" + "0" * 26}], "address": {**ADDRESS, "phone": "call me"}},
        {"lines": [{"sku": "sku_" + "0" * 26}], "address": {**ADDRESS, "street": "a\u0000b"}},
    ],
)
def test_a_wrong_quote_is_refused(house: House, form: dict) -> None:
    assert problem(house.as_("buyer").post("quotes", form)) == (422, "request.invalid")


def test_a_quote_of_unknown_or_repeated_skus_is_refused(house: House) -> None:
    sku, buyer = sell(house), house.as_("buyer")
    unknown = buyer.post("quotes", {"lines": [{"sku": sku}, {"sku": "sku_" + "0" * 26}]})
    assert problem(unknown) == (404, "sku.not_found")
    assert unknown.json["field"] == "lines.1.sku"
    assert problem(buyer.post("quotes", {"lines": [{"sku": sku}, {"sku": sku}]})) == (422, "quote.duplicate_sku")
    assert problem(house.device().post("quotes", {"lines": [{"sku": sku}]})) == (401, "session.required")


def suspend(house: House, account_id: str, status: str = "suspended") -> None:
    house.engines.db.write(
        lambda tx: tx.session.execute(update(Account).where(Account.id == account_id).values(status=status))
    )


def rows(house: House, *tables: type) -> list[int]:
    with house.engines.db.read() as session:
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def test_a_suspended_merchant_sells_nothing_more_and_what_was_paid_stays(any_house: House) -> None:
    merchant, buyer = any_house.as_("weaver", "merchant"), any_house.as_("buyer")
    sku = list_product(merchant)["skus"][0]["id"]
    paid = buy(buyer, sku)["order"]
    pay(any_house, buyer, paid)
    quoted = quote(buyer, sku)
    suspend(any_house, merchant.id)
    before = level(any_house, sku), rows(any_house, Quote, Order)
    refused = buyer.post("quotes", {"lines": [{"sku": sku}], "address": ADDRESS})
    assert problem(refused) == (409, "merchant.not_selling")
    assert refused.json["skus"] == [sku]
    assert problem(buyer.post("orders", {"quote": quoted})) == (409, "merchant.not_selling")
    assert (level(any_house, sku), rows(any_house, Quote, Order)) == before
    assert buyer.get(f"orders/{paid}").json["status"] == "paid"
    suspend(any_house, merchant.id, "active")
    assert buyer.post("orders", {"quote": quoted}).json["result"] == "accepted"
    assert buyer.post("quotes", {"lines": [{"sku": sku}]}).json["address"] is None


# -- placing ----------------------------------------------------------------------------------------------------------


def test_placing_reserves_stock_until_pay_by(any_house: House) -> None:
    _, room, sku = merchant_live(any_house, stock=5)
    buyer, told = any_house.as_("buyer"), facts_of(any_house, OrderPlaced)
    placed = buy(buyer, sku, 2, touchpoint={"placement": "room", "room_id": room})
    assert placed == {
        "result": "accepted",
        "order": placed["order"],
        "pay_by": rfc3339(any_house.clock.now() + timedelta(minutes=5)),
    }
    assert level(any_house, sku) == (5, 3, 2, 0)
    order = buyer.get(f"orders/{placed['order']}").json
    assert (order["status"], order["total"], order["channel"]) == ("placed", price(25800), "room")
    assert order["lines"][0]["touchpoint"]["room_id"] == room
    assert told == [OrderPlaced(placed["order"], buyer.id, 25800, "CNY", "room", (room,), (sku,), False)]


def test_pay_by_is_30_minutes_and_5_for_rooms_and_a_policy_may_shorten_it(any_house: House) -> None:
    (_, room, sku), other, admin = merchant_live(any_house), sell(any_house), any_house.as_("boss", "admin")
    buyer, now = any_house.as_("buyer"), any_house.clock.now()
    assert buy(buyer, sku)["pay_by"] == rfc3339(now + timedelta(minutes=30))
    change = {"name": "order.pay_by", "value": 5, "scope": sku, "reason": "a drill"}
    assert admin.put("policies", change).status_code == 200
    assert buy(buyer, sku)["pay_by"] == rfc3339(now + timedelta(seconds=5))
    live = {"placement": "room", "room_id": room}
    assert buy(buyer, sku, touchpoint=live)["pay_by"] == rfc3339(now + timedelta(seconds=5))
    assert buy(buyer, other)["pay_by"] == rfc3339(now + timedelta(minutes=30))


def test_one_key_places_one_order_and_answers_the_same_for_ever(any_house: House) -> None:
    sku, buyer = sell(any_house, stock=5), any_house.as_("buyer")
    named = quote(buyer, sku)
    first, again = (buyer.post("orders", {"quote": named}, key="k1") for _ in range(2))
    assert again.json == first.json
    assert again.headers["Idempotency-Replayed"] == "true"
    by_key = buyer.get("orders/by-key/k1")
    assert (by_key.json, by_key.headers["Idempotency-Replayed"]) == (first.json, "true")
    reused = buyer.post("orders", {"quote": quote(buyer, sku)}, key="k1")
    assert problem(reused) == (409, "idempotency.key_reused")
    assert level(any_house, sku) == (5, 4, 1, 0)
    assert problem(any_house.as_("other").get("orders/by-key/k1")) == (404, "order.key_unknown")
    assert problem(buyer.get("orders/by-key/unused")) == (404, "order.key_unknown")


def test_a_quote_becomes_one_order(any_house: House) -> None:
    sku, buyer = sell(any_house, stock=5), any_house.as_("buyer")
    named = quote(buyer, sku)
    buyer.post("orders", {"quote": named})
    assert problem(buyer.post("orders", {"quote": named})) == (409, "quote.used")
    assert problem(any_house.as_("other").post("orders", {"quote": named})) == (404, "quote.not_found")
    assert level(any_house, sku) == (5, 4, 1, 0)
    assert len(buyer.get("orders").json["items"]) == 1


def test_an_expired_quote_places_nothing(house: House) -> None:
    sku, buyer = sell(house), house.as_("buyer")
    named = quote(buyer, sku)
    house.clock.advance(minutes=15)
    assert problem(buyer.post("orders", {"quote": named})) == (409, "quote.expired")
    assert level(house, sku) == (5, 5, 0, 0)


def test_a_changed_price_places_nothing_and_shows_the_difference(any_house: House) -> None:
    merchant, buyer = any_house.as_("weaver", "merchant"), any_house.as_("buyer")
    sku = list_product(merchant)["skus"][0]["id"]
    named = quote(buyer, sku)
    merchant.patch(f"skus/{sku}", {"price": price(9900)}, '"1"')
    refused = buyer.post("orders", {"quote": named})
    assert problem(refused) == (409, "quote.changed")
    assert refused.json["changed"] == [{"sku": sku, "was": 12900, "is": 9900}]
    assert level(any_house, sku) == (5, 5, 0, 0)


def test_a_hidden_product_is_not_sold(house: House) -> None:
    merchant, buyer = house.as_("weaver", "merchant"), house.as_("buyer")
    product = list_product(merchant)
    named = quote(buyer, product["skus"][0]["id"])
    house.engines.db.write(lambda tx: house.services.products.hide(tx, product["id"]))
    assert problem(buyer.post("orders", {"quote": named})) == (409, "product.not_available")
    assert level(house, product["skus"][0]["id"]) == (5, 5, 0, 0)


def test_an_order_takes_all_its_lines_or_none(any_house: House) -> None:
    first, second, buyer = sell(any_house, stock=5), sell(any_house, stock=1), any_house.as_("buyer")
    buy(any_house.as_("other"), second)
    made = buyer.post("quotes", {"lines": [{"sku": first, "qty": 2}, {"sku": second}]}).json
    assert buyer.post("orders", {"quote": made["quote"]}).json == {"result": "all_held", "sku": second, "place": 1}
    assert (level(any_house, first), level(any_house, second)) == ((5, 5, 0, 0), (1, 0, 1, 0))
    plenty = buyer.post("quotes", {"lines": [{"sku": first, "qty": 6}]}).json
    refused = buyer.post("orders", {"quote": plenty["quote"]})
    assert (problem(refused), refused.json["available"]) == ((409, "stock.insufficient"), 5)


def test_unpaid_orders_are_capped_and_paying_makes_room(any_house: House) -> None:
    sku, buyer = sell(any_house, stock=20), any_house.as_("buyer")
    orders = [buy(buyer, sku)["order"] for _ in range(5)]
    refused = buyer.post("orders", {"quote": quote(buyer, sku)})
    assert problem(refused) == (409, "order.too_many_unpaid")
    assert level(any_house, sku) == (20, 15, 5, 0)
    assert pay(any_house, buyer, orders[0]) == "paid"
    assert buyer.post(f"orders/{orders[1]}/cancel").status_code == 200
    assert [buy(buyer, sku)["result"] for _ in range(2)] == ["accepted", "accepted"]
    assert problem(buyer.post("orders", {"quote": quote(buyer, sku)})) == (409, "order.too_many_unpaid")


def test_a_persons_limit_holds_across_orders_and_comes_back(any_house: House) -> None:
    sku, buyer = sell(any_house, stock=20, person_limit=2), any_house.as_("buyer")
    assert problem(buyer.post("orders", {"quote": quote(buyer, sku, 3)})) == (409, "stock.person_limit")
    paid, open_order = buy(buyer, sku)["order"], buy(buyer, sku)["order"]
    pay(any_house, buyer, paid)
    assert problem(buyer.post("orders", {"quote": quote(buyer, sku)})) == (409, "stock.person_limit")
    assert level(any_house, sku) == (20, 18, 1, 1)
    buyer.post(f"orders/{open_order}/cancel")
    assert buy(buyer, sku)["result"] == "accepted"
    assert problem(buyer.post("orders", {"quote": quote(buyer, sku)})) == (409, "stock.person_limit")
    assert buy(any_house.as_("other"), sku, 2)["result"] == "accepted"


def test_orders_are_private_and_paged(any_house: House) -> None:
    sku, buyer, other = sell(any_house), any_house.as_("buyer"), any_house.as_("other")
    made = []
    for _ in range(3):
        made.append(buy(buyer, sku)["order"])
        any_house.clock.advance(seconds=1)
    first = buyer.get("orders?limit=2").json
    rest = buyer.get(f"orders?limit=2&cursor={first['next_cursor']}").json
    assert [order["id"] for order in first["items"] + rest["items"]] == made[::-1]
    assert rest["next_cursor"] is None
    buyer.post(f"orders/{made[1]}/cancel")
    in_state = {state: buyer.get(f"orders?state={state}").json["items"] for state in ("placed", "paid", "cancelled")}
    assert {state: [one["id"] for one in found] for state, found in in_state.items()} == {
        "placed": [made[2], made[0]],
        "paid": [],
        "cancelled": [made[1]],
    }
    assert problem(buyer.get("orders?state=lost")) == (422, "request.invalid")
    for refused in (
        other.get(f"orders/{made[0]}"),
        other.post(f"orders/{made[0]}/payments"),
        other.post(f"orders/{made[0]}/cancel"),
    ):
        assert problem(refused) == (404, "order.not_found")
    assert other.get("orders").json["items"] == []
    assert buyer.get(f"orders/{made[0]}").json["status"] == "placed"


def test_a_command_without_a_key_is_refused(house: House) -> None:
    sku, buyer = sell(house), house.as_("buyer")
    named = quote(buyer, sku)
    for path, body in (("orders", {"quote": named}), ("quotes", {"lines": [{"sku": sku}]})):
        refused = buyer._open("POST", path, json=body)
        assert problem(refused) == (422, "idempotency.key_missing")
    assert level(house, sku) == (5, 5, 0, 0)


def test_placing_takes_few_statements_and_asks_each_thing_once(house: House) -> None:
    sku, buyer = sell(house), Actor(new_id("acct", house.clock.now()))
    checkout, told = house.services.checkout, []
    named = checkout.quote(buyer, QuoteIn(lines=[LineIn(sku=sku)])).quote
    house.engines.db.reactions.table = {}
    event.listen(house.engines.db._writer, "before_cursor_execute", lambda *args: told.append(args[2]))
    checkout.place(buyer, PlaceIn(quote=named), "k")
    statements = [text for text in told if not text.startswith(("BEGIN", "SAVEPOINT", "RELEASE"))]
    assert len(statements) <= 12, statements  # one of them: does the merchant still sell?


# -- paying -----------------------------------------------------------------------------------------------------------


def test_a_payment_completes_the_order_once(any_house: House) -> None:
    sku, buyer = sell(any_house, stock=5), any_house.as_("buyer")
    order, told = buy(buyer, sku)["order"], facts_of(any_house, OrderPaid)
    asked = buyer.post(f"orders/{order}/payments", key="p")
    assert asked.json["url"].endswith(f"/pay/{asked.json['payment']}")
    assert (asked.json["amount"], buyer.post(f"orders/{order}/payments").json) == (price(12900), asked.json)
    webhook = any_house.engines.payments.pay(asked.json["payment"])
    assert [deliver(any_house, webhook).json for _ in range(3)] == [
        {"outcome": "paid"},
        {"outcome": "known"},
        {"outcome": "known"},
    ]
    shown = buyer.get(f"orders/{order}").json
    assert (shown["status"], shown["payment"]["status"]) == ("paid", "succeeded")
    assert level(any_house, sku) == (5, 4, 0, 1)
    assert [fact.order_id for fact in told] == [order]
    again = buyer.post(f"orders/{order}/payments", key="p")
    assert (again.json, again.headers["Idempotency-Replayed"]) == (asked.json, "true")
    assert problem(buyer.post(f"orders/{order}/payments")) == (409, "order.not_payable")
    any_house.clock.advance(hours=1)
    any_house.jobs()
    assert (buyer.get(f"orders/{order}").json["status"], level(any_house, sku)) == ("paid", (5, 4, 0, 1))


def test_a_forged_or_unreadable_webhook_changes_nothing(house: House) -> None:
    sku, buyer = sell(house), house.as_("buyer")
    order = buy(buyer, sku)["order"]
    webhook = house.engines.payments.pay(buyer.post(f"orders/{order}/payments").json["payment"])
    forged = type(webhook)(webhook.id, webhook.payload.replace(b"12900", b"00001"), webhook.signature)
    unsigned = type(webhook)(webhook.id, webhook.payload, "")
    assert problem(deliver(house, forged)) == (403, "payment.signature")
    assert problem(deliver(house, unsigned)) == (403, "payment.signature")
    assert buyer.get(f"orders/{order}").json["status"] == "placed"
    assert level(house, sku) == (5, 4, 1, 0)


def test_a_refused_card_leaves_the_order_open_to_another_try(any_house: House) -> None:
    sku, buyer = sell(any_house), any_house.as_("buyer")
    order = buy(buyer, sku)["order"]
    payment = buyer.post(f"orders/{order}/payments").json["payment"]
    assert deliver(any_house, any_house.engines.payments.fail(payment)).json == {"outcome": "failed"}
    assert buyer.get(f"orders/{order}").json["payment"]["status"] == "failed"
    assert pay(any_house, buyer, order) == "paid"


def test_an_unpaid_order_closes_at_pay_by_and_its_stock_comes_back_once(any_house: House) -> None:
    sku, buyer = sell(any_house, stock=5, person_limit=1), any_house.as_("buyer")
    order, told = buy(buyer, sku)["order"], facts_of(any_house, OrderClosed)
    any_house.clock.advance(minutes=30, seconds=-1)
    any_house.jobs()
    assert level(any_house, sku) == (5, 4, 1, 0)
    any_house.clock.advance(seconds=1)
    any_house.jobs()
    assert any_house.services.orders.close_due(order) is False
    assert level(any_house, sku) == (5, 5, 0, 0)
    assert (buyer.get(f"orders/{order}").json["status"], told) == ("closed", [OrderClosed(order, buyer.id)])
    assert problem(buyer.post(f"orders/{order}/payments")) == (409, "order.not_payable")
    assert problem(buyer.post(f"orders/{order}/cancel")) == (409, "order.not_cancellable")
    assert buy(buyer, sku)["result"] == "accepted"


@pytest.mark.parametrize("closed_first", [True, False])
def test_a_late_payment_is_refunded_once(any_house: House, closed_first: bool) -> None:
    sku, buyer = sell(any_house, stock=5), any_house.as_("buyer")
    order = buy(buyer, sku)["order"]
    payment, told = buyer.post(f"orders/{order}/payments").json["payment"], facts_of(any_house, OrderRefunded)
    any_house.clock.advance(minutes=31)
    if closed_first:
        any_house.jobs()
    webhook = any_house.engines.payments.pay(payment)
    assert deliver(any_house, webhook).json == {"outcome": "refund_due"}
    any_house.jobs()
    assert deliver(any_house, webhook).json == {"outcome": "known"}
    any_house.jobs()
    any_house.services.orders.refund(payment)
    assert refunded(any_house, payment) == 12900
    assert told == [OrderRefunded(order, buyer.id, payment, 12900, "CNY")]
    shown = buyer.get(f"orders/{order}").json
    assert (shown["status"], shown["payment"]["status"]) == ("closed", "refunded")
    assert level(any_house, sku) == (5, 5, 0, 0)


def test_a_payment_made_in_time_but_reported_late_counts_while_the_order_stands(house: House) -> None:
    sku, buyer = sell(house), house.as_("buyer")
    order = buy(buyer, sku)["order"]
    payment = buyer.post(f"orders/{order}/payments").json["payment"]
    house.clock.advance(minutes=29)
    house.engines.payments.pay(payment)
    house.clock.advance(minutes=2)
    (webhook,) = house.engines.payments.due()
    assert deliver(house, webhook).json == {"outcome": "paid"}
    house.jobs()
    assert buyer.get(f"orders/{order}").json["status"] == "paid"


def test_what_was_paid_wrong_goes_back_as_it_came(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    sku, buyer = sell(house), house.as_("buyer")
    order = buy(buyer, sku)["order"]
    payment = buyer.post(f"orders/{order}/payments").json["payment"]
    asked: list[int] = []
    monkeypatch.setattr(house.engines.payments, "refund", lambda payment, amount, key: asked.append(amount) or "rf_1")
    made = Settlement(payment, order, 100, "CNY", house.clock.now())
    assert house.engines.db.write(lambda tx: house.services.orders.settle(tx, made)) == "refund_due"
    house.jobs()
    assert asked == [100]


def test_a_refund_that_fails_is_tried_again_and_made_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    sku, buyer = sell(house), house.as_("buyer")
    order = buy(buyer, sku)["order"]
    payment = buyer.post(f"orders/{order}/payments").json["payment"]
    house.clock.advance(minutes=31)
    deliver(house, house.engines.payments.pay(payment))
    real, calls = house.engines.payments.refund, []

    def answers_too_late(*args: object) -> str:
        calls.append(args)
        refund = real(*args)  # type: ignore[arg-type]
        if len(calls) <= 10:
            raise ConnectionError("the answer was lost")
        return refund

    monkeypatch.setattr(house.engines.payments, "refund", answers_too_late)
    house.jobs()
    assert buyer.get(f"orders/{order}").json["payment"]["status"] == "refund_due"
    for _ in range(10):
        house.clock.advance(minutes=1)
        house.jobs()
    assert (len(calls), refunded(house, payment)) == (11, 12900)
    assert buyer.get(f"orders/{order}").json["payment"]["status"] == "refunded"


# -- cancelling -------------------------------------------------------------------------------------------------------


def test_an_unpaid_order_is_cancelled_once_and_a_payment_after_it_goes_back(any_house: House) -> None:
    sku, buyer = sell(any_house), any_house.as_("buyer")
    order = buy(buyer, sku)["order"]
    payment = buyer.post(f"orders/{order}/payments").json["payment"]
    first, again = (buyer.post(f"orders/{order}/cancel", key="c") for _ in range(2))
    assert first.json == again.json == {"order": order, "status": "cancelled", "refund": False}
    assert problem(buyer.post(f"orders/{order}/cancel")) == (409, "order.not_cancellable")
    assert level(any_house, sku) == (5, 5, 0, 0)
    assert deliver(any_house, any_house.engines.payments.pay(payment)).json == {"outcome": "refund_due"}
    any_house.jobs()
    assert (refunded(any_house, payment), level(any_house, sku)) == (12900, (5, 5, 0, 0))


def test_a_paid_order_is_cancelled_and_refunded(any_house: House) -> None:
    sku, buyer = sell(any_house, person_limit=1), any_house.as_("buyer")
    order = buy(buyer, sku)["order"]
    pay(any_house, buyer, order)
    assert buyer.post(f"orders/{order}/cancel").json["refund"] is True
    any_house.jobs()
    shown = buyer.get(f"orders/{order}").json
    assert (shown["status"], shown["payment"]["status"]) == ("cancelled", "refunded")
    assert refunded(any_house, shown["payment"]["id"]) == 12900
    assert level(any_house, sku) == (5, 5, 0, 0)
    assert buy(buyer, sku)["result"] == "accepted"


# -- waiting ----------------------------------------------------------------------------------------------------------


def test_all_held_is_not_sold_out_and_the_first_waiter_is_served(any_house: House) -> None:
    sku, told = sell(any_house, stock=1), facts_of(any_house, WaiterServed, WaiterDisappointed)
    holder, second, third = (any_house.as_(name) for name in ("holder", "second", "third"))
    order = buy(holder, sku)["order"]
    named = quote(second, sku)
    first_answer = second.post("orders", {"quote": named}, key="mine").json
    assert first_answer == {"result": "all_held", "sku": sku, "place": 1}
    assert buy(third, sku) == {"result": "all_held", "sku": sku, "place": 2}
    assert buy(second, sku, key="again")["place"] == 1
    assert holder.get(f"skus/{sku}").json["state"] == "all_held"
    holder.post(f"orders/{order}/cancel")
    assert told == [WaiterServed(sku, second.id, "again")]
    assert second.post("orders", {"quote": named}, key="mine").json == first_answer
    bought = second.post("orders", {"quote": named}).json
    assert bought["result"] == "accepted"
    assert buy(third, sku)["place"] == 1
    pay(any_house, second, bought["order"])
    assert [(type(fact), fact.account_id) for fact in told[1:]] == [(WaiterDisappointed, third.id)]
    assert buy(third, sku) == {"result": "sold_out", "sku": sku}
    assert level(any_house, sku) == (1, 0, 0, 1)


def test_when_the_first_waiter_does_not_come_the_next_is_told(house: House) -> None:
    sku, told = sell(house, stock=1), facts_of(house, WaiterServed)
    holder, second, third = (house.as_(name) for name in ("holder", "second", "third"))
    order = buy(holder, sku)["order"]
    buy(second, sku, key="k2")
    buy(third, sku, key="k3")
    holder.post(f"orders/{order}/cancel")
    house.clock.advance(seconds=60)
    house.jobs()
    assert told == [WaiterServed(sku, second.id, "k2"), WaiterServed(sku, third.id, "k3")]


def test_whoever_was_told_and_did_not_come_waits_again_behind_the_others(any_house: House) -> None:
    sku, told = sell(any_house, stock=1), facts_of(any_house, WaiterServed)
    holder, second, third = (any_house.as_(name) for name in ("holder", "second", "third"))
    order = buy(holder, sku)["order"]
    assert (buy(second, sku)["place"], buy(third, sku)["place"]) == (1, 2)
    holder.post(f"orders/{order}/cancel")
    assert [fact.account_id for fact in told] == [second.id]
    order = buy(holder, sku)["order"]
    assert (buy(second, sku)["place"], buy(third, sku)["place"], buy(second, sku)["place"]) == (2, 1, 2)
    holder.post(f"orders/{order}/cancel")
    assert [fact.account_id for fact in told] == [second.id, third.id]


def test_received_units_serve_waiters_and_removed_ones_disappoint_them(house: House) -> None:
    merchant, told = house.as_("weaver", "merchant"), facts_of(house, WaiterServed, WaiterDisappointed)
    product = list_product(merchant, stock=1)
    sku, path = product["skus"][0]["id"], f"products/{product['id']}/stock"
    holder, waiter = house.as_("holder"), house.as_("waiter")
    order = buy(holder, sku)["order"]
    buy(waiter, sku, key="w")
    merchant.post(path, {"sku": sku, "quantity": 1})
    assert told == [WaiterServed(sku, waiter.id, "w")]
    merchant.post(path, {"sku": sku, "quantity": 1, "kind": "remove"})
    buy(waiter, sku, key="w2")
    holder.post(f"orders/{order}/cancel")
    assert told[1:] == [WaiterServed(sku, waiter.id, "w2")]
    merchant.post(path, {"sku": sku, "quantity": 1, "kind": "remove"})
    assert buy(waiter, sku) == {"result": "sold_out", "sku": sku}


def test_somebody_at_their_limit_gets_no_place_in_the_queue(any_house: House) -> None:
    sku, buyer = sell(any_house, stock=1, person_limit=1), any_house.as_("buyer")
    buy(buyer, sku)
    assert problem(buyer.post("orders", {"quote": quote(buyer, sku)})) == (409, "stock.person_limit")
    assert buy(any_house.as_("other"), sku)["place"] == 1


# -- races ------------------------------------------------------------------------------------------------------------


def in_parallel(jobs: list) -> list:
    """Run callables in threads that start together; their results in order."""
    gate, results = threading.Barrier(len(jobs)), [None] * len(jobs)

    def run(number: int) -> None:
        gate.wait(30)
        results[number] = jobs[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_32_buyers_of_5_units_get_exactly_5(any_house: House) -> None:
    sku = sell(any_house, stock=5)
    buyers = [any_house.as_(f"buyer{number:02}") for number in range(32)]
    quotes = [quote(buyer, sku) for buyer in buyers]
    answers = in_parallel(
        [
            lambda buyer=buyer, named=named: buyer.post("orders", {"quote": named}, key="race").json
            for buyer, named in zip(buyers, quotes, strict=True)
        ]
    )
    results = [answer.get("result") for answer in answers]
    assert (results.count("accepted"), results.count("all_held")) == (5, 27)
    assert sorted(answer["place"] for answer in answers if "place" in answer) == list(range(1, 28))
    assert level(any_house, sku) == (5, 0, 5, 0)
    again = [buyer.get("orders/by-key/race").json for buyer in buyers]
    assert again == answers


def test_one_key_from_8_threads_places_one_order(any_house: House) -> None:
    sku, buyer = sell(any_house, stock=8), any_house.as_("buyer")
    named = quote(buyer, sku)
    answers = in_parallel([lambda: buyer.post("orders", {"quote": named}, key="same").json for _ in range(8)])
    assert answers == answers[:1] * 8
    assert level(any_house, sku) == (8, 7, 1, 0)


def test_a_cap_holds_against_8_orders_at_once(any_house: House) -> None:
    sku, buyer = sell(any_house, stock=20), any_house.as_("buyer")
    quotes = [quote(buyer, sku) for _ in range(8)]
    answers = in_parallel([lambda named=named: buyer.post("orders", {"quote": named}).json for named in quotes])
    assert (
        sorted(answer.get("result") or answer["code"] for answer in answers)
        == ["accepted"] * 5 + ["order.too_many_unpaid"] * 3
    )
    assert level(any_house, sku) == (20, 15, 5, 0)


def test_paying_cancelling_and_closing_at_once_end_an_order_once(any_house: House) -> None:
    sku, buyer = sell(any_house, stock=5), any_house.as_("buyer")
    for _ in range(5):
        order = buy(buyer, sku)["order"]
        payment = buyer.post(f"orders/{order}/payments").json["payment"]
        webhook = any_house.engines.payments.pay(payment)
        any_house.clock.advance(minutes=4)
        in_parallel(
            [
                lambda webhook=webhook: deliver(any_house, webhook).status_code,
                lambda webhook=webhook: deliver(any_house, webhook).status_code,
                lambda order=order: buyer.post(f"orders/{order}/cancel").status_code,
                lambda order=order: buyer.post(f"orders/{order}/cancel").status_code,
            ]
        )
        any_house.jobs()
        shown = buyer.get(f"orders/{order}").json
        assert (shown["status"], shown["payment"]["status"]) == ("cancelled", "refunded")
        assert refunded(any_house, payment) == 12900
        assert level(any_house, sku) == (5, 5, 0, 0)
