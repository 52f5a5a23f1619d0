"""The review queue: one case per target, ordered by risk x reach x age, claimed with a lease."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update

from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.db import Database, Write, insert_ignore
from kernel.errors import Conflict, Forbidden, NotFound
from kernel.ids import new_id
from moderation.models import Case, Report
from moderation.schemas import CaseCounts

LEASE = timedelta(minutes=15)
WAITING = Report.answered_by.is_(None)
"""Reports that nobody has answered."""
OPEN, CLOSED = "open", "closed"


class CaseQueue:
    """Opens, orders and leases cases."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def open(self, tx: Write, kind: str, target_id: str, author_id: str, risk: float, reach: int) -> Case:
        """The target's case, opened or reopened; risk only rises while it is open."""
        row = {
            "id": new_id("case", tx.now),
            "kind": kind,
            "target_id": target_id,
            "author_id": author_id,
            "status": OPEN,
            "risk": 0.0,
            "reach": reach,
            "reports": 0,
            "opened_at": tx.now,
        }
        insert_ignore(tx.session, Case.__table__, row)
        case = self.locked(tx, kind, target_id)
        assert case is not None
        if case.status == CLOSED:
            case.status, case.opened_at, case.risk, case.claimed_by, case.claimed_until = OPEN, tx.now, 0.0, None, None
        case.risk, case.reach = max(case.risk, risk), max(case.reach, reach)
        tx.session.flush()
        return case

    def locked(self, tx: Write, kind: str, target_id: str) -> Case | None:
        """The target's case, if there is one; whatever else is done in it waits for the commit of this write."""
        mine = select(Case).where(Case.kind == kind, Case.target_id == target_id)
        return tx.session.scalar(mine.with_for_update().execution_options(populate_existing=True))

    def let_go(self, tx: Write, case: Case) -> bool:
        """Close a case about which screening asks nothing, unless reports wait in it; whether it was open until now."""
        was_open = case.status == OPEN
        if self.reports_wait(tx, case.id):
            return False
        case.status, case.claimed_by, case.claimed_until = CLOSED, None, None
        return was_open

    def reports_wait(self, tx: Write, case_id: str) -> bool:
        return tx.session.scalar(select(Report.id).where(Report.case_id == case_id, WAITING).limit(1)) is not None

    def claim(self, actor: Actor, case_id: str) -> None:
        """Take a case for 15 minutes, or renew; `case.claimed` when somebody else has it, `case.own_content`."""
        moderator = actor.require("moderator", "admin")
        self.db.write(lambda tx: self.take(tx, moderator, case_id))

    def take(self, tx: Write, moderator: str, case_id: str) -> None:
        others = Case.author_id != moderator
        free = or_(Case.claimed_by.is_(None), Case.claimed_by == moderator, Case.claimed_until < tx.now)
        lease = {"claimed_by": moderator, "claimed_until": tx.now + LEASE}
        taken = tx.session.execute(
            update(Case).where(Case.id == case_id, Case.status == OPEN, others, free).values(lease).returning(Case.id)
        ).all()
        if taken:
            return
        case = tx.session.get(Case, case_id, populate_existing=True)
        if case is None:
            raise NotFound("case.not_found", "There is no such case.")
        if case.author_id == moderator:
            raise Forbidden("case.own_content", "Somebody else must judge what is yours.")
        if case.status != OPEN:
            raise Conflict("case.closed", "This case is closed.")
        raise Conflict("case.claimed", "Somebody else is working on this case.", claimed_by=case.claimed_by)

    def counts(self, actor: Actor) -> CaseCounts:
        """The queue in numbers."""
        actor.require("moderator", "admin")
        now = self.db.clock.now()
        held = Case.claimed_until > now
        totals = select(Case.status, Case.kind, func.count(), func.count().filter(held), func.min(Case.opened_at))
        with self.db.read() as session:
            rows = session.execute(totals.group_by(Case.status, Case.kind)).all()
        waiting = [row for row in rows if row[0] == OPEN]
        oldest = min((row[4] for row in waiting), default=None)
        return CaseCounts(
            open=sum(row[2] for row in waiting),
            claimed=sum(row[3] for row in waiting),
            closed=sum(row[2] for row in rows if row[0] == CLOSED),
            oldest_opened_at=None if oldest is None else rfc3339(oldest),
            by_kind={row[1]: row[2] for row in waiting},
        )

    def release(self, actor: Actor, case_id: str) -> None:
        """Give a case back to the queue; one that is not the caller's stays as it is."""
        moderator = actor.require("moderator", "admin")
        mine = update(Case).where(Case.id == case_id, Case.claimed_by == moderator)

        def write(tx: Write) -> None:
            given_back = tx.session.execute(mine.values(claimed_by=None, claimed_until=None).returning(Case.id)).all()
            if not given_back and tx.session.get(Case, case_id) is None:
                raise NotFound("case.not_found", "There is no such case.")

        self.db.write(write)


def priority(risk: float, reach: int, opened_at: datetime, at: datetime) -> float:
    """Risk x reach x age: reach counts by its logarithm, and a day of waiting weighs as much as the case itself."""
    days = max(0.0, (at - opened_at).total_seconds()) / 86_400
    return risk * (1 + math.log1p(reach)) * (1 + days)
