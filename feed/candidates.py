"""The feed's own copy of what may be recalled: written when notes change and when people respond."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import case, delete, select, update
from sqlalchemy.orm import Session

from feed import guarantee, likeness, quality, responses, scores, tastes
from feed.facts import PlaceFreed
from feed.models import Candidate, CandidateTopic, Exposure, Feedback, Responded
from feed.policy import FeedPolicies, FeedPolicy
from feed.scores import expected_rate
from feed.tastes import TASTE_OF
from kernel.db import Database, Write, in_chunks, insert_ignore, upsert, upsert_many


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


class Accounts(Protocol):
    """What the feed's copy asks of accounts."""

    def inactive(self, session: Session, ids: Sequence[str]) -> set[str]: ...


class Candidates:
    """Keeps `feed_candidates`, `feed_topics` and what is known of responses true. Jobs call it with ids; it re-reads the notes."""

    def __init__(self, db: Database, accounts: Accounts, notes: Notes, policies: FeedPolicies) -> None:
        self.db = db
        self.accounts = accounts
        self.notes = notes
        self.policies = policies

    def refresh(self, note_ids: Sequence[str]) -> None:
        """Write or drop candidates so that they say what the notes say now."""
        self.db.write(lambda tx: self._refresh(tx, sorted(note_ids)))

    def _refresh(self, tx: Write, note_ids: Sequence[str]) -> None:
        # Read within the write, the notes held: one that is hidden meanwhile must not come back as it was before.
        contents = self.notes.contents_within(tx, note_ids)
        by_author = sorted(
            note_ids, key=lambda note_id: (contents[note_id].author_id if note_id in contents else "", note_id)
        )
        for note_id in by_author:  # so that two who refresh many notes take their authors' queues in one order
            content = contents.get(note_id)
            if content is None or content.status != "public" or content.hidden or content.deleted:
                self.drop(tx, note_id)
            else:
                self._put(tx, content)

    def _put(self, tx: Write, content: Any) -> None:
        signals = quality.ContentSignals(content.title, content.text, content.image_count, len(content.topics))
        parts = quality.content_parts(signals)
        score = quality.content_score(parts)
        guarantee.hold(tx, content.author_id)
        before = tx.session.get(Candidate, content.id, populate_existing=True, with_for_update=True)
        response = scores.response(before) if before else quality.Response()
        expected = expected_rate(tx.session)
        row: dict[str, Any] = {
            "note_id": content.id,
            "author_id": content.author_id,
            "published_at": content.published_at or tx.now,
            "topics": list(content.topics),
            "commercial": content.has_product,
            "fingerprint": likeness.fingerprint(content.title, content.text),
            "content": score,
            "parts": parts,
            "quality": quality.quality(score, response, expected),
            "public": True,
            "eligible": scores.earns_recall(score, response, expected, self.policies.lately(tx.session)),
        }
        counters = {"exposures": 0, "examined": 0.0, "responses": 0.0}
        upsert(tx.session, Candidate.__table__, {**row, **counters}, ["note_id"], row)
        tx.session.execute(delete(CandidateTopic).where(CandidateTopic.note_id == content.id))
        topics = [{"topic": t, "note_id": content.id, "quality": row["quality"]} for t in _topics(content.topics)]
        insert_ignore(tx.session, CandidateTopic.__table__, topics) if topics else None
        self._line_up(tx, content.author_id)

    def drop(self, tx: Write, note_id: str) -> None:
        """Out of recall within the commit that takes a note down (its counters stay, for when it comes back)."""
        gone = update(Candidate).where(Candidate.note_id == note_id).values(public=False, eligible=False, waiting=False)
        for author_id in tx.session.scalars(gone.returning(Candidate.author_id)):
            tx.record(PlaceFreed(author_id))
        tx.session.execute(delete(CandidateTopic).where(CandidateTopic.note_id == note_id))

    def line_up(self, author_id: str) -> None:
        """Let those of an author's new notes wait for their guarantee whose turn it is. A job."""
        self.db.write(lambda tx: self._line_up(tx, author_id))

    def step_aside(self, tx: Write, author_id: str) -> None:
        """Let nothing of an author wait, within the commit that suspends them."""
        guarantee.step_aside(tx, author_id)

    def _line_up(self, tx: Write, author_id: str) -> None:
        guarantee.hold(tx, author_id)
        if self.accounts.inactive(tx.session, [author_id]):
            guarantee.step_aside(tx, author_id)
        else:
            guarantee.line_up(tx, author_id, self.policies.lately(tx.session))

    def respond(self, tx: Write, person: str, note_id: str, act: str) -> None:
        """Somebody opened, liked, saved or commented: their taste moves when they do so for the first time, the note's
        score when the act counts (`feed.responses`)."""
        candidate = self._held(tx, note_id)
        if candidate is None:
            return
        if responses.told(tx, person, note_id, act):
            tastes.move(tx, person, _about(candidate), TASTE_OF[act])
        if person != candidate.author_id and responses.counted(tx, person, note_id, act):
            self._count(tx, candidate, quality.RESPONSE_WEIGHTS[act])

    def opened(self, tx: Write, person: str, note_id: str) -> None:
        """Somebody opened a note: a weak response, unless it is their own."""
        author_id = tx.session.scalar(select(Candidate.author_id).where(Candidate.note_id == note_id))
        if author_id not in (None, person):
            self.respond(tx, person, note_id, "opened")

    def take_back(self, tx: Write, person: str, note_id: str, act: str) -> None:
        """Somebody took a like or a save back: what it did to the score is undone, and what is left of it in their taste."""
        candidate = self._held(tx, note_id)
        done = None if candidate is None else responses.taken_back(tx, person, note_id, act)
        if candidate is None or done is None:
            return
        tastes.take_back(tx, person, _about(candidate), TASTE_OF[act], done.at)
        if done.counted:
            self._count(tx, candidate, -quality.RESPONSE_WEIGHTS[act])

    def _held(self, tx: Write, note_id: str) -> Candidate | None:
        return tx.session.get(Candidate, note_id, populate_existing=True, with_for_update=True)

    def _count(self, tx: Write, candidate: Candidate, change: float) -> None:
        candidate.responses = max(0.0, candidate.responses + change)
        scores.rescore(candidate, expected_rate(tx.session), self.policies.lately(tx.session))
        tx.session.flush()

    def merge(self, tx: Write, device_id: str, account_id: str) -> None:
        """A device became an account: what it saw, likes, said and did is the account's, and one person's act counts once."""
        mine = update(Exposure).where(Exposure.person == device_id).values(person=account_id)
        tx.session.execute(mine.execution_options(synchronize_session=False))
        columns = (Feedback.kind, Feedback.target, Feedback.created_at)
        said = tx.session.execute(delete(Feedback).where(Feedback.person == device_id).returning(*columns)).all()
        rows = [{"person": account_id, **row._mapping} for row in said]
        insert_ignore(tx.session, Feedback.__table__, rows) if rows else None
        tastes.merge(tx, device_id, account_id)
        for act in responses.merge(tx, device_id, account_id):
            self._unite(tx, act, account_id)

    def _unite(self, tx: Write, act: Responded, account_id: str) -> None:
        """Device and account did the same: it stays the account's, and counts once if it counted for either."""
        candidate = self._held(tx, act.item_id)
        kept = tx.session.get_one(Responded, (account_id, act.item_id, act.act), populate_existing=True)
        if candidate is not None:
            tastes.take_back(tx, account_id, _about(candidate), TASTE_OF[act.act], act.at)
            if act.counted and kept.counted:
                self._count(tx, candidate, -quality.RESPONSE_WEIGHTS[act.act])
        kept.counted = kept.counted or act.counted
        tx.session.flush()

    def exposed(self, tx: Write, shown: Sequence[tuple[str, int]]) -> None:
        """Count exposures (note id, position). A response counts against how likely the position is looked at."""
        weights = {note_id: quality.examination(position) for note_id, position in shown}
        if not weights:
            return
        # Taken in one order first: two pages that share notes must not wait for each other.
        in_order = select(Candidate.note_id).where(Candidate.note_id.in_(weights)).order_by(Candidate.note_id)
        mine = Candidate.note_id.in_(in_order.with_for_update())
        examined = Candidate.examined + case(weights, value=Candidate.note_id)
        policy = self.policies.lately(tx.session)
        more = {"exposures": Candidate.exposures + 1, "examined": examined, "waiting": guarantee.still_waits(policy)}
        counted = update(Candidate).where(mine).values(more).returning(Candidate.author_id, Candidate.exposures)
        for author_id, exposures in tx.session.execute(counted.execution_options(synchronize_session=False)):
            if exposures == policy.guarantee:
                tx.record(PlaceFreed(author_id))

    def absorb(self, tx: Write, acts: Sequence[Act]) -> None:
        """Count many acts in order of time: counters and tastes are as after `exposed` and `respond` for each of them.
        Scores follow with `rescore_all`. For loading a history: what was `shown` is not logged, because nobody knows its
        propensity, so a response follows what this call shows or the feed has logged itself."""
        known: dict[str, Candidate] = {}
        for ids in in_chunks(list(dict.fromkeys(act.note_id for act in acts))):
            rows = tx.session.scalars(select(Candidate).where(Candidate.note_id.in_(ids)).with_for_update())
            known |= {row.note_id: row for row in rows}
        told = [(act, known[act.note_id]) for act in acts if act.note_id in known]
        if told:
            tastes.move_many(tx, _absorb(tx, told))

    def rescore_all(self, progress: Callable[[int], None] = lambda done: None) -> int:
        """Bring every quality, and the guarantee's queue, up to date with their counters; a periodic job. How many scores
        changed."""
        with self.db.read() as session:
            ids = list(session.scalars(select(Candidate.note_id).order_by(Candidate.note_id)))
        self.db.write(scores.learn_rate)
        changed, policy = 0, self.policies.lately()
        for start in range(0, len(ids), 200):
            chunk = ids[start : start + 200]
            changed += self.db.write(lambda tx, chunk=chunk: scores.rescore_many(tx, chunk, policy))  # type: ignore[misc]
            progress(min(len(ids), start + 200))
        # How many of an author may wait follows from how many authors do: the first round settles that.
        if self._straighten(policy):
            self._straighten(policy)
        return changed

    def _straighten(self, policy: FeedPolicy) -> bool:
        """Line up whose notes stand out of line; whether there was anybody."""
        with self.db.read() as session:
            authors = guarantee.out_of_line(session, policy)
            suspended = self.accounts.inactive(session, authors)
        wrong = [author_id for author_id in authors if author_id not in suspended]
        for author_id in wrong:
            self.line_up(author_id)
        return bool(wrong)


def _absorb(tx: Write, told: Sequence[tuple[Act, Candidate]]) -> list[tastes.Change]:
    """Count each act as `exposed` or `respond` would; what follows for tastes."""
    persons = list(dict.fromkeys(act.person for act, _ in told))
    done, shown = responses.known_of(tx, persons), dict[tuple[str, str], datetime]()
    for chunk in in_chunks(persons):
        for person, item_id, at in tx.session.execute(responses.exposed(chunk, told[0][0].at)):
            shown[str(person), item_id] = max(at, shown.get((str(person), item_id), at))
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    changes: list[tastes.Change] = []
    for act, candidate in told:
        if act.act == "shown":
            candidate.exposures += 1
            candidate.examined += quality.examination(act.position)
            shown[act.person, act.note_id] = act.at
            continue
        key = (act.person, act.note_id, act.act)
        seen, (since, counted) = shown.get(key[:2]), done.get(key, (act.at, False))
        if key not in done:
            changes.append((act.at, act.person, _about(candidate), TASTE_OF[act.act]))
        if not counted and seen is not None and act.at - seen <= responses.RESPONSE_WITHIN:
            counted = act.person != candidate.author_id
            candidate.responses += quality.RESPONSE_WEIGHTS[act.act] * counted
        done[key] = since, counted
        rows[key] = {"person": act.person, "item_id": act.note_id, "act": act.act, "at": since, "counted": counted}
    upsert_many(tx.session, Responded.__table__, list(rows.values()), ["person", "item_id", "act"])
    return changes


def _about(candidate: Candidate) -> list[str]:
    return [f"topic:{topic}" for topic in _topics(candidate.topics)] + [f"author:{candidate.author_id}"]


def _topics(topics: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(topic.casefold()[:80] for topic in topics))
