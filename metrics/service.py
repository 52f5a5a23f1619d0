"""Counting: every figure is exact, and recountable from the raw events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pyroaring import BitMap
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kernel.actor import Actor
from kernel.clock import business_day
from kernel.db import Database, Write, insert_new, upsert
from kernel.errors import FieldError, Invalid, Unauthenticated
from kernel.ids import made_at
from metrics import people, recount
from metrics.counting import SETS, SUMS, Act, Event, attributed, notes_opened, sets_of, sums_of
from metrics.facts import EventsIngested, NoteOpened
from metrics.models import DayPerson, DaySum, MetricEvent
from metrics.people import PEOPLE, SYNTHETIC
from metrics.schemas import Daily, DailyQuery, Day, Difference, EventBatch, Ingested, Recount, RecountIn

_OLDEST = timedelta(hours=24)
_MAX_DAYS = 400


class MetricsService:
    """`zone` is the business's time zone; it decides what a day is. `off_loop` runs what would stop everybody else."""

    def __init__(self, db: Database, zone: ZoneInfo, currency: str, off_loop: Callable[..., Any]) -> None:
        self.db = db
        self.zone = zone
        self.currency = currency
        self._off_loop = off_loop

    # -- counting -------------------------------------------------------------------------------------------------

    def record(self, tx: Write, events: Iterable[Event]) -> int:
        """Count events inside a commit; how many were new."""
        told = list(events)
        people.settle(tx, (event.person for event in told))
        fresh = self._insert(tx, told)
        aliases = people.aliases_of(tx.session, (event.person for event in fresh))
        theirs = [attributed(event, aliases) for event in fresh]
        numbers = people.numbers(tx, (event.person for event in theirs))
        people.add(tx, [(key, numbers[event.person]) for event in theirs for key in sets_of(event, self.zone)])
        for (day, metric, channel, population), amount in sums_of(fresh, self.zone).items():
            key = {"day": day, "metric": metric, "channel": channel, "population": population}
            change = {"amount": DaySum.amount + amount}
            upsert(tx.session, DaySum.__table__, {**key, "amount": amount}, list(key), change)
        for person, note_id in notes_opened(theirs):
            tx.record(NoteOpened(person, note_id))
        return len(fresh)

    def _insert(self, tx: Write, events: list[Event]) -> list[Event]:
        unique = {event.source: event for event in events}
        rows = [_row(unique[source], self.zone) for source in sorted(unique)]  # in one order, against deadlocks
        new = insert_new(tx.session, MetricEvent.__table__, rows, "source")
        return [event for source, event in unique.items() if source in new]

    def ingest(self, actor: Actor, batch: EventBatch) -> Ingested:
        """Count a client's batch; one sent twice is counted once. `event.out_of_time` for an hour that is not now."""
        person = actor.person
        if person is None:
            raise Unauthenticated("device.required", "Events need an account or a device they belong to.")
        now = self.db.clock.now()
        for number, event in enumerate(batch.events):
            if event.at.tzinfo is None or not now - _OLDEST <= event.at <= now + timedelta(minutes=5):
                error = FieldError(f"events.{number}.at", "event.out_of_time", "within the last 24 hours, with a zone")
                raise Invalid("event.out_of_time", "An event's time is not within the last 24 hours.", [error])
        # The first events of a clock that is slow are kept, and on no day before there was such a person.
        since = made_at(person) or now - _OLDEST
        events = [
            Event(f"{person}:{e.id}", max(e.at, since), person, actor.synthetic, e.name, e.channel, e.target)
            for e in batch.events
        ]

        def write(tx: Write) -> int:
            count = self.record(tx, events)
            tx.record(EventsIngested(person, count))
            return count

        accepted = self.db.write(write)
        return Ingested(accepted=accepted, repeated=len(events) - accepted)

    def act(self, actor: Actor, name: str, channel: str, target: str | None = None) -> None:
        """Count a deliberate act that the server itself saw (a page was opened); once per person, target and minute."""
        if actor.person is None:
            return
        event = Act(actor.person, name, channel, target).event(self.db.clock.now(), actor.synthetic)
        self.db.write(lambda tx: self.record(tx, [event]))

    def merge(self, tx: Write, device_id: str, account_id: str, synthetic: bool = False) -> None:
        """A device became an account: on every day, the two are one person, or none when the account is a program."""
        people.merge(tx, device_id, account_id, synthetic)

    def seal(self) -> int:
        """Turn finished days into bitmaps."""
        today = business_day(self.db.clock.now(), self.zone)
        return self.db.write(lambda tx: people.seal(tx, today))

    # -- reading --------------------------------------------------------------------------------------------------

    def daily(self, actor: Actor, query: DailyQuery) -> Daily:
        """Figures per business day, for staff."""
        actor.require("admin", "moderator")
        metrics = query.metrics.split(",")
        unknown = [name for name in metrics if name not in SETS + SUMS]
        if unknown:
            error = FieldError("metrics", "metric.unknown", f"one of {', '.join(SETS + SUMS)}")
            raise Invalid("metric.unknown", f"There is no figure {unknown[0]}.", [error])
        _check_period(query.from_, query.to)
        with self.db.read() as session:
            return self._daily(session, query, metrics)

    def people_today(self) -> dict[str, int]:
        """DAU and DAB of the business day that runs, in one statement: its sets are rows until it is sealed."""
        day, counted = business_day(self.db.clock.now(), self.zone), func.count(DayPerson.number.distinct())
        kept = (DayPerson.day == day, DayPerson.population == PEOPLE, DayPerson.metric.in_(("dau", "dab")))
        with self.db.read() as session:
            rows = session.execute(select(DayPerson.metric, counted).where(*kept).group_by(DayPerson.metric))
            return {"dau": 0, "dab": 0, **{metric: int(count) for metric, count in rows}}

    def _daily(self, session: Session, query: DailyQuery, metrics: Sequence[str]) -> Daily:
        populations = (PEOPLE, SYNTHETIC) if query.population == "all" else (query.population,)
        sets = people.load(session, query.from_, query.to, SETS)
        sums = recount.stored_sums(session, query.from_, query.to)
        span = [query.from_ + timedelta(days=n) for n in range((query.to - query.from_).days + 1)]
        channels: list[str | None] = [None]
        if query.by == "channel":
            channels += sorted({key[2] for key in [*sets, *sums]})
        days = [
            Day(
                day=day,
                channel=channel,
                figures={m: _figure(sets, sums, day, m, populations, channel) for m in metrics},
            )
            for day in span
            for channel in channels
        ]
        everything = {m: [_figure(sets, sums, day, m, populations, None) for day in span] for m in SETS + SUMS}
        return Daily(
            population=query.population,
            time_zone=self.zone.key,
            currency=self.currency,
            days=days,
            period=_period(everything),
        )

    def check(self, actor: Actor, form: RecountIn) -> Recount:
        """The recount of a period, for admins."""
        actor.require("admin")
        return self.check_period(form.from_, form.to)

    def check_period(self, first: date, last: date) -> Recount:
        """The recount of these business days, both included.

        A difference counts when a second look finds it too: what commits between two statements of the first is none.
        """
        _check_period(first, last)
        found = self.recount(first, last)
        again = self.recount(first, last) if found else []
        with self.db.read() as session:
            days = MetricEvent.day.between(first, last)
            events = session.scalar(select(func.count()).select_from(MetricEvent).where(days)) or 0
        differences = [Difference.model_validate(one) for one in again if one in found]
        return Recount(days=(last - first).days + 1, events=events, differences=differences)

    def recount(self, first: date, last: date) -> list[dict[str, Any]]:
        """Count the raw events again; every figure that differs from what is stored. Empty is right (invariant 6)."""
        with self.db.read() as session:
            return recount.differences(session, first, last, self.zone, self._off_loop)


def _check_period(first: date, last: date) -> None:
    if not 0 <= (last - first).days < _MAX_DAYS:
        error = FieldError("to", "period.invalid", f"on or after from, at most {_MAX_DAYS} days")
        raise Invalid("period.invalid", "The period is empty or too long.", [error])


def _row(event: Event, zone: ZoneInfo) -> dict[str, Any]:
    return {**vars(event), "day": business_day(event.at, zone)}


def _figure(
    sets: dict[people.Key, BitMap],
    sums: dict[people.Key, int],
    day: date,
    metric: str,
    populations: Sequence[str],
    channel: str | None,
) -> int:
    if metric in SETS:
        return people.distinct(sets, day, metric, populations, channel)
    return sum(
        amount
        for (at, name, where, population), amount in sums.items()
        if at == day and name == metric and population in populations and channel in (None, where)
    )


def _period(days: dict[str, list[int]]) -> dict[str, float]:
    """Over a period DAU and DAB are means of the daily counts; GMV = active days x buyer share x spend per buyer day."""
    count = len(days["dau"])
    active, buyers, gmv, orders = sum(days["dau"]), sum(days["dab"]), sum(days["gmv"]), sum(days["orders"])
    return {
        "dau": active / count,
        "dab": buyers / count,
        "dab_paid": sum(days["dab_paid"]) / count,
        "gmv": gmv,
        "gmv_paid": sum(days["gmv_paid"]),
        "orders": orders,
        "active_person_days": active,
        "buyer_person_days": buyers,
        "buyer_share": buyers / active if active else 0.0,
        "spend_per_buyer": gmv / buyers if buyers else 0.0,
        "orders_per_buyer": orders / buyers if buyers else 0.0,
        "order_value": gmv / orders if orders else 0.0,
    }
