"""What one event counts for: the sets of people it joins, the sums it moves. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from kernel.clock import business_day
from metrics.people import PEOPLE, SYNTHETIC, Key

SETS = ("dau", "dab", "dab_paid")
SUMS = ("orders", "gmv", "gmv_paid")
# What an event adds the person to, and which sums it moves (the amount, or 1 for a count). Every buyer is active.
_MEMBER_OF = {"order.placed": ("dau", "dab"), "order.paid": ("dau", "dab_paid")}
_ADDS_TO = {"order.placed": (("orders", False), ("gmv", True)), "order.paid": (("gmv_paid", True),)}
_PASSIVE = frozenset({"impression", "poll", "video.progress"})


@dataclass(frozen=True)
class Event:
    """One act. `source` is unique: the same source is counted once, however often it is told."""

    source: str
    at: datetime
    person: str
    synthetic: bool
    name: str
    channel: str = "app"
    target: str | None = None
    amount: int = 0


def OrderEvent(
    kind: str, order_id: str, at: datetime, buyer_id: str, synthetic: bool, channel: str, total: int
) -> Event:
    """`order.placed` or `order.paid` as an event; `total` in minor units."""
    return Event(f"{kind}:{order_id}", at, buyer_id, synthetic, kind, channel, order_id, total)


def sets_of(event: Event, zone: ZoneInfo) -> list[Key]:
    """The sets that the event's person is in because of it."""
    if event.name in _PASSIVE:
        return []
    day = business_day(event.at, zone)
    metrics = _MEMBER_OF.get(event.name, ("dau",))
    return [(day, metric, event.channel, _population(event)) for metric in metrics]


def sums_of(events: Iterable[Event], zone: ZoneInfo) -> Counter[Key]:
    """What the events add up to, by day, figure, channel and population."""
    total: Counter[Key] = Counter()
    for event in events:
        for metric, is_amount in _ADDS_TO.get(event.name, ()):
            key = (business_day(event.at, zone), metric, event.channel, _population(event))
            total[key] += event.amount if is_amount else 1
    return total


def _population(event: Event) -> str:
    return SYNTHETIC if event.synthetic else PEOPLE
