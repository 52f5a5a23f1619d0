"""What one event counts for: the sets of people it joins, the sums it moves. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from kernel.clock import business_day
from metrics.people import PEOPLE, SYNTHETIC, Alias, Key

SETS = ("dau", "dab", "dab_paid")
SUMS = ("orders", "gmv", "gmv_paid")
# What an event adds the person to, and which sums it moves (the amount, or 1 for a count). Every buyer is active; a payment
# is told by the provider, when the payer may be asleep.
_MEMBER_OF = {"order.placed": ("dau", "dab"), "order.paid": ("dab_paid",)}
_ADDS_TO = {"order.placed": (("orders", False), ("gmv", True)), "order.paid": (("gmv_paid", True),)}
_PASSIVE = frozenset({"impression", "poll", "video.progress"})


@dataclass(frozen=True)
class Act:
    """A deliberate act of somebody, before it is known when it was and whether they are a person or a program."""

    person: str
    name: str
    channel: str = "app"
    target: str | None = None

    def event(self, at: datetime, synthetic: bool) -> Event:
        """The act as an event; done again within a minute it is the same one."""
        minute = int(at.timestamp() // 60)
        source = f"{self.person}:{self.name}:{self.channel}:{self.target or ''}:{minute}"
        return Event(source, at, self.person, synthetic, self.name, self.channel, self.target)


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


def attributed(event: Event, aliases: Mapping[str, Alias]) -> Event:
    """The event as that of the account whom its device has become: a program's when either of them is one."""
    merged = aliases.get(event.person)
    if merged is None:
        return event
    return replace(event, person=merged.account_id, synthetic=event.synthetic or merged.synthetic)


def notes_opened(events: Iterable[Event]) -> list[tuple[str, str]]:
    """Which people opened which notes, in one order, against deadlocks."""
    opened = (event for event in events if event.name == "note.opened" and not event.synthetic)
    return sorted({(event.person, event.target) for event in opened if event.target}, key=lambda one: one[1])


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
