"""A small studio for tests: a merchant who goes on air with products of their own."""

from __future__ import annotations

from typing import Any

from tests.house import Client, House
from tests.market import list_product


def open_room(host: Client, title: str = "Linen, live", shelf: list[str] | None = None) -> str:
    """A room that is not yet on air; its id."""
    made = host.post("rooms", {"title": title, "shelf": shelf or []})
    assert made.status_code == 201, made.json
    return str(made.json["id"])


def go_live(host: Client, title: str = "Linen, live", shelf: list[str] | None = None) -> str:
    """A room on air; its id."""
    room = open_room(host, title, shelf)
    started = host.post(f"rooms/{room}/start")
    assert started.status_code == 200, started.json
    return room


def merchant_live(house: House, stock: int = 5, handle: str = "host") -> tuple[Client, str, str]:
    """A merchant on air with one SKU of that many units on the shelf: client, room, SKU."""
    host = house.as_(handle, "merchant")
    sku = str(list_product(host, stock)["skus"][0]["id"])
    return host, go_live(host, shelf=[sku]), sku


def events(viewer: Client, room: str, after: int = 0) -> list[dict[str, Any]]:
    """The log of a room from HTTP."""
    answer = viewer.get(f"rooms/{room}/events?after={after}")
    assert answer.status_code == 200, answer.json
    return list(answer.json["events"])
