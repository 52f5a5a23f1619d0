from __future__ import annotations

from typing import Any

import pytest

from engines.realtime import InProcessRealtime


def test_every_subscriber_hears_everything_in_order() -> None:
    bus = InProcessRealtime()
    first: list[tuple[str, str, dict[str, Any]]] = []
    second: list[tuple[str, str, dict[str, Any]]] = []
    bus.publish("room:1", "missed", {})
    bus.subscribe(lambda *item: first.append(item))
    bus.subscribe(lambda *item: second.append(item))
    for number in range(3):
        bus.publish("room:1", "room.event", {"seq": number})
    assert first == second == [("room:1", "room.event", {"seq": number}) for number in range(3)]


def test_subscriber_that_publishes_does_not_turn_the_order_round() -> None:
    bus = InProcessRealtime()
    heard: list[str] = []
    bus.subscribe(lambda topic, event, data: bus.publish(topic, "second", {}) if event == "first" else None)
    bus.subscribe(lambda topic, event, data: heard.append(event))
    bus.publish("room:1", "first", {})
    assert heard == ["first", "second"]


def test_subscriber_that_fails_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    bus = InProcessRealtime()
    heard: list[str] = []

    def broken(topic: str, event: str, data: dict[str, Any]) -> None:
        raise RuntimeError("broken")

    bus.subscribe(broken)
    bus.subscribe(lambda topic, event, data: heard.append(event))
    bus.publish("room:1", "a", {})
    bus.publish("room:1", "b", {})
    assert heard == ["a", "b"]
    assert "a subscriber failed on room:1 a" in caplog.text


def test_delivery_goes_on_after_a_subscriber_was_interrupted() -> None:
    bus = InProcessRealtime()
    heard: list[str] = []

    def interrupted(topic: str, event: str, data: dict[str, Any]) -> None:
        if event == "a":
            raise KeyboardInterrupt
        heard.append(event)

    bus.subscribe(interrupted)
    with pytest.raises(KeyboardInterrupt):
        bus.publish("room:1", "a", {})
    bus.publish("room:1", "b", {})
    assert heard == ["b"]


def test_closed_bus_tells_nobody() -> None:
    bus = InProcessRealtime()
    heard: list[str] = []
    bus.subscribe(lambda topic, event, data: heard.append(event))
    bus.close()
    bus.publish("room:1", "a", {})
    assert heard == []
