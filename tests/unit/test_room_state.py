"""Old state + events after seq = fresh state (invariant 5), for any events a room can have."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.state import KINDS, apply, fold, fresh, stock_state

SKUS = ["sku_a", "sku_b", "sku_c"]
UNITS = st.integers(0, 3)


@st.composite
def stock(draw: st.DrawFn) -> dict[str, Any]:
    available, reserved = draw(UNITS), draw(UNITS)
    return {"available": available, "reserved": reserved, "state": stock_state(available, reserved)}


@st.composite
def item(draw: st.DrawFn, sku: str) -> dict[str, Any]:
    return {"sku_id": sku, "title": draw(st.text(max_size=5)), "available": True, "stock": draw(st.none() | stock())}


@st.composite
def selling(draw: st.DrawFn) -> dict[str, Any]:
    skus = draw(st.lists(st.sampled_from(SKUS), unique=True))
    return {"shelf": [draw(item(sku)) for sku in skus], "disclosure": {"kind": "product"} if skus else None}


@st.composite
def event(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(KINDS))
    sku = st.sampled_from(SKUS)
    data: dict[str, Any] = {
        "room.started": lambda: {"session": "live_1", "title": "t", "slow": 0, **draw(selling())},
        "shelf.changed": lambda: draw(selling()),
        "product.pinned": lambda: {"sku_id": draw(st.none() | sku)},
        "stock.changed": lambda: {"sku_id": draw(sku), **draw(stock())},
        "order.placed": lambda: {"sku_ids": [draw(sku)]},
        "chat.slowed": lambda: {"seconds": draw(UNITS)},
        "stream.changed": lambda: {"state": draw(st.sampled_from(["waiting", "receiving"]))},
        "notice": lambda: {"text": draw(st.text(max_size=5))},
        "room.ended": lambda: {"reason": "host"},
        "moderation.acted": lambda: {"action": "cut"},
    }[kind]()
    return {"kind": kind, "at": "2026-11-22T04:00:00.000Z", "data": data}


@given(st.lists(event(), max_size=30), st.data())
def test_old_state_and_the_missed_events_give_the_fresh_state(
    events: list[dict[str, Any]], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(events)))
    whole = fold(fresh("room_1"), events)
    old = fold(fresh("room_1"), events[:cut])
    assert fold(old, events[cut:]) == whole
    assert whole["commercial"] == (whole["status"] == "live" and bool(whole["shelf"]))


@given(st.lists(event(), max_size=10))
def test_folding_leaves_the_old_state_as_it_was(events: list[dict[str, Any]]) -> None:
    state = fold(fresh("room_1"), events[:5])
    before = copy.deepcopy(state)
    fold(state, events[5:])
    assert state == before


def test_an_event_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no event"):
        apply(fresh("room_1"), {"kind": "room.exploded", "at": "", "data": {}})


def test_all_units_held_is_not_sold_out() -> None:
    assert [stock_state(1, 0), stock_state(0, 2), stock_state(0, 0)] == ["in_stock", "all_held", "sold_out"]
