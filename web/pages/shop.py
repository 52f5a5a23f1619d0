"""From a product to an order: choose, confirm the total, order, pay, cancel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from flask import Response, request

from kernel.actor import Actor
from kernel.errors import AppError, Invalid, NotFound, Unauthenticated
from kernel.http import current_actor, find, parse
from kernel.idempotency import new_key
from search import SearchService
from search.schemas import SearchQuery
from shop import Address, CheckoutService, OrderService, PlaceIn, ProductOut, ProductService, QuoteIn, QuoteOut
from shop.schemas import OrderQuery
from web.errors import status_of
from web.pages import phrases, touch
from web.pages.front import acted, attempt, blueprint, go, key, page, say, typed
from web.pages.words import gettext

routes = blueprint("shop_pages")
_ADDRESS = ("recipient", "phone", "region", "street", "postcode")


@routes.get("/products/<id:product_id>")
def product(product_id: str) -> Response:
    """One product; `sku` chooses, else the first that can be bought."""
    actor, asked = current_actor(), request.args.get("sku")
    found = find(ProductService).get(actor, product_id)
    buyable = [one for one in found.skus if one.available] or found.skus
    chosen = next((one for one in found.skus if one.id == asked), buyable[0])
    met = touch.unpack(request.args.get("touchpoint"))
    acted("product.opened", met.placement if met else "app", product_id)
    return page(
        "product.html",
        product=found.model_dump(mode="json"),
        sku=chosen.model_dump(mode="json"),
        touchpoint=request.args.get("touchpoint") if met else None,
        notes=_notes_about(actor, found),
    )


def _notes_about(actor: Actor, product: ProductOut) -> list[dict[str, Any]]:
    """Notes that carry it, among those that its title finds."""
    query = SearchQuery(q=product.title[:200], kind="note", limit=50)
    found = find(SearchService).search(actor, query).items
    carrying = [item for item in found if (item.get("product") or {}).get("product_id") == product.id]
    return [{**item, "placement": "product"} for item in carrying[:6]]


# -- checkout ------------------------------------------------------------------------------------------------------


@routes.get("/checkout")
def checkout() -> Response:
    """A quote for one line, to be confirmed."""
    current_actor().require_account()
    return _checkout(request.args.get("sku", ""), request.args.get("qty", "1"), request.args.get("touchpoint"))


def _checkout(sku: str, qty: str, touchpoint: str | None, status: int = 200, **context: Any) -> Response:
    asked = {"sku": sku, "qty": qty, "touchpoint": touchpoint}
    line = {"sku": sku, "qty": int(qty) if qty.isascii() and qty.isdigit() and len(qty) < 4 else 0}
    if (met := touch.unpack(touchpoint)) is not None:
        line["touchpoint"] = met.model_dump(exclude_none=True)
    try:
        quote = _quote(line)
    except (Unauthenticated, NotFound):
        raise
    except AppError as refused:
        return _no_order(refused.code, phrases.refusal(refused), status_of(refused), asked)
    shown = {**quote.model_dump(mode="json"), "lines": _with_covers([quote.model_dump(mode="json")["lines"]])[0]}
    return page("checkout.html", status, quote=shown, idempotency_key=new_key(), problem=None, **asked, **context)


def _quote(line: dict[str, Any]) -> QuoteOut:
    """A reader who came by a card that has changed since buys all the same, only without it."""
    buyer, checkout = current_actor(), find(CheckoutService)
    try:
        return checkout.quote(buyer, parse(QuoteIn, {"lines": [line]}))
    except Invalid as refused:
        if refused.code != "touchpoint.untrue":
            raise
    return checkout.quote(buyer, parse(QuoteIn, {"lines": [{**line, "touchpoint": None}]}))


def _no_order(code: str, detail: str, status: int, asked: dict[str, Any]) -> Response:
    return page("checkout.html", status, quote=None, problem={"code": code, "detail": detail}, **asked)


@routes.post("/checkout/address")
def address() -> Response:
    """Another address; it is remembered, and the quote is made anew with it."""
    buyer, values = current_actor(), typed(*_ADDRESS)
    buyer.require_account()
    asked = typed("sku", "qty", "touchpoint")
    line = {"sku": asked["sku"], "qty": 1}
    try:
        find(CheckoutService).quote(
            buyer, parse(QuoteIn, {"lines": [line], "address": {**parse(Address, values).model_dump()}})
        )
    except (Unauthenticated, NotFound):
        raise
    except AppError as refused:
        errors = phrases.fields(refused)
        return _checkout(**asked, status=status_of(refused), errors=errors, values=values, path=_checkout_path(asked))
    say(gettext("Address kept for this and later orders."))
    return go(_checkout_path(asked))


def _checkout_path(asked: dict[str, str]) -> str:
    return f"/checkout?{urlencode({name: value for name, value in asked.items() if value})}"


@routes.post("/checkout")
def place() -> Response:
    """Order what was confirmed; the same form sent twice is one order."""
    buyer, asked = current_actor(), typed("sku", "qty", "touchpoint")
    try:
        form = parse(PlaceIn, typed("quote"))
        answer = find(CheckoutService).place(buyer, form, key()).value
    except Unauthenticated:
        raise
    except AppError as refused:
        return _no_order(refused.code, phrases.refusal(refused), status_of(refused), asked)
    if answer["result"] == "accepted":
        return go(f"/orders/{answer['order']}?placed=1")
    if answer["result"] == "sold_out":
        return _no_order("stock.sold_out", gettext("Sold out. Nothing was ordered and nothing is charged."), 409, asked)
    words = gettext("All units are held. You are number %(place)d in the queue.") % {"place": answer["place"]}
    return _no_order("stock.all_held", words, 409, asked)


# -- orders --------------------------------------------------------------------------------------------------------


@routes.get("/orders")
def orders() -> Response:
    """One's orders, newest first, by state when asked."""
    asked = {name: request.args[name] for name in ("state", "cursor") if request.args.get(name)}
    query: OrderQuery = parse(OrderQuery, asked, strict=False)
    found = find(OrderService).list(current_actor(), query.cursor, query.limit, query.state)
    plain = [order.model_dump(mode="json") for order in found.items]
    for order, lines in zip(plain, _with_covers([order["lines"] for order in plain])):
        order["lines"] = lines
    return page("orders.html", items=plain, next_cursor=found.next_cursor, state=query.state or "")


@routes.get("/orders/<id:order_id>")
def order(order_id: str) -> Response:
    """One order."""
    found = find(OrderService).get(current_actor(), order_id).model_dump(mode="json")
    found["lines"] = _with_covers([found["lines"]])[0]
    placed = request.args.get("placed") == "1"
    return page("order.html", order=found, pay_key=new_key(), cancel_key=new_key(), just_placed=placed)


@routes.post("/orders/<id:order_id>/pay")
def pay(order_id: str) -> Response:
    """To the provider's page."""
    actor = current_actor()
    try:
        answer = find(OrderService).pay(actor, order_id, key()).value
    except (Unauthenticated, NotFound):
        raise
    except AppError as refused:
        say(phrases.refusal(refused), "error")
        return go(f"/orders/{order_id}")
    return go(answer["url"])


@routes.post("/orders/<id:order_id>/cancel")
def cancel(order_id: str) -> Response:
    """Cancel; what was paid goes back."""
    actor, orders = current_actor(), find(OrderService)
    paid = orders.get(actor, order_id).status != "placed"
    done = gettext("Cancelled. What you paid is sent back.") if paid else gettext("Cancelled. You paid nothing.")
    return attempt(lambda: orders.cancel(actor, order_id, key()), f"/orders/{order_id}", done)


def _with_covers(groups: Sequence[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """Order lines with the pictures that their products have now."""
    skus = [line["sku"] for lines in groups for line in lines]
    chips = find(ProductService).chips(current_actor().account_id, skus)
    covers = {sku: chip.cover.model_dump() if chip.cover else None for sku, chip in chips.items()}
    return [[{**line, "cover": covers.get(line["sku"])} for line in lines] for lines in groups]
