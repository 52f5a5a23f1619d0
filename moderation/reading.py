"""What moderators read: the queue, one case with all that is known of it, and who did what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from kernel import cursors
from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.db import Database
from kernel.errors import Malformed, NotFound
from moderation.models import Action, AuditEntry, Case, Report, ScreeningRow
from moderation.queue import OPEN, priority
from moderation.schemas import (
    CHOICES,
    GONE,
    ActionOut,
    AuditLine,
    AuditPage,
    CaseOut,
    CasePage,
    CaseQuery,
    PageQuery,
    ReportLine,
    TargetOut,
)
from moderation.targets import Target, Targets

_MOST_CASES = 50_000
"""So many are ranked; more than anybody reviews, whose ranking takes a fraction of a second."""


class CaseReader:
    """Everything that only looks."""

    def __init__(self, db: Database, targets: Targets) -> None:
        self.db = db
        self.targets = targets

    def cases(self, actor: Actor, query: CaseQuery) -> CasePage:
        """Open cases by priority as it was when the first page was asked for, so that pages do not shift; closed ones by when
        they were opened, newest first."""
        actor.require("moderator", "admin")
        after = cursors.decode(query.cursor, float, float, str)
        as_of = self.db.clock.now() if after is None else _moment(after[0])
        with self.db.read() as session:
            ranked = sorted((_rank(query.status, row, as_of), row.id) for row in session.execute(_matching(query)))
            rest = [entry for entry in ranked if after is None or entry > after[1:]]
            page = rest[: query.limit]
            rows = {row.id: row for row in session.scalars(select(Case).where(Case.id.in_([id for _, id in page])))}
        more = cursors.encode(as_of.timestamp(), *page[-1]) if len(rest) > query.limit else None
        return CasePage(items=[self._case_line(actor, rows[id], as_of) for _, id in page], next_cursor=more)

    def case(self, actor: Actor, case_id: str) -> CaseOut:
        """One case with its target, reports, screening hits and actions."""
        actor.require("moderator", "admin")
        with self.db.read() as session:
            row = session.get(Case, case_id)
            if row is None:
                raise NotFound("case.not_found", "There is no such case.")
            reports = session.scalars(select(Report).where(Report.case_id == case_id).order_by(Report.id))
            lines = [_report_line(row) for row in reports]
            actions = [
                action_out(a) for a in session.scalars(select(Action).filter_by(case_id=case_id).order_by(Action.id))
            ]
            hits = _hits(session, row)
        # Whoever owns the target reads it on a connection of its own, so none is held meanwhile.
        line = self._case_line(actor, row, self.db.clock.now())
        return line.model_copy(update={"report_lines": lines, "actions": actions, "hits": hits})

    def audit(self, actor: Actor, query: PageQuery) -> AuditPage:
        """Who did what, newest first, for admins and moderators."""
        actor.require("admin", "moderator")
        after = cursors.decode(query.cursor, str)
        rows = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(query.limit + 1)
        with self.db.read() as session:
            found = session.scalars(rows if after is None else rows.where(AuditEntry.id < after[0])).all()
        shown, more = cursors.cut(found, query.limit, lambda row: row.id)
        return AuditPage(items=[_audit_line(row) for row in shown], next_cursor=more)

    def _case_line(self, actor: Actor, row: Case, at: datetime) -> CaseOut:
        target = self.targets.describe(actor, row.kind, row.target_id)
        return CaseOut(
            id=row.id,
            kind=row.kind,  # type: ignore[arg-type]
            target_id=row.target_id,
            author_id=row.author_id,
            status=row.status,  # type: ignore[arg-type]
            priority=round(priority(row.risk, row.reach, row.opened_at, at), 4),
            risk=row.risk,
            reach=row.reach,
            reports=row.reports,
            opened_at=rfc3339(row.opened_at),
            claimed_by=row.claimed_by,
            claimed_until=rfc3339(row.claimed_until) if row.claimed_until else None,
            target=None if target is None else _target(target),
            choices=list(GONE if target is None else CHOICES[row.kind]),
        )


def _matching(query: CaseQuery) -> Select[str, float, int, datetime]:
    """What ranks them alone: a case that everybody reports must not wait behind thousands of older ones to be looked at."""
    first = Case.opened_at if query.status == OPEN else Case.opened_at.desc()
    found = select(Case.id, Case.risk, Case.reach, Case.opened_at).where(Case.status == query.status)
    return (found if query.kind is None else found.where(Case.kind == query.kind)).order_by(first).limit(_MOST_CASES)


def _rank(status: str, row: Row[str, float, int, datetime], at: datetime) -> float:
    return -priority(row.risk, row.reach, row.opened_at, at) if status == OPEN else -row.opened_at.timestamp()


def _moment(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (ValueError, OverflowError, OSError):
        raise Malformed("cursor.malformed", "The cursor is not one this server gave out.") from None


def _hits(session: Session, case: Case) -> list[dict[str, Any]]:
    newest = select(ScreeningRow.hits).where(ScreeningRow.kind == case.kind, ScreeningRow.target_id == case.target_id)
    return session.scalar(newest.order_by(ScreeningRow.version.desc()).limit(1)) or []


def _report_line(row: Report) -> ReportLine:
    return ReportLine(reason=row.reason, text=row.text, version=row.version, created_at=rfc3339(row.created_at))


def _target(target: Target) -> TargetOut:
    return TargetOut(
        kind=target.kind,  # type: ignore[arg-type]
        id=target.id,
        author_id=target.author_id,
        title=target.title,
        text=target.text,
        version=target.version,
        url=target.url,
    )


def action_out(row: Action) -> ActionOut:
    return ActionOut(
        id=row.id,
        action=row.action,  # type: ignore[arg-type]
        version=row.version,
        reason=row.reason,
        actor_id=row.actor_id,
        created_at=rfc3339(row.created_at),
        undone_at=rfc3339(row.undone_at) if row.undone_at else None,
    )


def _audit_line(row: AuditEntry) -> AuditLine:
    return AuditLine(
        id=row.id,
        actor_id=row.actor_id,
        what=row.what,
        target_id=row.target_id,
        data=row.data,
        created_at=rfc3339(row.created_at),
    )
