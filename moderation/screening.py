"""Screening: each submitted version is read by the rules once, and held for a person when they say so."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import select

from kernel.db import Database, Write, insert_ignore
from moderation import rules
from moderation.facts import Screened
from moderation.models import Case, ScreeningRow
from moderation.queue import OPEN, CaseQueue


@dataclass(frozen=True)
class Subject:
    """One version of one thing, as words."""

    kind: str
    id: str
    version: int
    author_id: str
    text: str


class Screening:
    """Judges versions; a repeated call for the same version changes nothing."""

    def __init__(self, db: Database, queue: CaseQueue) -> None:
        self.db = db
        self.queue = queue

    def screen(self, subject: Subject) -> str:
        """Judge a version, record `Screened`, and open a case when it is held; the verdict."""
        verdict = rules.judge(subject.text)
        self.db.write(lambda tx: self.note(tx, subject, verdict))
        return verdict.verdict

    def screen_within(self, tx: Write, subject: Subject) -> str:
        """`screen` inside a larger write; the verdict."""
        verdict = rules.judge(subject.text)
        self.note(tx, subject, verdict)
        return verdict.verdict

    def doubt(self, tx: Write, subject: Subject) -> bool:
        """Put something that was said already before a moderator; False while another thing its author said waits, so that
        nobody fills the queue by talking."""
        waiting = select(Case.id).where(
            Case.kind == subject.kind, Case.author_id == subject.author_id, Case.status == OPEN
        )
        if tx.session.scalar(waiting.limit(1)) is not None:
            return False
        self.note(tx, subject, rules.judge(subject.text))
        return True

    def note(self, tx: Write, subject: Subject, verdict: rules.Verdict) -> None:
        """The part of `screen` inside a commit, for those who write many at once."""
        row = {
            "kind": subject.kind,
            "target_id": subject.id,
            "version": subject.version,
            "verdict": verdict.verdict,
            "hits": [asdict(hit) for hit in verdict.hits],
            "rules_version": rules.VERSION,
            "created_at": tx.now,
        }
        if not insert_ignore(tx.session, ScreeningRow.__table__, row):
            return
        if verdict.verdict == rules.HOLD:
            self.queue.open(tx, subject.kind, subject.id, subject.author_id, verdict.risk, reach=0)
        tx.record(_screened(subject, verdict))


def _screened(subject: Subject, verdict: rules.Verdict) -> Screened:
    about = (subject.kind, subject.id, subject.author_id, subject.version)
    return Screened(*about, verdict.verdict, verdict.reason)
