"""Recall: a few hundred ids worth ranking, each with the source that found it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Row, false, func, literal, select, union_all
from sqlalchemy.orm import Session

from feed.guarantee import HEAD
from feed.models import Candidate, CandidateTopic, Exposure, Feedback, Taste
from feed.ranking import Item
from feed.rules import WINDOW, Shown
from feed.tastes import decayed

PER_SOURCE = 120
DEEPER = 8
"""How many times as many of the best are recalled where the rules of a page let too few of the first ones through."""
FRESH = 40
TASTES = 12
PLACEMENTS = ("feed", "following")
_COLUMNS = (
    Candidate.note_id,
    Candidate.author_id,
    Candidate.published_at,
    Candidate.topics,
    Candidate.commercial,
    Candidate.fingerprint,
    Candidate.quality,
)
# What found a note, by which name the viewer hears of it, how many of them at most, and which first.
_SOURCES: dict[str, tuple[str, int, Callable[[Row[Any]], float]]] = {
    "topic": ("topic", PER_SOURCE, lambda row: -row.quality),
    "following": ("following", PER_SOURCE, lambda row: -row.published_at.timestamp()),
    "new": ("new", HEAD, lambda row: row.published_at.timestamp()),
    "newest": ("quality", PER_SOURCE, lambda row: -row.published_at.timestamp()),
    "quality": ("quality", PER_SOURCE, lambda row: -row.quality),
}


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


def read_person(session: Session, person: str | None, since: datetime, now: datetime) -> Person:
    """Seen items `since` then, the end of the last page, tastes and feedback: one statement."""
    if person is None:
        return Person(None)
    known: dict[str, list[Row[Any]]] = {}
    for row in session.execute(_known_of(person, since)):
        known.setdefault(row.what, []).append(row)
    shown = [row for placement in PLACEMENTS for row in known.get(placement, ())]
    last = sorted(known.get("feed", ()), key=lambda row: (row.at, row.id))[1 - WINDOW :]
    return Person(
        id=person,
        shown=len(shown),
        seen=frozenset((row.name, row.state) for row in shown),
        before=tuple(Shown(row.author_id, row.commercial) for row in last),
        tastes={row.name: decayed(row.weight, row.at, now) for row in known.get("taste", ())},
        not_interested=frozenset(row.name for row in known.get("not_interested", ())),
        hidden_authors=frozenset(row.name for row in known.get("hide_author", ())),
        fewer_products="fewer_products" in known,
    )


def _known_of(person: str, since: datetime) -> CompoundSelect[Any]:
    """What was shown (by its placement), the strongest tastes, and what was said (by its kind), in one shape."""
    nothing, no = literal(""), false()
    shown = select(
        Exposure.placement.label("what"),
        Exposure.item_id.label("name"),
        Exposure.state.label("state"),
        Exposure.author_id.label("author_id"),
        Exposure.commercial.label("commercial"),
        literal(0.0).label("weight"),
        Exposure.shown_at.label("at"),
        Exposure.id.label("id"),
    ).where(*_recent(person, since))
    # What somebody does not want counts as much as what they like.
    strongest = (
        select(Taste).where(Taste.person == person).order_by(func.abs(Taste.weight).desc()).limit(60).subquery().c
    )
    tastes = select(
        literal("taste"), strongest.about, nothing, nothing, no, strongest.weight, strongest.updated_at, nothing
    )
    said = select(Feedback.kind, Feedback.target, nothing, nothing, no, literal(0.0), Feedback.created_at, nothing)
    return union_all(shown, tastes, said.where(Feedback.person == person))


def count_shown(session: Session, person: str, since: datetime) -> int:
    """How many exposures `read_person` would read."""
    return session.scalar(select(func.count()).select_from(Exposure).where(*_recent(person, since))) or 0


def _recent(person: str, since: datetime) -> tuple[ColumnElement[bool], ...]:
    return Exposure.person == person, Exposure.shown_at > since


def recall_notes(session: Session, person: Person, following: Sequence[str], depth: int = 1) -> tuple[list[Item], bool]:
    """Notes by taste, by followed authors, fresh ones with a guarantee, the newest, and the best by quality (`depth` times
    as many as usual): one statement. And whether that is all there is."""
    rows: dict[str, list[Row[Any]]] = {}
    for row in session.execute(_sources(person, following, depth)):
        rows.setdefault(row.found_by, []).append(row)
    found: dict[str, Item] = {}
    for name, (source, most, order) in _SOURCES.items():
        wanted = sorted((row for row in rows.get(name, ()) if _wanted(row, person)), key=order)
        for row in wanted[: most * depth if name == "quality" else most]:
            item = found.setdefault(row.note_id, _item(row, person, source))
            if name == "new":
                found[row.note_id] = replace(item, guaranteed=True)
    return list(found.values()), len(rows.get("quality", ())) < _best(person, depth)


def _best(person: Person, depth: int) -> int:
    """How many of the best are read: more than wanted, because some are seen."""
    return PER_SOURCE * depth + len(person.seen)


def _sources(person: Person, following: Sequence[str], depth: int) -> CompoundSelect[Any]:
    seen = len(person.seen)
    notes = select(*_COLUMNS).where(Candidate.eligible)
    best = select(CandidateTopic.note_id).where(CandidateTopic.topic.in_(_liked(person, "topic:")))
    best = best.order_by(CandidateTopic.quality.desc()).limit(PER_SOURCE + seen)
    theirs = notes.where(Candidate.author_id.in_({*following[:300], *_liked(person, "author:")}))
    waiting = select(*_COLUMNS).where(Candidate.waiting)
    queries = {
        "topic": notes.where(Candidate.note_id.in_(best)),
        "following": theirs.order_by(Candidate.published_at.desc()).limit(PER_SOURCE),
        "new": waiting.order_by(Candidate.published_at).limit(2 * HEAD + seen),  # some of them hidden from this person
        "newest": notes.order_by(Candidate.published_at.desc()).limit(FRESH),
        "quality": notes.order_by(Candidate.quality.desc()).limit(_best(person, depth)),
    }
    return union_all(*(select(literal(name).label("found_by"), query.subquery()) for name, query in queries.items()))


def _wanted(row: Row[Any], person: Person) -> bool:
    return (
        (row.note_id, row.note_id) not in person.seen
        and row.note_id not in person.not_interested
        and row.author_id not in person.hidden_authors
        and row.author_id != person.id
    )


def _item(row: Row[Any], person: Person, source: str) -> Item:
    affinity, about = affinity_of(row.topics, row.author_id, person.tastes)
    return Item(
        id=row.note_id,
        kind="note",
        author_id=row.author_id,
        quality=row.quality,
        affinity=affinity,
        since=row.published_at,
        commercial=row.commercial,
        fingerprint=int(row.fingerprint, 16),
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
