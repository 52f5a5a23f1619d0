"""One human on one device is one person on a day: before they log in, while they are, and after they have logged out."""

from __future__ import annotations

from typing import Any

from metrics import DailyQuery
from tests.api.test_acts import active, recounted
from tests.api.test_feed import publish
from tests.house import Client, House
from tests.market import buy, sell
from web.sockets import authenticator

PASSWORD = "long enough 1"


def open_app(visitor: Client, number: int) -> None:
    at = visitor.house.clock.now().isoformat().replace("+00:00", "Z")
    told = visitor.post("events", {"events": [{"id": f"opened-{number:04}", "name": "app.opened", "at": at}]})
    assert told.status_code == 202, told.json


def register(device: Client, handle: str) -> Client:
    made = device.post("accounts", {"handle": handle, "password": PASSWORD}).json
    return Client(device.house, {"Authorization": f"Bearer {made['token']}"}, made["account"]["id"])


def log_in(device: Client, handle: str) -> Client:
    made = device.post("sessions", {"handle": handle, "password": PASSWORD}).json
    return Client(device.house, {"Authorization": f"Bearer {made['token']}"}, made["account"]["id"])


def daily(house: House, population: str) -> int:
    day = house.clock.now().date()
    query = DailyQuery.model_validate({"from": day, "to": day, "metrics": "dau", "population": population})
    staff = house.services.accounts.find_by_handle("desk") or house.as_("desk", "admin").id
    found = house.services.metrics.daily(house.services.accounts.actor(staff), query)
    return found.days[0].figures["dau"]


def test_who_logged_out_has_seen_what_they_saw_and_counts_once(any_house: House) -> None:
    house = any_house
    for number in range(6):
        publish(house, house.as_(f"author{number}"), number)
    house.clock.advance(days=1)
    device = house.device()
    account = register(device, "lin_mei")
    shown = {item["id"] for item in account.get("feed?limit=3").json["items"]}
    assert len(shown) == 3
    account.delete("sessions/current")
    after = {item["id"] for item in device.get("feed?limit=3").json["items"]}
    assert len(after) == 3
    assert shown.isdisjoint(after)
    open_app(device, 1)
    assert active(house) == 1
    again = log_in(device, "lin_mei")
    assert {item["id"] for item in again.get("feed?limit=6").json["items"]}.isdisjoint(shown | after)
    assert recounted(house) == []


def test_a_shared_device_is_whoever_logged_in_last(any_house: House) -> None:
    device, other = any_house.device(), any_house.device()
    first = register(device, "lin_mei")
    second = register(other, "wu_han")
    any_house.clock.advance(days=1)
    log_in(device, "wu_han").delete("sessions/current")
    open_app(device, 1)
    assert active(any_house) == 1
    assert any_house.services.accounts.device_actor(device.headers["X-Device"]).person == second.id != first.id
    assert recounted(any_house) == []


def test_a_device_on_which_nobody_is_logged_in_may_do_nothing_in_the_name_of_its_account(house: House) -> None:
    device = house.device()
    account = register(device, "lin_mei")
    order = buy(account, sell(house))["order"]
    account.delete("sessions/current")
    assert device.get("me").status_code == 401
    assert device.get(f"orders/{order}").status_code == 401
    actor = authenticator(house.services.accounts)({"device": device.headers["X-Device"]}, {})
    assert (actor.account_id, actor.person) == (None, account.id)


def test_what_a_device_was_shown_while_logged_out_can_be_explained(house: House) -> None:
    publish(house, house.as_("author"), 1)
    device = house.device()
    register(device, "lin_mei").delete("sessions/current")
    (shown,) = device.get("feed?limit=1").json["items"]
    assert device.get(f"exposures/{shown['exposure_id']}/why").status_code == 200


def test_a_device_that_becomes_staff_or_a_program_was_no_person(any_house: House) -> None:
    house = any_house
    house.as_("desk", "admin")
    devices = [house.device() for _ in range(3)]
    for handle in ("a_program", "a_moderator", "a_person"):
        made = register(house.anonymous(), handle)
        if handle == "a_moderator":
            house.engines.db.write(lambda tx, made=made: house.services.accounts.add_role(tx, made.id, "moderator"))
        if handle == "a_program":
            _mark_synthetic(house, made.id)
    house.clock.advance(days=1)
    for number, device in enumerate(devices):
        open_app(device, number)
    house.clock.advance(days=1)
    house.services.metrics.seal()
    for number, device in enumerate(devices):
        open_app(device, 10 + number)
    assert (daily(house, "people"), daily(house, "synthetic")) == (3, 0)
    for handle, device in zip(("a_program", "a_moderator", "a_person"), devices, strict=True):
        log_in(device, handle)
    assert (daily(house, "people"), daily(house, "synthetic")) == (1, 2)
    assert [house.services.accounts.device_actor(device.headers["X-Device"]).synthetic for device in devices] == [
        True, True, False,
    ]  # fmt: skip
    house.clock.advance(days=-1)
    assert (daily(house, "people"), daily(house, "synthetic")) == (1, 2)
    assert recounted(house) == []
    house.clock.advance(days=2)
    for number, device in enumerate(devices):
        open_app(device, 20 + number)
    assert (daily(house, "people"), daily(house, "synthetic")) == (1, 2)
    assert recounted(house) == []


def _mark_synthetic(house: House, account_id: str) -> None:
    from accounts.models import Account

    def write(tx: Any) -> None:
        tx.session.get_one(Account, account_id).synthetic = True

    house.engines.db.write(write)
