"""Who is active: everybody who does something on purpose, through whatever door, and nobody else."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from feed.models import Candidate
from feed.quality import RESPONSE_WEIGHTS
from kernel.clock import business_day, rfc3339
from shop import Settlement
from shop.models import Order
from tests.api.test_feed import publish as publish_good
from tests.house import House
from tests.market import buy, deliver, pay, sell
from tests.studio import go_live
from tests.visitor import Visitor
from tests.writing import draft, publish, submit


def active(house: House) -> int:
    return house.services.metrics.people_today()["dau"]


def recounted(house: House, days: int = 40) -> list[dict[str, Any]]:
    """What a recount of the last days finds different."""
    metrics = house.services.metrics
    today = business_day(house.clock.now(), metrics.zone)
    return metrics.recount(today - timedelta(days=days), today)


def test_every_command_of_a_person_makes_them_active_that_day(any_house: House) -> None:
    house = any_house
    author, reader = house.as_("author"), house.as_("reader")
    note, room = publish(house, author), go_live(house.as_("host"))
    mine = draft(reader)["id"]
    target = {"target": {"kind": "note", "id": note}, "reason": "spam"}
    commands: dict[str, Callable[[], Any]] = {
        "like": lambda: reader.put(f"notes/{note}/like"),
        "unlike": lambda: reader.delete(f"notes/{note}/like"),
        "save": lambda: reader.put(f"notes/{note}/save"),
        "unsave": lambda: reader.delete(f"notes/{note}/save"),
        "comment": lambda: reader.post(f"notes/{note}/comments", {"text": "Mine too."}),
        "follow": lambda: reader.put(f"accounts/{author.id}/follow"),
        "unfollow": lambda: reader.delete(f"accounts/{author.id}/follow"),
        "less like this": lambda: reader.post("feedback", {"kind": "not_interested", "target": note}),
        "chat": lambda: house.services.chat.send(house.services.accounts.actor(reader.id), room, "Hello", "key-1"),
        "edit a draft": lambda: reader.patch(f"notes/{mine}", {"title": "Wet linen"}, "1"),
        "submit": lambda: reader.post(f"notes/{mine}/submit"),
        "delete a note": lambda: reader.delete(f"notes/{mine}"),
        "write a note": lambda: draft(reader),
        "report": lambda: reader.post("reports", target),
        "edit the profile": lambda: reader.patch("me", {"bio": "I iron."}, reader.get("me").headers["ETag"]),
        "make a room": lambda: reader.post("rooms", {"title": "Ironing"}),
        "block": lambda: reader.put(f"accounts/{author.id}/block"),
        "unblock": lambda: reader.delete(f"accounts/{author.id}/block"),
    }
    for name, command in commands.items():
        house.clock.advance(days=1)
        assert active(house) == 0, name
        answer = command()
        assert getattr(answer, "status_code", 200) < 300, (name, answer.json)
        assert active(house) == 1, name
    assert recounted(house) == []


def test_logging_in_and_out_is_an_act_and_a_wrong_password_is_none(house: House) -> None:
    made = {"handle": "lin_mei", "password": "long enough 1"}
    assert house.anonymous().post("accounts", made).status_code == 201
    assert active(house) == 1
    house.clock.advance(days=1)
    house.anonymous().post("sessions", {**made, "password": "not this one"})
    assert active(house) == 0
    token = house.anonymous().post("sessions", made).json["token"]
    assert active(house) == 1
    house.clock.advance(days=1)
    assert house.anonymous().delete("sessions/current", headers={"Authorization": f"Bearer {token}"}).status_code == 204
    assert active(house) == 1


def test_what_is_done_to_somebody_does_not_make_them_active(house: House) -> None:
    author, other = house.as_("author"), house.as_("other")
    note = submit(author)
    author.put(f"accounts/{other.id}/follow")
    house.clock.advance(days=1)
    house.jobs()  # screening decides about the note
    assert active(house) == 0
    other.put(f"accounts/{author.id}/block")  # ends a follow of the author's
    other.get(f"notes/{note}")
    assert active(house) == 1


def test_staff_and_programs_act_beside_the_headline(house: House) -> None:
    note = publish(house, house.as_("author"))
    house.clock.advance(days=1)
    for someone in (house.as_("desk", "moderator"), house.as_("bot", synthetic=True)):
        assert someone.put(f"notes/{note}/like").status_code == 200
    assert active(house) == 0
    assert recounted(house) == []


def test_an_act_that_is_refused_is_none(house: House) -> None:
    reader = house.as_("reader")
    assert reader.put("notes/note_" + "0" * 26 + "/like").status_code == 404
    assert active(house) == 0


@pytest.mark.parametrize("path", ["/following", "/live", "/orders", "/me", "/studio"])
def test_opening_a_page_is_an_act_once_a_minute(house: House, path: str) -> None:
    reader = Visitor(house)
    reader.log_in("reader")
    assert reader.get(path, headers={"Sec-Purpose": "prefetch"}).status_code == 200
    reader.client.set_cookie("offshelf_again", "1")  # what a script loads again by itself
    assert reader.get(path).status_code == 200
    assert active(house) == 0
    reader.client.delete_cookie("offshelf_again")
    assert reader.get(path).status_code == 200
    assert active(house) == 1
    assert recounted(house) == []


def test_a_page_that_cannot_be_shown_was_not_opened(house: House) -> None:
    reader = Visitor(house)
    reader.log_in("reader")
    assert reader.get("/orders/ord_" + "0" * 26).status_code == 404
    assert reader.get("/moderation").status_code == 403
    assert active(house) == 0


def test_who_asks_to_pay_is_active_and_who_is_only_reported_to_have_paid_is_not(any_house: House) -> None:
    house = any_house
    buyer, sku = house.as_("buyer"), sell(house)
    house.clock.move_to(house.clock.now().replace(hour=15, minute=50))  # ten minutes to midnight in Shanghai
    order = buy(buyer, sku)["order"]
    assert house.services.metrics.people_today() == {"dau": 1, "dab": 1}
    payment = buyer.post(f"orders/{order}/payments").json["payment"]
    house.clock.advance(minutes=15)
    assert deliver(house, house.engines.payments.pay(payment)).json["outcome"] == "paid"
    assert house.services.metrics.people_today() == {"dau": 0, "dab": 0}
    assert recounted(house) == []
    later = buy(buyer, sku)["order"]
    house.clock.advance(minutes=1)
    assert pay(house, buyer, later) == "paid"
    assert house.services.metrics.people_today() == {"dau": 1, "dab": 1}


def test_a_payment_counts_on_the_day_it_was_made_however_late_it_is_told(any_house: House) -> None:
    house = any_house
    buyer, sku, staff = house.as_("buyer"), sell(house), house.as_("desk", "admin")
    house.clock.move_to(house.clock.now().replace(hour=15, minute=55))  # five minutes to midnight in Shanghai
    order = buy(buyer, sku)["order"]
    webhook = house.engines.payments.pay(buyer.post(f"orders/{order}/payments").json["payment"])
    made_at = house.clock.now()
    house.clock.advance(days=1)
    house.services.metrics.seal()
    assert report(house, webhook) == "paid"
    days = staff.get("metrics/daily?from=2026-11-22&to=2026-11-23&metrics=dau,dab,dab_paid,gmv_paid").json["days"]
    assert [day["figures"] for day in days] == [
        {"dau": 1, "dab": 1, "dab_paid": 1, "gmv_paid": 12900},
        {"dau": 0, "dab": 0, "dab_paid": 0, "gmv_paid": 0},
    ]
    with house.engines.db.read() as session:
        assert session.get_one(Order, order).paid_at == made_at
    assert recounted(house) == []


@pytest.mark.parametrize("wrong", [timedelta(minutes=-9), timedelta(minutes=9)])
def test_a_payment_is_made_neither_before_its_order_nor_after_its_report(house: House, wrong: timedelta) -> None:
    buyer, sku = house.as_("buyer"), sell(house)
    order, placed_at = buy(buyer, sku)["order"], house.clock.now()
    house.clock.advance(minutes=3)
    told = Settlement("pay_1", order, 12900, "CNY", house.clock.now() + wrong)
    assert house.engines.db.write(lambda tx: house.services.orders.settle(tx, told)) == "paid"
    with house.engines.db.read() as session:
        paid_at = session.get_one(Order, order).paid_at
    assert paid_at == (placed_at if wrong < timedelta() else house.clock.now())


def report(house: House, webhook: Any) -> str:
    """The provider's webhook, signed anew as one that is sent again is."""
    body = json.loads(webhook.payload)
    settlement = Settlement(
        body["payment"], body["reference"], body["amount"], body["currency"], datetime.fromisoformat(body["at"])
    )
    return house.engines.db.write(lambda tx: house.services.orders.settle(tx, settlement))


def test_opening_a_note_is_the_same_response_whoever_shows_it(any_house: House) -> None:
    house = any_house
    author = house.as_("author")
    note = publish_good(house, author, 1)
    house.jobs()
    app, page = house.device(), Visitor(house)
    page.log_in("reader")
    bot = house.as_("bot", synthetic=True)
    for reader in (app, bot):
        assert [item["id"] for item in reader.get("feed").json["items"]] == [note]
    assert note in page.text("/")
    event = {"id": "opened-0001", "name": "note.opened", "at": rfc3339(house.clock.now()), "target": note}
    for teller in (app, app, bot, author):
        assert teller.post("events", {"events": [event, {**event, "id": "opened-0002"}]}).status_code == 202
    assert responses(house, note) == RESPONSE_WEIGHTS["opened"]
    page.get(f"/notes/{note}")
    house.clock.advance(minutes=2)
    page.get(f"/notes/{note}")
    assert responses(house, note) == 2 * RESPONSE_WEIGHTS["opened"]


def responses(house: House, note: str) -> float:
    with house.engines.db.read() as session:
        return session.get_one(Candidate, note).responses
