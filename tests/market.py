"""A small market for tests: a merchant with a product, buyers, and the payment provider's side of a payment."""

from __future__ import annotations

from typing import Any

from werkzeug.test import TestResponse

from shop.routes import SIGNATURE_HEADER
from tests.house import Client, House

CNY = "CNY"
ADDRESS = {"recipient": "Lin Mei", "phone": "+86 138 0000 0000", "region": "Shanghai", "street": "Yongjia Road 1"}


def price(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": CNY}


def list_product(merchant: Client, stock: int = 5, amount: int = 12900, **sku: Any) -> Any:
    """A linen shirt in one size; the JSON of the product."""
    form = {"title": "Linen shirt", "skus": [{"name": "M", "price": price(amount), "stock": stock, **sku}]}
    made = merchant.post("products", form)
    assert made.status_code == 201, made.json
    return made.json


def sell(house: House, stock: int = 5, **sku: Any) -> str:
    """A new merchant's SKU with that many units."""
    merchant = house.as_(f"merchant{house.clock.now().microsecond}", "merchant")
    house.clock.advance(microseconds=1)
    return str(list_product(merchant, stock, **sku)["skus"][0]["id"])


def quote(buyer: Client, sku: str, qty: int = 1, **line: Any) -> str:
    made = buyer.post("quotes", {"lines": [{"sku": sku, "qty": qty, **line}]})
    assert made.status_code == 201, made.json
    return str(made.json["quote"])


def buy(buyer: Client, sku: str, qty: int = 1, key: str | None = None, **line: Any) -> Any:
    """Quote and place; the JSON of the answer."""
    placed = buyer.post("orders", {"quote": quote(buyer, sku, qty, **line)}, key=key)
    assert placed.status_code == 200, placed.json
    return placed.json


def deliver(house: House, webhook: Any) -> TestResponse:
    """The provider posts its webhook."""
    headers = {SIGNATURE_HEADER: webhook.signature, "Content-Type": "application/json"}
    return house.app.test_client().post("/api/v1/payments/webhook", data=webhook.payload, headers=headers)


def pay(house: House, buyer: Client, order: str) -> str:
    """Ask for a payment, pay it at the provider, and let it report; the webhook's outcome."""
    asked = buyer.post(f"orders/{order}/payments")
    assert asked.status_code == 201, asked.json
    reported = deliver(house, house.engines.payments.pay(asked.json["payment"]))
    assert reported.status_code == 200, reported.json
    return str(reported.json["outcome"])


def level(house: House, sku: str) -> tuple[int, int, int, int]:
    """Units received, available, reserved, sold."""
    row = house.services.products.levels([sku])[sku]
    assert row.available + row.reserved + row.sold + row.removed == row.received
    return row.received, row.available, row.reserved, row.sold
