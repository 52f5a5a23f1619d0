"""The counter in a room: socket frames in the shop's own terms, so that a purchase is one thing whichever door it comes through."""

from __future__ import annotations

from typing import Any, Protocol

from kernel.actor import Actor
from kernel.http import parse
from live.frames import OfferQuote
from shop import CheckoutService, PlaceIn, QuoteIn


class Checkout(Protocol):
    """What shop answers to the frames that buy. JSON in, JSON out, refusals raised."""

    def quote(self, actor: Actor, room_id: str, frame: OfferQuote) -> dict[str, Any]: ...

    def place(self, actor: Actor, quote: str, key: str) -> dict[str, Any]: ...

    def result(self, actor: Actor, key: str) -> dict[str, Any]: ...


class ShopCounter:
    """The `Checkout` of the live namespace, answered by shop."""

    def __init__(self, checkout: CheckoutService) -> None:
        self.checkout = checkout

    def quote(self, actor: Actor, room_id: str, frame: OfferQuote) -> dict[str, Any]:
        """A quote for one line, which remembers the room it was asked in."""
        touchpoint = {"placement": "room", "room_id": room_id}
        line = {"sku": frame.sku, "qty": frame.qty, "touchpoint": touchpoint}
        form = parse(QuoteIn, {"lines": [line], "address": frame.address})
        return self.checkout.quote(actor, form).model_dump(mode="json")

    def place(self, actor: Actor, quote: str, key: str) -> dict[str, Any]:
        """The order, once per key."""
        return self.checkout.place(actor, PlaceIn(quote=quote), key).value

    def result(self, actor: Actor, key: str) -> dict[str, Any]:
        """What this key was answered."""
        return self.checkout.result(actor, key).value
