"""Recall: a few hundred ids worth ranking, each with the source that found it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from feed.candidates import decayed
from feed.models import Candidate, CandidateTopic, Exposure, Feedback, Taste
from feed.quality import GUARANTEE
from feed.ranking import Item
from feed.rules import WINDOW, Shown

SEEN_FOR = timedelta(days=7)
PER_SOURCE = 120
FRESH = 40
TASTES = 12


@dataclass(frozen=True)
class Person:
    """What the feed knows of who is looking. `shown` counts the exposures that were read, `seen` what they were of."""

    id: str | None
    shown: int = 0
    seen: frozenset[tuple[str, str]] = frozenset()
    before: tuple[Shown, ...] = ()
    tastes: dict[str, float] = field(default_factory=dict)
    not_interested: frozenset[str] = frozenset()
    hidden_authors: frozenset[str] = frozenset()
    fewer_products: bool = False


def read_person(session: Session, person: str | None, now: datetime) -> Person:
    """Seen items of 7 days, the end of the last page, tastes and feedback: three statements."""
    if person is None:
        return Person(None)
    columns = (Exposure.item_id, Exposure.state, Exposure.author_id, Exposure.commercial, Exposure.placement)
    recent = select(*columns).where(*_recent(person, now))
    shown = session.execute(recent.order_by(Exposure.shown_at.desc(), Exposure.id.desc())).all()
    tastes = session.execute(
        select(Taste.about, Taste.weight, Taste.updated_at)
        .where(Taste.person == person)
        .order_by(func.abs(Taste.weight).desc())  # what somebody does not want counts as much as what they like
        .limit(60)
    ).all()
    said = session.execute(select(Feedback.kind, Feedback.target).where(Feedback.person == person)).all()
    last = (Shown(row.author_id, row.commercial) for row in shown if row.placement == "feed")
    return Person(
        id=person,
        shown=len(shown),
        seen=frozenset((row[0], row[1]) for row in shown),
        before=tuple(reversed(list(islice(last, WINDOW - 1)))),
        tastes={about: decayed(weight, at, now) for about, weight, at in tastes},
        not_interested=frozenset(target for kind, target in said if kind == "not_interested"),
        hidden_authors=frozenset(target for kind, target in said if kind == "hide_author"),
        fewer_products=any(kind == "fewer_products" for kind, _ in said),
    )


def count_shown(session: Session, person: str, now: datetime) -> int:
    """How many exposures `read_person` would read at `now`."""
    return session.scalar(select(func.count()).select_from(Exposure).where(*_recent(person, now))) or 0


def _recent(person: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return Exposure.person == person, Exposure.shown_at > now - SEEN_FOR


def recall_notes(session: Session, person: Person, following: Sequence[str]) -> list[Item]:
    """Notes by taste, by followed authors, fresh ones with a guarantee, and the best by quality: at most five statements."""
    found: dict[str, Item] = {}
    seen = [note_id for note_id, _ in person.seen]
    open_ones = select(Candidate).where(Candidate.eligible)
    topics = _liked(person, "topic:")
    if topics:
        best = (
            select(CandidateTopic.note_id)
            .where(CandidateTopic.topic.in_(topics))
            .order_by(CandidateTopic.quality.desc())
            .limit(PER_SOURCE + len(seen))
        )
        _add(found, session.scalars(open_ones.where(Candidate.note_id.in_(best))).all(), person, "topic")
    authors = list(dict.fromkeys([*following[:300], *_liked(person, "author:")]))
    if authors:
        theirs = open_ones.where(Candidate.author_id.in_(authors)).order_by(Candidate.published_at.desc())
        _add(found, session.scalars(theirs.limit(PER_SOURCE)).all(), person, "following")
    fresh = open_ones.where(Candidate.exposures < GUARANTEE).order_by(Candidate.published_at)
    oldest = session.scalars(fresh.limit(FRESH + len(seen))).all()
    waiting = [row for row in oldest if _wanted(row, person)][:FRESH]
    _add(found, waiting, person, "new")
    found |= {row.note_id: replace(found[row.note_id], guaranteed=True) for row in waiting}
    newest = open_ones.order_by(Candidate.published_at.desc())
    _add(found, session.scalars(newest.limit(FRESH)).all(), person, "quality")
    quality = open_ones.order_by(Candidate.quality.desc())
    _add(found, session.scalars(quality.limit(PER_SOURCE + len(seen))).all(), person, "quality")
    return list(found.values())


def _add(found: dict[str, Item], rows: Sequence[Candidate], person: Person, source: str) -> None:
    """The best of a source that this person has not seen; more were read because some are seen."""
    for row in [row for row in rows if _wanted(row, person)][:PER_SOURCE]:
        if row.note_id not in found:
            found[row.note_id] = _item(row, person, source)


def _wanted(row: Candidate, person: Person) -> bool:
    return (
        (row.note_id, row.note_id) not in person.seen
        and row.note_id not in person.not_interested
        and row.author_id not in person.hidden_authors
        and row.author_id != person.id
    )


def _item(row: Candidate, person: Person, source: str) -> Item:
    affinity, about = affinity_of(row.topics, row.author_id, person.tastes)
    return Item(
        id=row.note_id,
        kind="note",
        author_id=row.author_id,
        quality=row.quality,
        affinity=affinity,
        since=row.published_at,
        commercial=row.commercial,
        fingerprint=row.fingerprint,
        state=row.note_id,
        source=source,
        about=about if source in ("topic", "following") else "",
    )


def affinity_of(topics: Sequence[str], author_id: str, tastes: dict[str, float]) -> tuple[float, str]:
    """How well a note fits a taste, -1..1, and what it fits best: w / (1 + |w|) of the summed weights."""
    names = [f"topic:{topic.casefold()[:80]}" for topic in topics] + [f"author:{author_id}"]
    weights = {name: tastes[name] for name in names if name in tastes}
    if not weights:
        return 0.0, ""
    total = sum(weights.values())
    return total / (1 + abs(total)), max(weights, key=lambda name: weights[name]).partition(":")[2]


def _liked(person: Person, prefix: str) -> list[str]:
    names = sorted(person.tastes, key=lambda name: -person.tastes[name])
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix) and person.tastes[name] > 0][:TASTES]
