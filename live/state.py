"""A room's state as a pure function of its events: *old state + events after seq = fresh state* (invariant 5).

State and events are JSON. Server and clients fold alike, so whoever missed events needs them alone, not a new snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

State = dict[str, Any]
Event = Mapping[str, Any]


def fresh(room_id: str) -> State:
    """The state before the first event."""
    return {
        "room": room_id,
        "session": None,
        "status": "created",
        "title": "",
        "started_at": None,
        "ended_at": None,
        "shelf": [],
        "pinned": None,
        "commercial": False,
        "disclosure": None,
        "slow": 0,
        "orders": 0,
        "notice": None,
        "stream": None,
    }


def apply(state: State, event: Event) -> State:
    """The state after one more event; the given one is left as it was. ValueError for a kind that does not exist."""
    try:
        change = _CHANGES[event["kind"]]
    except KeyError:
        raise ValueError(f"there is no event of the kind {event['kind']!r}") from None
    return {**state, **change(state, event)}


def fold(state: State, events: Iterable[Event]) -> State:
    """The state after all of `events`, in order."""
    for event in events:
        state = apply(state, event)
    return state


def stock_state(available: int, reserved: int) -> str:
    """`in_stock`, `all_held` while every unit is reserved but not all are paid, or `sold_out`."""
    if available > 0:
        return "in_stock"
    return "all_held" if reserved > 0 else "sold_out"


def _started(state: State, event: Event) -> State:
    data = event["data"]
    return {
        **fresh(state["room"]),
        "session": data["session"],
        "status": "live",
        "title": data["title"],
        "started_at": event["at"],
        "slow": data["slow"],
        "stream": data.get("stream", "receiving"),
        **_selling(data),
    }


def _ended(state: State, event: Event) -> State:
    return {"status": "ended", "ended_at": event["at"], "pinned": None, "commercial": False, "stream": None}


def _shelf(state: State, event: Event) -> State:
    selling = _selling(event["data"])
    still = any(item["sku_id"] == state["pinned"] for item in selling["shelf"])
    commercial = selling["commercial"] and state["status"] == "live"
    return {**selling, "commercial": commercial, "pinned": state["pinned"] if still else None}


def _selling(data: Mapping[str, Any]) -> State:
    return {"shelf": data["shelf"], "commercial": bool(data["shelf"]), "disclosure": data["disclosure"]}


def _pinned(state: State, event: Event) -> State:
    return {"pinned": event["data"]["sku_id"]}


def _stock(state: State, event: Event) -> State:
    data = event["data"]
    stock = {name: data[name] for name in ("available", "reserved", "state")}
    return {
        "shelf": [
            {**item, "available": data["available"] > 0, "stock": stock} if item["sku_id"] == data["sku_id"] else item
            for item in state["shelf"]
        ]
    }


def _ordered(state: State, event: Event) -> State:
    return {"orders": state["orders"] + 1}


def _slowed(state: State, event: Event) -> State:
    return {"slow": event["data"]["seconds"]}


def _noticed(state: State, event: Event) -> State:
    return {"notice": event["data"]["text"]}


def _streamed(state: State, event: Event) -> State:
    return {"stream": event["data"]["state"]}


def _nothing(state: State, event: Event) -> State:
    return {}


_CHANGES: dict[str, Callable[[State, Event], State]] = {
    "room.started": _started,
    "room.ended": _ended,
    "stream.changed": _streamed,
    "shelf.changed": _shelf,
    "product.pinned": _pinned,
    "stock.changed": _stock,
    "order.placed": _ordered,
    "chat.slowed": _slowed,
    "notice": _noticed,
    "moderation.acted": _nothing,
}
KINDS = tuple(_CHANGES)
