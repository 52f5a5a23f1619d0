"""A small world with something of everything, each thing somebody's: what strangers and rubbish are let loose on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from kernel.db import Base
from tests.house import Client, House
from tests.market import ADDRESS, list_product
from tests.studio import go_live
from tests.writing import draft, open_gate, publish


@dataclass(frozen=True)
class World:
    """`things`: path parameter -> id of a thing that belongs neither to the stranger nor to the staff."""

    house: House
    things: dict[str, str]
    stranger: Client
    staff: Client
    expired: Client

    def digest(self) -> dict[str, str]:
        """Every table's rows as a hash: equal digests mean that nothing was changed."""
        with self.house.engines.db.read() as session:
            return {
                name: hashlib.sha256(repr(session.execute(text(f"SELECT * FROM {name}")).all()).encode()).hexdigest()
                for name in Base.metadata.tables
            }


def populate(house: House) -> World:
    """Fill the house."""
    expired = house.as_("expired")
    house.clock.advance(days=31)
    author, buyer = house.as_("author"), house.as_("buyer")
    staff, stranger = house.as_("staff", "admin", "moderator", "merchant"), house.as_("stranger")
    merchant, moderator = house.as_("host", "merchant"), house.as_("mod", "moderator")
    product = list_product(merchant)
    sku = str(product["skus"][0]["id"])
    room = go_live(merchant, shelf=[sku])
    note = publish(house, author)
    open_gate(house, author.id)
    quote = buyer.post("quotes", {"lines": [{"sku": sku}], "address": ADDRESS}).json["quote"]
    shown = buyer.get("feed").json["items"]
    buyer.put(f"notes/{note}/save")
    case, action = _judged(house, author.id, buyer, moderator)
    things = {
        "account_id": author.id,
        "application_id": author.get("me/creator-application").json["id"],
        "product_id": product["id"],
        "sku_id": sku,
        "room_id": room,
        "chat_id": buyer.post(f"rooms/{room}/chat", {"text": "Hello"}).json["id"],
        "note_id": note,
        "draft_id": draft(author, title="Not yet")["id"],
        "comment_id": buyer.post(f"notes/{note}/comments", {"text": "Lovely"}).json["id"],
        "order_id": buyer.post("orders", {"quote": quote}, key="buyers-key").json["order"],
        "key": "buyers-key",
        "exposure_id": shown[0]["exposure_id"],
        "case_id": case,
        "action_id": action,
    }
    house.jobs()
    house.clock.advance(minutes=1)
    return World(house, things, stranger, staff, expired)


def _judged(house: House, author_id: str, reporter: Client, moderator: Client) -> tuple[str, str]:
    """An open case about a product's merchant, and an action that was taken on the author."""
    _report(reporter, author_id)
    case = moderator.get("cases").json["items"][0]
    decided = {"action": "approve", "version": case["target"]["version"], "reason": "nothing wrong"}
    action = moderator.post(f"cases/{case['id']}/actions", decided).json["id"]
    _report(house.as_("other_reporter"), author_id)
    return str(case["id"]), str(action)


def _report(reporter: Client, account_id: str) -> None:
    form: dict[str, Any] = {"target": {"kind": "account", "id": account_id}, "reason": "spam"}
    assert reporter.post("reports", form).status_code == 201
