"""The shop over HTTP."""

from __future__ import annotations

from flask import request

from kernel.actor import Actor
from kernel.errors import NotFound
from kernel.http import Rate, blueprint, endpoint, find
from kernel.idempotency import Answer
from shop.checkout import CheckoutService
from shop.orders import OrderService
from shop.products import ProductService
from shop.schemas import (
    Cancelled,
    OrderOut,
    OrderPage,
    OrderQuery,
    PaymentOut,
    Placed,
    PlaceIn,
    ProductIn,
    ProductOut,
    ProductPage,
    ProductPatch,
    ProductQuery,
    QuoteIn,
    QuoteOut,
    Received,
    SkuOut,
    SkuPatch,
    StockIn,
    StockOut,
)

routes = blueprint("shop", __name__)
WEBHOOK_RATE = Rate(6000, 60)
SIGNATURE_HEADER = "Payment-Signature"


@routes.get("/products")
@endpoint(query=ProductQuery, returns=ProductPage, auth=False)
def products(actor: Actor, query: ProductQuery) -> ProductPage:
    """Products for sale, newest first."""
    return find(ProductService).list(actor, query.cursor, query.limit, query.merchant)


@routes.post("/products")
@endpoint(body=ProductIn, returns=ProductOut, status=201, idempotent=True)
def create_product(actor: Actor, body: ProductIn, key: str) -> Answer:
    """List a product with its SKUs and first stock."""
    return find(ProductService).create(actor, body, key)


@routes.get("/products/<id:product_id>")
@endpoint(returns=ProductOut, auth=False, etag="version")
def product(actor: Actor, product_id: str) -> ProductOut:
    """One product with live prices and stock."""
    return find(ProductService).get(actor, product_id)


@routes.patch("/products/<id:product_id>")
@endpoint(body=ProductPatch, returns=ProductOut, if_match=True, etag="version")
def change_product(actor: Actor, product_id: str, body: ProductPatch, if_match: str) -> ProductOut:
    """Change a product's words or picture."""
    return find(ProductService).change(actor, product_id, body, if_match)


@routes.post("/products/<id:product_id>/stock")
@endpoint(body=StockIn, returns=StockOut, idempotent=True)
def move_stock(actor: Actor, product_id: str, body: StockIn, key: str) -> Answer:
    """Receive or remove units of a SKU."""
    return find(ProductService).move_stock(actor, product_id, body, key)


@routes.get("/skus/<id:sku_id>")
@endpoint(returns=SkuOut, auth=False, etag="version")
def sku(actor: Actor, sku_id: str) -> SkuOut:
    """One SKU with live price and stock."""
    return find(ProductService).sku(actor, sku_id)


@routes.patch("/skus/<id:sku_id>")
@endpoint(body=SkuPatch, returns=SkuOut, if_match=True, etag="version")
def change_sku(actor: Actor, sku_id: str, body: SkuPatch, if_match: str) -> SkuOut:
    """Set a SKU's price."""
    return find(ProductService).change_sku(actor, sku_id, body, if_match)


@routes.post("/quotes")
@endpoint(body=QuoteIn, returns=QuoteOut, status=201, idempotent=True, refuses=(NotFound,))
def quote(actor: Actor, body: QuoteIn, key: str) -> Answer:
    """What some lines cost now; holds no stock."""
    return find(CheckoutService).quote_once(actor, body, key)


@routes.post("/orders")
@endpoint(body=PlaceIn, returns=Placed, idempotent=True, refuses=(NotFound,))
def place(actor: Actor, body: PlaceIn, key: str) -> Answer:
    """Place the order of a quote."""
    return find(CheckoutService).place(actor, body, key)


@routes.get("/orders/by-key/<path:key>")
@endpoint(returns=Placed)
def result(actor: Actor, key: str) -> Answer:
    """What placing an order under this key was answered."""
    return find(CheckoutService).result(actor, key)


@routes.get("/orders")
@endpoint(query=OrderQuery, returns=OrderPage)
def orders(actor: Actor, query: OrderQuery) -> OrderPage:
    """The caller's orders, newest first, all or those in one state."""
    return find(OrderService).list(actor, query.cursor, query.limit, query.state)


@routes.get("/orders/<id:order_id>")
@endpoint(returns=OrderOut)
def order(actor: Actor, order_id: str) -> OrderOut:
    """One of the caller's orders."""
    return find(OrderService).get(actor, order_id)


@routes.post("/orders/<id:order_id>/payments")
@endpoint(returns=PaymentOut, status=201, idempotent=True)
def pay(actor: Actor, order_id: str, key: str) -> Answer:
    """Ask for the page where the order is paid."""
    return find(OrderService).pay(actor, order_id, key)


@routes.post("/orders/<id:order_id>/cancel")
@endpoint(returns=Cancelled, idempotent=True)
def cancel(actor: Actor, order_id: str, key: str) -> Answer:
    """Cancel an order that is not shipped; what was paid is refunded."""
    return find(OrderService).cancel(actor, order_id, key)


@routes.post("/payments/webhook")
@endpoint(returns=Received, auth=False, rate=WEBHOOK_RATE, raw="application/json", refuses=(NotFound,))
def webhook(actor: Actor) -> Received:
    """The payment provider reports; signed, at least once, possibly late."""
    outcome = find(OrderService).payment_reported(request.get_data(), request.headers.get(SIGNATURE_HEADER, ""))
    return Received(outcome=outcome)  # type: ignore[arg-type]
