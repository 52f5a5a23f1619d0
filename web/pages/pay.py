"""The page of the pretend payment provider; it exists in the demo only."""

from __future__ import annotations

from flask import Response, current_app, request

from kernel.errors import AppError, NotFound
from kernel.http import find
from web.pages import phrases
from web.pages.front import blueprint, go, page, say
from web.payments import PretendProvider

routes = blueprint("pay_pages")


@routes.get("/pay/<intent>")
def show(intent: str) -> Response:
    """What is to be paid."""
    payable = _provider().find(intent)
    amount = {"amount": payable.amount, "currency": payable.currency}
    shown = {"id": payable.id, "order_id": payable.reference, "amount": amount, "status": payable.status}
    return page("pay.html", intent={**shown, "merchant": "Offshelf"})


@routes.post("/pay/<intent>")
def settle(intent: str) -> Response:
    """Pay, or let it fail; then back to the order."""
    provider = _provider()
    order_id = provider.find(intent).reference
    try:
        provider.settle(intent, request.form.get("outcome") == "succeed")
    except AppError as refused:
        say(phrases.refusal(refused), "error")
    return go(f"/orders/{order_id}")


def _provider() -> PretendProvider:
    if not current_app.config["DEMO"]:
        raise NotFound("payment.not_found", "There is no such payment.")
    return find(PretendProvider)
