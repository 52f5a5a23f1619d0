"""Screening: each submitted version is read by the rules once, and held for a person when they say so."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from kernel.db import Database, Write, insert_ignore
from moderation import rules
from moderation.facts import Screened
from moderation.models import ScreeningRow
from moderation.queue import CaseQueue


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
        tx.record(Screened(subject.kind, subject.id, subject.version, verdict.verdict, verdict.reason))
