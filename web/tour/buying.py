"""Steps 5 and 7: two people, one unit; who pays keeps it, and what is not paid comes back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from kernel.money import major
from web.tour.checks import Failed, holds, same
from web.tour.client import Client, new_key
from web.tour.props import ADDRESS
from web.tour.rooms import heard_since
from web.tour.stage import Stage
from web.tour.viewer import Viewer

PAY_WITHIN = 5
CLOSED_WITHIN = 20.0


def race(stage: Stage) -> None:
    """One unit left: both ask for a quote and buy at once; and the same key again gives the first answer again."""
    viewers = [stage.viewer(0), stage.viewer(1)]
    start = viewers[0].all("room.event")[-1]["seq"]
    keys = [new_key(), new_key()]
    quotes = at_once([lambda v=viewer: quote(stage, v, stage.last) for viewer in viewers])
    total, currency = quotes[0]["total"]["amount"], quotes[0]["total"]["currency"]
    same("both totals", quotes[1]["total"], quotes[0]["total"])
    stage.saw(f"both are quoted {major(total, currency)} {currency} for the last unit")

    answers = at_once([lambda n=n: _purchase(viewers[n], keys[n], quotes[n]["quote"]) for n in (0, 1)])
    results = sorted(answer["result"] for answer in answers)
    same("the two answers", results, ["accepted", "all_held"])
    stage.buyer = [answer["result"] for answer in answers].index("accepted")
    waiting = 1 - stage.buyer
    stage.order, stage.waiting_key = answers[stage.buyer]["order"], keys[waiting]
    same("the place in the queue", answers[waiting]["place"], 1)
    stage.saw(f"{viewers[stage.buyer].who}: accepted, {stage.order}; {viewers[waiting].who}: all_held, place 1")
    _placed(stage, stage.order, stage.buyer)
    for viewer in viewers:
        stock = viewer.event("stock.changed", "the last unit being held", after=start)["data"]
        same("the last unit in the room", (stock["sku_id"], stock["state"]), (stage.last, "all_held"))
        viewer.event("order.placed", "the order", after=start)

    for n, viewer in enumerate(viewers):
        body = {"quote": quotes[n]["quote"]}
        again = {
            "order.purchase": _purchase(viewer, keys[n], quotes[n]["quote"]),
            "order.result": viewer.ask("order.result", key=keys[n]),
            "HTTP": _replay(stage, n, body, keys[n]),
        }
        for door, answer in again.items():
            same(f"{viewer.who}'s key again, by {door}", answer, answers[n])
    same("orders of the unit", len(heard_since(viewers[0], start, "order.placed")), 1)
    same("units that are free", stage.units(stage.last), 0)
    stage.saw("the same keys again, by order.purchase, order.result and HTTP: the first answers, and no second order")


def quote(stage: Stage, viewer: Viewer, sku: str) -> dict[str, Any]:
    """What one unit costs in the room."""
    return viewer.ask("offer.quote", room=stage.room, sku=sku, qty=1, address=ADDRESS)


def _purchase(viewer: Viewer, key: str, quote_id: str) -> dict[str, Any]:
    return viewer.ask("order.purchase", key=key, quote=quote_id)


def _replay(stage: Stage, number: int, body: dict[str, Any], key: str) -> dict[str, Any]:
    response = stage.shopper(number).ask("POST", "orders", json=body, headers={"Idempotency-Key": key})
    same("the replay over HTTP", (response.status_code, response.headers.get("Idempotency-Replayed")), (200, "true"))
    answer: dict[str, Any] = response.json()
    return answer


def at_once(acts: list[Any]) -> list[Any]:
    """Do all of `acts` at the same moment, each on a thread of its own; their results in order."""
    barrier = threading.Barrier(len(acts))
    results: list[Any] = [None] * len(acts)

    def run(number: int) -> None:
        barrier.wait()
        try:
            results[number] = acts[number]()
        except Failed as failure:
            results[number] = failure

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, Failed):
            raise result
    return results


def _placed(stage: Stage, order_id: str, number: int) -> dict[str, Any]:
    """Remember an order for the figures: a buyer counts once a day."""
    shopper = stage.shopper(number)
    order: dict[str, Any] = shopper.get(f"orders/{order_id}")
    day = stage.day_of(order["placed_at"])
    mine = [other for other in _recent(stage, shopper) if stage.day_of(other["placed_at"]) == day]
    stage.deeds.buyers += all(other["id"] == order_id for other in mine)
    stage.deeds.orders += 1
    stage.deeds.gmv += order["total"]["amount"]
    return order


def settle(stage: Stage) -> None:
    """The buyer pays and the other hears sold_out; an order that is not paid closes, its stock back exactly once."""
    _pay(stage)
    buyer, other = stage.viewer(stage.buyer), stage.viewer(1 - stage.buyer)
    start = max(viewer.all("room.event")[-1]["seq"] for viewer in (buyer, other) if viewer.all("room.event"))
    free = stage.units(stage.spare)
    version = stage.set_policy(stage.spare, PAY_WITHIN, "The tour waits for an order that nobody pays.")["id"]
    changes = stage.admin.get("policies")["changes"]
    entry: dict[str, Any] = next((change for change in changes if change["id"] == version), {})
    scope = (entry.get("scope"), entry.get("value"), entry.get("set_by"))
    same("the audited policy", scope, (stage.spare, PAY_WITHIN, stage.ids[stage.admin.who]))

    answer = _purchase(other, new_key(), quote(stage, other, stage.spare)["quote"])
    same("the answer", answer["result"], "accepted")
    order = _placed(stage, answer["order"], 1 - stage.buyer)
    span = datetime.fromisoformat(order["pay_by"]) - datetime.fromisoformat(order["placed_at"])
    same("seconds to pay", round(span.total_seconds()), PAY_WITHIN)
    same("free units while it is held", stage.units(stage.spare), free - 1)
    stage.saw(
        f"{other.who} orders a spare one ({answer['order']}) and does not pay; pay_by is {PAY_WITHIN} s ({version})"
    )

    mine = {"order": answer["order"], "status": "closed"}
    other.wait("order.changed", "that the order is closed", lambda m: mine.items() <= m.items(), CLOSED_WITHIN)
    late = (datetime.now(UTC) - datetime.fromisoformat(order["pay_by"])).total_seconds()
    status, code, _ = stage.shopper(1 - stage.buyer).refused("POST", f"orders/{answer['order']}/payments")
    same("paying it now", (status, code), (409, "order.not_payable"))
    stage.creator.post(f"rooms/{stage.room}/notice", {"text": "It is back on the shelf."})
    buyer.event("notice", "the notice after the close", after=start)
    levels = [
        e["data"]["available"] for e in heard_since(buyer, start, "stock.changed") if e["data"]["sku_id"] == stage.spare
    ]
    same("free units as the room heard them", levels, [free - 1, free])
    same("free units in the end", stage.units(stage.spare), free)
    stage.saw(
        f"it closed {max(late, 0):.1f} s after pay_by; free units went {free} -> {levels[0]} -> {levels[1]}, once"
    )


def _pay(stage: Stage) -> None:
    buyer, other = stage.viewer(stage.buyer), stage.viewer(1 - stage.buyer)
    shopper = stage.shopper(stage.buyer)
    paid_before = any(_paid_today(stage, order) for order in _recent(stage, shopper))
    payment = shopper.post(f"orders/{stage.order}/payments")
    page = shopper.press(payment["url"], outcome="succeed")
    holds("the payment page", page.ok, "a success", f"{page.status_code} {page.text[:200]}")
    mine = {"order": stage.order, "status": "paid"}
    buyer.wait("order.changed", "that the order is paid", lambda m: mine.items() <= m.items())
    order = shopper.get(f"orders/{stage.order}")
    same("the order", order["status"], "paid")
    stage.deeds.payers += not paid_before
    stage.deeds.gmv_paid += order["total"]["amount"]
    gone = {"key": stage.waiting_key, "status": "sold_out"}
    other.wait("order.changed", "sold_out", lambda m: gone.items() <= m.items())
    late = _purchase(other, new_key(), quote(stage, other, stage.last)["quote"])
    same("asking once more", late["result"], "sold_out")
    stage.saw(f"{buyer.who} pays on the provider's page: {stage.order} is paid; {other.who} hears sold_out")


def _recent(stage: Stage, shopper: Client) -> Iterator[dict[str, Any]]:
    """The orders of yesterday and today, newest first: what was paid today is among them."""
    first = stage.today() - timedelta(days=1)
    return takewhile(lambda order: stage.day_of(order["placed_at"]) >= first, shopper.pages("orders", 50))


def _paid_today(stage: Stage, order: dict[str, Any]) -> bool:
    return order["paid_at"] is not None and stage.day_of(order["paid_at"]) == stage.today()
