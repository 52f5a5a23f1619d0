"""A note's quality and whether it may be recalled, as its counters have it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from feed import quality
from feed.models import Broadcast, Candidate, CandidateTopic, ResponseRate
from feed.policy import FeedPolicy
from kernel.db import Write, upsert


def response(item: Candidate | Broadcast) -> quality.Response:
    """How people have responded to a note or a broadcast so far."""
    return quality.Response(item.examined, item.responses, item.exposures)


def earns_recall(content: float, response: quality.Response, expected: float, policy: FeedPolicy) -> bool:
    """Whether a public note is good enough to be recommended."""
    return content >= quality.FLOOR and quality.tier(response, expected, policy.guarantee) != "stopped"


def rescore(candidate: Candidate, expected: float, policy: FeedPolicy) -> bool:
    """Recompute one candidate's quality, and whether it may be recalled, from its counters; whether either changed."""
    before = (candidate.quality, candidate.eligible)
    now = response(candidate)
    candidate.quality = quality.quality(candidate.content, now, expected)
    candidate.eligible = candidate.public and earns_recall(candidate.content, now, expected, policy)
    candidate.waiting = candidate.waiting and candidate.eligible
    return before != (candidate.quality, candidate.eligible)


def rescore_many(tx: Write, ids: Sequence[str], policy: FeedPolicy) -> int:
    """`rescore` these notes; how many changed."""
    rows = tx.session.scalars(select(Candidate).where(Candidate.note_id.in_(ids)).with_for_update()).all()
    expected = expected_rate(tx.session)
    changed = [row for row in rows if rescore(row, expected, policy)]
    tx.session.flush()
    # Topics follow here only: a response has brought its candidate up to date, and not them.
    now = select(Candidate.quality).where(Candidate.note_id == CandidateTopic.note_id).scalar_subquery()
    stale = update(CandidateTopic).where(CandidateTopic.note_id.in_(ids), CandidateTopic.quality != now)
    tx.session.execute(stale.values(quality=now).execution_options(synchronize_session=False))
    return len(changed)


def expected_rate(session: Session) -> float:
    """What `learn_rate` last found to be the response of an average note."""
    return session.scalar(select(ResponseRate.rate)) or quality.START_RATE


def learn_rate(tx: Write) -> None:
    """Take the response rate from all notes and rooms. One that moved by less than a twentieth stays: a new one changes
    every score."""
    examined = responded = 0.0
    for table in (Candidate, Broadcast):
        sums = select(func.sum(table.examined), func.sum(table.responses))
        here = tx.session.execute(sums).one()
        examined, responded = examined + (here[0] or 0.0), responded + (here[1] or 0.0)
    rate = quality.expected_rate(responded, examined)
    if abs(rate / expected_rate(tx.session) - 1) > 0.05:
        upsert(tx.session, ResponseRate.__table__, {"id": 1, "rate": rate}, ["id"], {"rate": rate})
