"""The feed's own copy of what may be recalled: written when notes change and when people respond."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import case, delete, select, update

from feed import quality
from feed.models import Candidate, CandidateTopic, Exposure, Feedback, Taste
from kernel.db import Database, Write, in_chunks, insert_ignore, upsert, upsert_many

TASTE_HALF_LIFE_DAYS = 14.0
TASTE_OF = {"opened": 0.3, "liked": 1.0, "saved": 1.5, "commented": 1.2, "followed": 1.0, "not_interested": -2.0}


@dataclass(frozen=True)
class Act:
    """What a person did with a note (`opened`, `liked`, `saved`, `commented`), or that it was `shown` to them at a
    position (from 1)."""

    at: datetime
    person: str
    note_id: str
    act: str
    position: int = 1


class Notes(Protocol):
    """What the feed reads of notes."""

    def contents_within(self, tx: Write, ids: Sequence[str]) -> dict[str, Any]: ...


class Candidates:
    """Keeps `feed_candidates`, `feed_topics` and `tastes` true. Jobs call it with ids; it re-reads the notes."""

    def __init__(self, db: Database, notes: Notes) -> None:
        self.db = db
        self.notes = notes

    def refresh(self, note_ids: Sequence[str]) -> None:
        """Write or drop candidates so that they say what the notes say now."""
        self.db.write(lambda tx: self._refresh(tx, sorted(note_ids)))

    def _refresh(self, tx: Write, note_ids: Sequence[str]) -> None:
        # Read within the write, the notes held: one that is hidden meanwhile must not come back as it was before.
        contents = self.notes.contents_within(tx, note_ids)
        for note_id in note_ids:
            content = contents.get(note_id)
            if content is None or content.status != "public" or content.hidden or content.deleted:
                self.drop(tx, note_id)
            else:
                self._put(tx, content)

    def _put(self, tx: Write, content: Any) -> None:
        signals = quality.ContentSignals(content.title, content.text, content.image_count, len(content.topics))
        parts = quality.content_parts(signals)
        score = quality.content_score(parts)
        before = tx.session.get(Candidate, content.id, populate_existing=True, with_for_update=True)
        response = _response(before) if before else quality.Response()
        row: dict[str, Any] = {
            "note_id": content.id,
            "author_id": content.author_id,
            "published_at": content.published_at or tx.now,
            "topics": list(content.topics),
            "commercial": content.has_product,
            "fingerprint": quality.fingerprint(content.title, content.text),
            "content": score,
            "parts": parts,
            "quality": quality.quality(score, response),
            "eligible": _eligible(score, response),
        }
        counters = {"exposures": 0, "examined": 0.0, "responses": 0.0}
        upsert(tx.session, Candidate.__table__, {**row, **counters}, ["note_id"], row)
        tx.session.execute(delete(CandidateTopic).where(CandidateTopic.note_id == content.id))
        if row["eligible"]:
            topics = [{"topic": t, "note_id": content.id, "quality": row["quality"]} for t in _topics(content.topics)]
            insert_ignore(tx.session, CandidateTopic.__table__, topics) if topics else None

    def drop(self, tx: Write, note_id: str) -> None:
        """Out of recall within the commit that takes a note down (its counters stay, for when it comes back)."""
        tx.session.execute(update(Candidate).where(Candidate.note_id == note_id).values(eligible=False))
        tx.session.execute(delete(CandidateTopic).where(CandidateTopic.note_id == note_id))

    def respond(self, tx: Write, person: str, note_id: str, act: str, sign: int = 1) -> None:
        """Somebody opened, liked, saved or commented (sign -1: took it back): the note's score and the person's taste move."""
        candidate = tx.session.get(Candidate, note_id, populate_existing=True, with_for_update=True)
        if candidate is None:
            return
        if person != candidate.author_id:
            candidate.responses = max(0.0, candidate.responses + sign * quality.RESPONSE_WEIGHTS[act])
            rescore(candidate)
        tx.session.flush()
        self.taste(tx, person, _about(candidate), sign * TASTE_OF[act])

    def taste(self, tx: Write, person: str, about: Sequence[str], change: float) -> None:
        """Move a person's taste; what was there before has decayed by its half-life."""
        mine = (
            select(Taste)
            .where(Taste.person == person, Taste.about.in_(about))
            .order_by(Taste.about)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        known = {taste.about: taste for taste in tx.session.scalars(mine)}
        for name in sorted(set(about)):
            before = decayed(known[name].weight, known[name].updated_at, tx.now) if name in known else 0.0
            row = {"weight": before + change, "updated_at": tx.now}
            # One that is not known yet may be written by somebody else meanwhile: then both count.
            moved = row if name in known else {**row, "weight": Taste.weight + change}
            upsert(tx.session, Taste.__table__, {"person": person, "about": name, **row}, ["person", "about"], moved)

    def merge(self, tx: Write, device_id: str, account_id: str) -> None:
        """A device became an account: what it saw, likes and said is the account's."""
        mine = update(Exposure).where(Exposure.person == device_id).values(person=account_id)
        tx.session.execute(mine.execution_options(synchronize_session=False))
        columns = (Feedback.kind, Feedback.target, Feedback.created_at)
        said = tx.session.execute(delete(Feedback).where(Feedback.person == device_id).returning(*columns)).all()
        rows = [{"person": account_id, **row._mapping} for row in said]
        insert_ignore(tx.session, Feedback.__table__, rows) if rows else None
        gone = delete(Taste).where(Taste.person == device_id).returning(Taste.about, Taste.weight, Taste.updated_at)
        for about, weight, since in tx.session.execute(gone).all():
            self.taste(tx, account_id, [about], decayed(weight, since, tx.now))

    def exposed(self, tx: Write, shown: Sequence[tuple[str, int]]) -> None:
        """Count exposures (note id, position). A response counts against how likely the position is looked at."""
        weights = {note_id: quality.examination(position) for note_id, position in shown}
        if not weights:
            return
        # Taken in one order first: two pages that share notes must not wait for each other.
        in_order = select(Candidate.note_id).where(Candidate.note_id.in_(weights)).order_by(Candidate.note_id)
        mine = Candidate.note_id.in_(in_order.with_for_update())
        examined = Candidate.examined + case(weights, value=Candidate.note_id)
        counted = update(Candidate).where(mine).values(exposures=Candidate.exposures + 1, examined=examined)
        tx.session.execute(counted.execution_options(synchronize_session=False))

    def absorb(self, tx: Write, acts: Sequence[Act]) -> None:
        """Count many acts in order of time: counters and tastes are as after `exposed` and `respond` for each of them.
        Scores follow with `rescore_all`. For loading a history."""
        known: dict[str, Candidate] = {}
        for ids in in_chunks(list(dict.fromkeys(act.note_id for act in acts))):
            rows = tx.session.scalars(select(Candidate).where(Candidate.note_id.in_(ids)).with_for_update())
            known |= {row.note_id: row for row in rows}
        told = [(act, known[act.note_id]) for act in acts if act.note_id in known]
        for act, candidate in told:
            if act.act == "shown":
                candidate.exposures += 1
                candidate.examined += quality.examination(act.position)
            elif act.person != candidate.author_id:
                candidate.responses += quality.RESPONSE_WEIGHTS[act.act]
        _absorb_tastes(tx, [(act, candidate) for act, candidate in told if act.act != "shown"])

    def rescore_all(self, progress: Callable[[int], None] = lambda done: None) -> int:
        """Bring every quality up to date with its counters; a periodic job. How many changed."""
        with self.db.read() as session:
            ids = list(session.scalars(select(Candidate.note_id).order_by(Candidate.note_id)))
        changed = 0
        for start in range(0, len(ids), 200):
            chunk = ids[start : start + 200]
            changed += self.db.write(lambda tx, chunk=chunk: _rescore(tx, chunk))  # type: ignore[misc]
            progress(min(len(ids), start + 200))
        return changed


def rescore(candidate: Candidate) -> bool:
    """Recompute one candidate's quality from its counters; whether it changed."""
    before = (candidate.quality, candidate.eligible)
    response = _response(candidate)
    candidate.quality = quality.quality(candidate.content, response)
    candidate.eligible = candidate.eligible and _eligible(candidate.content, response)
    return before != (candidate.quality, candidate.eligible)


def _rescore(tx: Write, ids: Sequence[str]) -> int:
    rows = tx.session.scalars(select(Candidate).where(Candidate.note_id.in_(ids)).with_for_update()).all()
    changed = [row for row in rows if rescore(row)]
    tx.session.flush()
    # Topics follow here only: a response has brought its candidate up to date, and not them.
    now = select(Candidate.quality).where(Candidate.note_id == CandidateTopic.note_id).scalar_subquery()
    stale = update(CandidateTopic).where(CandidateTopic.note_id.in_(ids), CandidateTopic.quality != now)
    tx.session.execute(stale.values(quality=now).execution_options(synchronize_session=False))
    return len(changed)


def _absorb_tastes(tx: Write, told: Sequence[tuple[Act, Candidate]]) -> None:
    tastes: dict[tuple[str, str], tuple[float, datetime]] = {}
    for persons in in_chunks(list(dict.fromkeys(act.person for act, _ in told))):
        for row in tx.session.scalars(select(Taste).where(Taste.person.in_(persons))):
            tastes[row.person, row.about] = (row.weight, row.updated_at)
    moved: dict[tuple[str, str], None] = {}
    for act, candidate in told:
        for about in _about(candidate):
            weight, since = tastes.get((act.person, about), (0.0, act.at))
            tastes[act.person, about] = (decayed(weight, since, act.at) + TASTE_OF[act.act], act.at)
            moved[act.person, about] = None
    rows = [dict(zip(("person", "about", "weight", "updated_at"), (*key, *tastes[key]), strict=True)) for key in moved]
    upsert_many(tx.session, Taste.__table__, rows, ["person", "about"])


def _about(candidate: Candidate) -> list[str]:
    return [f"topic:{topic}" for topic in _topics(candidate.topics)] + [f"author:{candidate.author_id}"]


def decayed(weight: float, since: datetime, now: datetime) -> float:
    """A taste after its half-life."""
    days: float = (now - since).total_seconds() / 86_400
    return float(weight * 0.5 ** (days / TASTE_HALF_LIFE_DAYS))


def _response(candidate: Candidate) -> quality.Response:
    return quality.Response(candidate.examined, candidate.responses, candidate.exposures)


def _eligible(content: float, response: quality.Response) -> bool:
    return content >= quality.FLOOR and quality.tier(response) != "stopped"


def _topics(topics: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(topic.casefold()[:80] for topic in topics))
