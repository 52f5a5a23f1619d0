"""Screening: each submitted version is read by the rules once, and held for a person when they, or an earlier decision, say so."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import select

from kernel.db import Database, Write, insert_ignore
from moderation import rules
from moderation.audit import witness
from moderation.facts import Screened
from moderation.models import Case, ScreeningRow
from moderation.queue import OPEN, CaseQueue
from moderation.standing import Floor, Standing

_AGAIN = 0.5
"""The risk of what a moderator has taken out before: as high as a misleading report's."""


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
        """Judge a version, record `Screened`, open a case when it is held and close one when nobody need look any more; the
        verdict."""
        verdict = rules.judge(subject.text)
        return self.db.write(lambda tx: self.note(tx, subject, verdict))

    def screen_within(self, tx: Write, subject: Subject) -> str:
        """`screen` inside a larger write; the verdict."""
        return self.note(tx, subject, rules.judge(subject.text))

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

    def note(self, tx: Write, subject: Subject, verdict: rules.Verdict) -> str:
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
            return verdict.verdict
        case, floor = None, Floor()
        if subject.version > 1:  # of a first version nobody has said anything before
            case = self.queue.locked(tx, subject.kind, subject.id)  # an action under way is one that was taken before
            floor = Standing(tx.session, subject.kind, subject.id).floor(subject.version)
        given = rules.harder(verdict.verdict, floor.verdict)
        if given == rules.HOLD:
            risk = max(verdict.risk, _AGAIN) if floor.verdict == rules.HOLD else verdict.risk
            self.queue.open(tx, subject.kind, subject.id, subject.author_id, risk, reach=0)
        elif case is not None:
            self._lapse(tx, case, subject)
        about = (subject.kind, subject.id, subject.author_id, subject.version)
        tx.record(Screened(*about, given, verdict.reason if given == verdict.verdict else floor.reason))
        return given

    def _lapse(self, tx: Write, case: Case, subject: Subject) -> None:
        """Its author changed what the rules had held: a case that nobody reported has nothing left to decide."""
        newest = Standing(tx.session, subject.kind, subject.id).newest
        if newest != rules.HOLD and self.queue.let_go(tx, case):
            data = {"case": case.id, "version": subject.version}
            witness(tx, subject.author_id, "case.lapsed", subject.id, data)
