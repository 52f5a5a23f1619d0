"""Sets of people per business day, metric and channel: exact, mergeable, and small."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pyroaring import BitMap
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from kernel.db import Write, alone, in_chunks, insert_ignore, upsert
from metrics.models import DayPerson, DaySet, MetricEvent, PersonAlias, PersonNumber

PEOPLE, SYNTHETIC = "people", "synthetic"
Key = tuple[date, str, str, str]
"""Day, metric, channel, population."""
_MEMBER = (DayPerson.day, DayPerson.metric, DayPerson.channel, DayPerson.population, DayPerson.number)
_MERGES = "metrics.merges"
_ALIASES = select(PersonAlias.device_id, PersonAlias.account_id, PersonAlias.synthetic)
EVERY_NUMBER = select(PersonNumber.person, PersonNumber.number)


@dataclass(frozen=True)
class Alias:
    """The account that a device became; `synthetic`: staff or a program, so that the device's past is no person's."""

    account_id: str
    synthetic: bool


def is_device(person: str) -> bool:
    """Whether this person may merge into an account yet; an account is one for good."""
    return person.startswith("dev_")


def settle(tx: Write, persons: Iterable[str]) -> None:
    """Keep merges off until this commit has ended, when one of these persons is a device that could merge."""
    if any(is_device(person) for person in persons):
        alone(tx.session, _MERGES, shared=True)


def numbers(tx: Write, persons: Iterable[str]) -> dict[str, int]:
    """The dense numbers of these persons, new ones given out as needed."""
    wanted = list(dict.fromkeys(persons))
    found = _known(tx.session, wanted)
    missing = [{"person": person} for person in wanted if person not in found]
    for chunk in in_chunks(missing):
        insert_ignore(tx.session, PersonNumber.__table__, list(chunk))
    return found | _known(tx.session, [row["person"] for row in missing])


def _known(session: Session, persons: Sequence[str]) -> dict[str, int]:
    return {
        person: number
        for chunk in in_chunks(persons)
        for person, number in session.execute(EVERY_NUMBER.where(PersonNumber.person.in_(chunk)))
    }


def add(tx: Write, members: Iterable[tuple[Key, int]]) -> None:
    """Put people into their days' sets; who is there already stays there once."""
    rows = [
        {"day": day, "metric": metric, "channel": channel, "population": population, "number": number}
        for (day, metric, channel, population), number in dict.fromkeys(members)
    ]
    for chunk in in_chunks(rows, 200):
        insert_ignore(tx.session, DayPerson.__table__, list(chunk))


def load(session: Session, first: date, last: date, metrics: Iterable[str]) -> dict[Key, BitMap]:
    """All sets of these days: the sealed ones and the open days' rows, united."""
    wanted = list(metrics)
    sets: dict[Key, BitMap] = {}
    sealed = select(DaySet).where(DaySet.day.between(first, last), DaySet.metric.in_(wanted))
    for row in session.scalars(sealed):
        sets[(row.day, row.metric, row.channel, row.population)] = BitMap.deserialize(row.bitmap)
    for day, metric, channel, population, number in session.execute(
        select(*_MEMBER).where(DayPerson.day.between(first, last), DayPerson.metric.in_(wanted))
    ):
        sets.setdefault((day, metric, channel, population), BitMap()).add(number)
    return sets


def seal(tx: Write, before: date) -> int:
    """Turn the rows of days before `before` into bitmaps; how many sets were written. Repeating it changes nothing."""
    alone(tx.session, _MERGES)
    days = tx.session.scalars(select(DayPerson.day).where(DayPerson.day < before).distinct()).all()
    written = 0
    for day in days:
        # What is deleted is what is sealed: a late event that commits meanwhile stays a row for the next time.
        rows = tx.session.execute(delete(DayPerson).where(DayPerson.day == day).returning(*_MEMBER)).all()
        sets = load(tx.session, day, day, {row.metric for row in rows})
        for _, metric, channel, population, number in rows:
            sets.setdefault((day, metric, channel, population), BitMap()).add(number)
        for key, members in sets.items():
            _store(tx, key, members)
        written += len(sets)
    return written


def merge(tx: Write, device_id: str, account_id: str, synthetic: bool) -> None:
    """Give a device's past to its account: on each day they were active, both count as one, and as a program when the
    account is `synthetic`. Its first account has it for good, so that a later log-in waits for nobody."""
    if tx.session.get(PersonAlias, device_id) is not None:
        return
    alone(tx.session, _MERGES)
    alias = {"device_id": device_id, "account_id": account_id, "synthetic": synthetic}
    if not insert_ignore(tx.session, PersonAlias.__table__, alias):
        return
    days = tx.session.scalars(select(MetricEvent.day).where(MetricEvent.person == device_id).distinct()).all()
    if not days:
        return
    known = numbers(tx, [device_id, account_id])
    for day in days:
        _replace(tx, day, known[device_id], known[account_id], synthetic)


def _replace(tx: Write, day: date, old: int, new: int, synthetic: bool) -> None:
    def moved(key: Key) -> Key:
        return (*key[:3], SYNTHETIC) if synthetic else key

    gone = delete(DayPerson).where(DayPerson.day == day, DayPerson.number == old).returning(*_MEMBER)
    rows = tx.session.execute(gone).all()
    add(tx, [(moved((row.day, row.metric, row.channel, row.population)), new) for row in rows])
    sealed = {
        (row.day, row.metric, row.channel, row.population): BitMap.deserialize(row.bitmap)
        for row in tx.session.scalars(select(DaySet).where(DaySet.day == day))
    }
    for key in [key for key, members in sealed.items() if old in members]:
        sealed[key].remove(old)
        sealed.setdefault(moved(key), BitMap()).add(new)
        _store(tx, key, sealed[key])
        _store(tx, moved(key), sealed[moved(key)])


def _store(tx: Write, key: Key, members: BitMap) -> None:
    columns = dict(zip(("day", "metric", "channel", "population"), key, strict=True))
    bitmap = members.serialize()
    upsert(tx.session, DaySet.__table__, {**columns, "bitmap": bitmap}, list(columns), {"bitmap": bitmap})


def aliases(session: Session) -> dict[str, Alias]:
    """Which devices became which accounts."""
    return {row.device_id: Alias(row.account_id, row.synthetic) for row in session.execute(_ALIASES)}


def distinct(sets: dict[Key, BitMap], day: date, metric: str, populations: Sequence[str], channel: str | None) -> int:
    """How many different people: over one channel, or united over all of them."""
    chosen: list[Any] = [
        members
        for (at, name, where, population), members in sets.items()
        if at == day and name == metric and population in populations and channel in (None, where)
    ]
    return len(BitMap.union(*chosen)) if chosen else 0


def aliases_of(session: Session, persons: Iterable[str]) -> dict[str, Alias]:
    """The accounts of those of these persons that are merged devices."""
    return {
        row.device_id: Alias(row.account_id, row.synthetic)
        for chunk in in_chunks([person for person in dict.fromkeys(persons) if is_device(person)])
        for row in session.execute(_ALIASES.where(PersonAlias.device_id.in_(chunk)))
    }
