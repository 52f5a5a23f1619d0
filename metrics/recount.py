"""The recount: raw events counted again and compared with what is stored, a portion at a time.

One snapshot for all of it. Reading a portion takes milliseconds; counting it is left to a thread, so that a recount of
months stops nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from pyroaring import BitMap
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from metrics import people
from metrics.counting import SETS, Event, attributed, sets_of, sums_of
from metrics.models import DaySum, MetricEvent

PORTION = 1000
_EVENT = (
    MetricEvent.source,
    MetricEvent.at,
    MetricEvent.person,
    MetricEvent.synthetic,
    MetricEvent.name,
    MetricEvent.channel,
    MetricEvent.target,
    MetricEvent.amount,
)


class Count:
    """What a pile of raw events comes to."""

    def __init__(self, zone: ZoneInfo, numbers: dict[str, int], alias: dict[str, people.Alias]) -> None:
        self.zone = zone
        self.numbers = numbers
        self.alias = alias
        self.sets: dict[people.Key, BitMap] = {}
        self.sums: Counter[people.Key] = Counter()

    def add(self, rows: Sequence[Any]) -> None:
        events = [Event(*row) for row in rows]
        self.sums.update(sums_of(events, self.zone))
        for event in (attributed(event, self.alias) for event in events):
            number = self.numbers[event.person]
            for key in sets_of(event, self.zone):
                self.sets.setdefault(key, BitMap()).add(number)


def differences(
    session: Session, first: date, last: date, zone: ZoneInfo, off_loop: Callable[..., Any]
) -> list[dict[str, Any]]:
    """Every figure of these days that differs from what is stored."""
    stored, sums = people.load(session, first, last, SETS), stored_sums(session, first, last)
    numbers: dict[str, int] = {}
    for rows in _portions(session, people.EVERY_NUMBER):
        off_loop(numbers.update, rows)
    count = Count(zone, numbers, people.aliases(session))
    for rows in _portions(session, select(*_EVENT).where(MetricEvent.day.between(first, last))):
        off_loop(count.add, rows)
    found: list[dict[str, Any]] = off_loop(_compare, stored, sums, count)
    return found


def stored_sums(session: Session, first: date, last: date) -> dict[people.Key, int]:
    """The sums as they are kept."""
    rows = session.scalars(select(DaySum).where(DaySum.day.between(first, last)))
    return {(row.day, row.metric, row.channel, row.population): row.amount for row in rows}


def _portions(session: Session, query: Any) -> Iterator[Sequence[Row[Any]]]:
    return session.execute(query.execution_options(yield_per=PORTION)).partitions()


def _compare(stored: dict[people.Key, BitMap], sums: dict[people.Key, int], count: Count) -> list[dict[str, Any]]:
    none = BitMap()
    wrong = [
        _difference(key, len(stored.get(key, none)), len(count.sets.get(key, none)))
        for key in sorted({*stored, *count.sets})
        if stored.get(key, none) != count.sets.get(key, none)
    ]
    return wrong + [
        _difference(key, sums.get(key, 0), count.sums.get(key, 0))
        for key in sorted({*sums, *count.sums})
        if sums.get(key, 0) != count.sums.get(key, 0)
    ]


def _difference(key: people.Key, stored: int, counted: int) -> dict[str, Any]:
    day, metric, channel, population = key
    place = {"day": day.isoformat(), "metric": metric, "channel": channel, "population": population}
    return {**place, "stored": stored, "counted": counted}
