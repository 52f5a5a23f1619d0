"""The stage of a tour: who plays, what they have made so far, and how all of it is put away again."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from demo.cast import TOUR_FAN, TOUR_MERCHANT, TOUR_VIEWERS
from demo.people import ADMIN, CREATOR_AT_GATE, DEMO_PASSWORD, MODERATOR
from web.tour.checks import Failed, one, same
from web.tour.client import Client, Json, Unreachable
from web.tour.props import DISPLAY, NOTE, NOTE_ZH, POT, SIZES
from web.tour.viewer import Viewer

CAST = (CREATOR_AT_GATE, TOUR_FAN, *TOUR_VIEWERS, TOUR_MERCHANT, MODERATOR, ADMIN)
PAY_BY = "order.pay_by_room"
MOST_PAGES = 15
TITLES = tuple(note["title"] for note in (NOTE, NOTE_ZH, DISPLAY))


@dataclass
class Deeds:
    """What the tour did that the figures count. `openings`: strangers, who were not there before."""

    openings: int = 0
    buyers: int = 0
    payers: int = 0
    orders: int = 0
    gmv: int = 0
    gmv_paid: int = 0


@dataclass
class Stage:
    """`saw` prints a line of the running step."""

    url: str
    saw: Callable[[str], None]
    deeds: Deeds = field(default_factory=Deeds)
    people: dict[str, Client] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    viewers: dict[str, Viewer] = field(default_factory=dict)
    strangers: list[Client] = field(default_factory=list)
    zone: ZoneInfo | None = None
    opened_on: date | None = None
    before: dict[str, dict[str, int]] = field(default_factory=dict)
    note: str = ""
    display: str = ""
    product: str = ""
    last: str = ""
    spare: str = ""
    room: str = ""
    buyer: int = 0
    order: str = ""
    waiting_key: str = ""
    seqs: dict[str, int] = field(default_factory=dict)

    # -- people ---------------------------------------------------------------------------------------------------

    creator = property(lambda self: self.people[CREATOR_AT_GATE])
    fan = property(lambda self: self.people[TOUR_FAN])
    merchant = property(lambda self: self.people[TOUR_MERCHANT])
    moderator = property(lambda self: self.people[MODERATOR])
    admin = property(lambda self: self.people[ADMIN])

    def shopper(self, number: int) -> Client:
        """The two viewers, 0 and 1."""
        return self.people[TOUR_VIEWERS[number]]

    @property
    def creator_id(self) -> str:
        return self.ids[CREATOR_AT_GATE]

    def enter(self) -> None:
        """Log everybody in; nobody but synthetic accounts may play, or the headline figures would move."""
        for handle in CAST:
            session = Client(self.url, handle).post("sessions", {"handle": handle, "password": DEMO_PASSWORD})
            self.tokens[handle] = session["token"]
            self.ids[handle] = session["account"]["id"]
            self.people[handle] = Client(self.url, handle, {"Authorization": f"Bearer {session['token']}"})
            same(f"{handle} is synthetic", self.people[handle].get("me")["synthetic"], True)

    def open_app(self) -> None:
        """Everybody opens the app, and is active on this day from here on."""
        self.opened_on = self.today()
        for handle, person in self.people.items():
            _opened(person, f"tour-{handle}-{self.today()}")

    def stranger(self) -> Client:
        """Somebody nobody knows: a fresh device without an account."""
        device = Client(self.url).post("devices", {"synthetic": True})["device"]
        client = Client(self.url, "a stranger", {"X-Device": device})
        self.strangers.append(client)
        self.deeds.openings += _opened(client, f"tour-{secrets.token_hex(8)}")
        return client

    def viewer(self, number: int) -> Viewer:
        """The connection of one of the two viewers, opened when there is none."""
        handle = TOUR_VIEWERS[number]
        if handle not in self.viewers:
            self.viewers[handle] = Viewer(self.url, handle, self.tokens[handle])
        return self.viewers[handle]

    def replace_viewer(self, number: int) -> Viewer:
        """A new connection of the same viewer."""
        self.viewers.pop(TOUR_VIEWERS[number]).close()
        return self.viewer(number)

    # -- days -----------------------------------------------------------------------------------------------------

    def today(self) -> date:
        """The business day, in the zone that the server names."""
        if self.zone is None:
            self.zone = ZoneInfo(self._site()["time_zone"])
        return datetime.now(self.zone).date()

    def _site(self) -> Json:
        """What its figures say of the site: the zone of its days, the currency of its prices."""
        day = datetime.now(UTC).date().isoformat()
        return self.admin.get("metrics/daily", **{"from": day, "to": day})

    def day_of(self, instant: str) -> date:
        """The business day of a time that the server gave."""
        self.today()
        return datetime.fromisoformat(instant).astimezone(self.zone).date()

    # -- the product ----------------------------------------------------------------------------------------------

    def stock(self) -> None:
        """The potter's product: one unit of the last pot, two of the spare one. Made by the first tour, filled by each."""
        card = next(iter(self._products()), None)
        product = self._list_pot() if card is None else self.merchant.get(f"products/{card['id']}")
        self.product = product["id"]
        self.last, self.spare = (sku["id"] for sku in product["skus"])
        for sku, units in ((self.last, 1), (self.spare, 2)):
            level = self.move(sku, units)
            same(f"units of {sku} that are free", level["available"], units)

    def _list_pot(self) -> Json:
        currency = self._site()["currency"]
        skus = [{"name": name, "price": {"amount": amount, "currency": currency}} for name, amount in SIZES.items()]
        return self.merchant.post("products", {**POT, "skus": skus})

    def move(self, sku: str, units: int) -> Json:
        """Receive units, or remove as many when negative; the stock as it stands then."""
        kind = "receive" if units > 0 else "remove"
        body = {"sku": sku, "quantity": abs(units), "kind": kind}
        level = self.merchant.post(f"products/{self.product}/stock", body)
        parts = sum(level[name] for name in ("available", "reserved", "sold", "removed"))
        same("available + reserved + sold + removed", parts, level["received"])
        return level

    def units(self, sku: str) -> int:
        return int(self.merchant.get(f"skus/{sku}")["available"])

    def _products(self) -> Iterator[dict[str, Any]]:
        mine = self.merchant.pages("products", MOST_PAGES, merchant=self.ids[TOUR_MERCHANT], limit=50)
        return (card for card in mine if card["title"] == POT["title"])

    # -- the end --------------------------------------------------------------------------------------------------

    def tidy(self) -> None:
        """Put away what a tour leaves, this one or one that was interrupted: everything is looked up, nothing remembered."""
        for room in self.creator.pages("rooms", MOST_PAGES, limit=100):
            if room["host"]["id"] == self.creator_id:
                self.creator.post(f"rooms/{room['id']}/end")
        for author in (self.creator, self.merchant, self.fan):
            for note in list(author.pages("me/notes", MOST_PAGES, limit=50)):
                if note["title"] in TITLES:
                    author.delete(f"notes/{note['id']}")
        self._tidy_orders()
        for card in self._products():
            product = self.merchant.get(f"products/{card['id']}")
            self.product = product["id"]
            for sku in product["skus"]:
                self._reset_policy(sku["id"])
                if sku["available"]:
                    self.move(sku["id"], -sku["available"])
        self._tidy_creator()

    def _tidy_orders(self) -> None:
        for number in range(len(TOUR_VIEWERS)):
            shopper = self.shopper(number)
            for order in list(shopper.pages("orders", 3)):
                # Paid ones of earlier days were cancelled by the tour that made them.
                if order["status"] in ("placed", "paid"):
                    shopper.post(f"orders/{order['id']}/cancel")

    def _reset_policy(self, sku: str) -> None:
        policies = self.admin.get("policies")
        default = one(PAY_BY, [p["value"] for p in policies["items"] if p["name"] == PAY_BY], "the policies")
        changed = [c["value"] for c in policies["changes"] if c["name"] == PAY_BY and c["scope"] == sku]
        if changed and changed[0] != default:
            self.set_policy(sku, default, "The tour is over.")

    def set_policy(self, sku: str, seconds: int, reason: str) -> Json:
        """Give orders of one SKU from a room so many seconds to be paid, with a reason."""
        return self.admin.put("policies", {"name": PAY_BY, "value": seconds, "scope": sku, "reason": reason})

    def _tidy_creator(self) -> None:
        response = self.creator.ask("GET", "me/creator-application")
        application = response.json() if response.ok else {"status": "none"}
        if application["status"] in ("open", "approved"):
            self.admin.post(f"creator-applications/{application['id']}/withdraw", {"reason": "The tour is over."})
        self.fan.delete(f"accounts/{self.creator_id}/follow")

    def leave(self) -> None:
        """Hang up and log out, whatever state things are in."""
        for viewer in self.viewers.values():
            with suppress(Exception):
                viewer.close()
        for person in self.people.values():
            with suppress(Failed, Unreachable):
                person.delete("sessions/current")
            person.close()
        for stranger in self.strangers:
            stranger.close()


def _opened(person: Client, event_id: str) -> int:
    """Tell the server that the app was opened; 1 when that was news."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    event = {"id": event_id, "name": "app.opened", "at": at, "channel": "app"}
    return int(person.post("events", {"events": [event]})["accepted"])
