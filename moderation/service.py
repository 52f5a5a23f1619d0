"""Reports come in, moderators act, everybody concerned is told, and every action can be taken back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from kernel import cursors
from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.db import Database, Write, insert_ignore
from kernel.errors import Conflict, FieldError, Forbidden, Invalid, Malformed, NotFound
from kernel.idempotency import Answer, first_answer, once
from kernel.ids import new_id
from moderation.facts import ActionUndone, CaseActed, Reported
from moderation.models import Action, AuditEntry, Case, Report, ScreeningRow
from moderation.notices import Notices
from moderation.queue import CLOSED, OPEN, CaseQueue, priority
from moderation.rules import HOLD
from moderation.schemas import (
    CHOICES,
    GONE,
    RISK,
    ActionIn,
    ActionOut,
    AuditLine,
    AuditPage,
    CaseOut,
    CasePage,
    CaseQuery,
    PageQuery,
    ReportIn,
    ReportLine,
    ReportOut,
    TargetOut,
    UndoIn,
)
from moderation.standing import standing
from moderation.strikes import StrikeBook
from moderation.targets import Target, Targets

_MOST_CASES = 2_000


class ModerationService:
    """`targets` is answered by the services that own what is judged."""

    def __init__(self, db: Database, queue: CaseQueue, notices: Notices, strikes: StrikeBook, targets: Targets) -> None:
        self.db = db
        self.queue = queue
        self.notices = notices
        self.strikes = strikes
        self.targets = targets

    # -- reports --------------------------------------------------------------------------------------------------

    def report(self, actor: Actor, form: ReportIn, key: str | None = None) -> Answer:
        """Report a thing one can see; again while the case is open adds nothing. Not one's own (`report.own_content`), and
        not again what was decided and has not changed since (`report.already_decided`)."""
        reporter = actor.require_account()
        known = None if self._answered(actor, key) else self._target(actor, form.target.kind, form.target.id)
        if known is not None and known.author_id == reporter:
            raise Forbidden(
                "report.own_content", "What is yours you can change or delete; it is not for you to report."
            )

        def write(tx: Write) -> dict[str, Any]:
            target = _unanswered(known)
            _refuse_decided(tx.session, target, reporter)
            case = self.queue.open(tx, target.kind, target.id, target.author_id, RISK[form.reason], target.reach)
            report_id = self._add_report(tx, case, reporter, form)
            tx.record(Reported(case.id, target.kind, target.id))
            out = ReportOut(id=report_id, target=form.target, reason=form.reason, created_at=rfc3339(tx.now))
            return out.model_dump()

        return self.db.write(once(actor, key, "reports.create", form.model_dump(), write))

    def _add_report(self, tx: Write, case: Case, reporter: str, form: ReportIn) -> str:
        row = {
            "id": new_id("rep", tx.now),
            "case_id": case.id,
            "reporter_id": reporter,
            "reason": form.reason,
            "text": form.text,
            "answered_by": None,
            "created_at": tx.now,
        }
        if insert_ignore(tx.session, Report.__table__, row):
            tx.session.execute(update(Case).where(Case.id == case.id).values(reports=Case.reports + 1))
            return str(row["id"])
        mine = (Report.case_id == case.id) & (Report.reporter_id == reporter)
        again = {"answered_by": None, "reason": form.reason, "text": form.text}
        tx.session.execute(update(Report).where(mine).values(again))
        return tx.session.scalars(select(Report.id).where(mine)).one()

    # -- the queue ------------------------------------------------------------------------------------------------

    def cases(self, actor: Actor, query: CaseQuery) -> CasePage:
        """Cases by priority as it was when the first page was asked for, so that pages do not shift."""
        actor.require("moderator", "admin")
        after = cursors.decode(query.cursor, float, float, str)
        as_of = self.db.clock.now() if after is None else _moment(after[0])
        matching = select(Case).where(Case.status == query.status)
        if query.kind is not None:
            matching = matching.where(Case.kind == query.kind)
        with self.db.read() as session:
            rows = session.scalars(matching.order_by(Case.opened_at).limit(_MOST_CASES)).all()
        ranked = sorted(((-priority(r.risk, r.reach, r.opened_at, as_of), r.id, r) for r in rows), key=lambda t: t[:2])
        rest = [entry for entry in ranked if after is None or entry[:2] > (after[1], after[2])]
        page = rest[: query.limit]
        more = cursors.encode(as_of.timestamp(), page[-1][0], page[-1][1]) if len(rest) > query.limit else None
        return CasePage(items=[self._case_line(actor, row, as_of) for _, _, row in page], next_cursor=more)

    def case(self, actor: Actor, case_id: str) -> CaseOut:
        """One case with its target, reports, screening hits and actions."""
        actor.require("moderator", "admin")
        with self.db.read() as session:
            row = session.get(Case, case_id)
            if row is None:
                raise NotFound("case.not_found", "There is no such case.")
            reports = session.scalars(select(Report).where(Report.case_id == case_id).order_by(Report.id))
            lines = [ReportLine(reason=r.reason, text=r.text, created_at=rfc3339(r.created_at)) for r in reports]
            actions = [
                _action(a) for a in session.scalars(select(Action).filter_by(case_id=case_id).order_by(Action.id))
            ]
            hits = _hits(session, row)
        # Whoever owns the target reads it on a connection of its own, so none is held meanwhile.
        line = self._case_line(actor, row, self.db.clock.now())
        return line.model_copy(update={"report_lines": lines, "actions": actions, "hits": hits})

    def claim(self, actor: Actor, case_id: str) -> CaseOut:
        """Take a case with a lease of 15 minutes."""
        self.queue.claim(actor, case_id)
        return self.case(actor, case_id)

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

    # -- acting ---------------------------------------------------------------------------------------------------

    def act(self, actor: Actor, case_id: str, form: ActionIn, key: str | None = None) -> Answer:
        """Decide a case on the version seen: `case.version_changed` when there is a newer one by now."""
        moderator = actor.require("moderator", "admin")
        known = None if self._answered(actor, key) else self._judged(actor, case_id, form)

        def write(tx: Write) -> dict[str, Any]:
            target = _unanswered(known)
            self.queue.take(tx, moderator, case_id)
            return self._act(tx, moderator, case_id, target, form).model_dump()

        return self.db.write(once(actor, key, f"cases.act:{case_id}", form.model_dump(), write))

    def _judged(self, actor: Actor, case_id: str, form: ActionIn) -> Target:
        line = self.case(actor, case_id)
        _refuse_own(actor, line.author_id)
        if form.action not in line.choices:
            error = FieldError("action", "action.not_for_kind", f"one of {', '.join(line.choices)}")
            raise Invalid("action.not_for_kind", f"A {line.kind} cannot be closed this way.", [error])
        target = self.targets.describe(actor, line.kind, line.target_id)
        if target is None:  # gone: the case is closed, its reporters told, and a strike may still follow
            return Target(line.kind, line.target_id, line.author_id, "", "", form.version, "")
        if target.staff:
            actor.require("admin")
        if target.version != form.version:
            detail = "It was changed since you looked; read it again."
            raise Conflict("case.version_changed", detail, version=target.version)
        return target

    def _answered(self, actor: Actor, key: str | None) -> bool:
        """Whether this is a retry, which gets its first answer whatever became of the target since."""
        if key is None:
            return False
        with self.db.read() as session:
            return first_answer(session, actor, key) is not None

    def _act(self, tx: Write, moderator: str, case_id: str, target: Target, form: ActionIn) -> ActionOut:
        row = Action(
            id=new_id("act", tx.now),
            case_id=case_id,
            action=form.action,
            version=form.version,
            reason=form.reason,
            actor_id=moderator,
            created_at=tx.now,
        )
        tx.session.add(row)
        closed = {"status": CLOSED, "claimed_by": None, "claimed_until": None}
        tx.session.execute(update(Case).where(Case.id == case_id).values(closed))
        tx.session.flush()
        if form.strike and form.action != "approve":
            self.strikes.give(tx, target.author_id, row.id)
        self._audit(tx, moderator, f"case.{form.action}", target.id, {"action": row.id, "reason": form.reason})
        fact = (row.id, case_id, target.kind, target.id, target.author_id, form.action, form.version)
        tx.record(CaseActed(*fact, form.reason))
        data = {"kind": target.kind, "id": target.id, "title": target.title[:80], "action": form.action}
        self.notices.send(tx, target.author_id, "content.acted", {**data, "reason": form.reason})
        self._answer_reporters(tx, case_id, row.id, data)
        return _action(row)

    def _answer_reporters(self, tx: Write, case_id: str, action_id: str, data: dict[str, Any]) -> None:
        waiting = (Report.case_id == case_id) & Report.answered_by.is_(None)
        for reporter_id in tx.session.scalars(select(Report.reporter_id).where(waiting)).all():
            self.notices.send(tx, reporter_id, "report.answered", data)
        tx.session.execute(update(Report).where(waiting).values(answered_by=action_id))

    def undo(self, actor: Actor, action_id: str, form: UndoIn, key: str | None = None) -> Answer:
        """Take an action back; what it did is undone in the same commit, and its strike never counted."""
        moderator = actor.require("moderator", "admin")

        def write(tx: Write) -> dict[str, Any]:
            standing = update(Action).where(Action.id == action_id, Action.undone_at.is_(None))
            values = {"undone_at": tx.now, "undone_by": moderator, "undo_reason": form.reason}
            if not tx.session.execute(standing.values(values).returning(Action.id)).all():
                raise self._not_undoable(tx.session, action_id)
            action = tx.session.get_one(Action, action_id, populate_existing=True)
            self._undone(tx, actor, action, form.reason)
            return _action(action).model_dump()

        return self.db.write(once(actor, key, f"actions.undo:{action_id}", form.model_dump(), write))

    def _undone(self, tx: Write, actor: Actor, action: Action, reason: str) -> None:
        # Locked like in `act`, so that an action which is under way counts as a later one.
        case = tx.session.get_one(Case, action.case_id, with_for_update=True)
        moderator = _refuse_own(actor, case.author_id)
        newest = tx.session.scalar(
            select(Action.id)
            .where(Action.case_id == case.id, Action.undone_at.is_(None), Action.id > action.id)
            .limit(1)
        )
        if newest is not None:
            raise Conflict("action.superseded", "A later action stands; undo that one first.", action=newest)
        self.strikes.revoke(tx, action.id)
        self._audit(
            tx, moderator, f"case.{action.action}.undone", case.target_id, {"action": action.id, "reason": reason}
        )
        holds = standing(tx.session, case.kind, case.target_id)
        fact = (action.id, case.id, case.kind, case.target_id, case.author_id, action.action, action.version, holds)
        tx.record(ActionUndone(*fact))
        data = {"kind": case.kind, "id": case.target_id, "action": action.action}
        self.notices.send(tx, case.author_id, "content.restored", {**data, "reason": reason})
        told = Report.answered_by == action.id
        for reporter_id in tx.session.scalars(select(Report.reporter_id).where(told)).all():
            self.notices.send(tx, reporter_id, "report.reopened", data)
        if holds == HOLD:  # screening's question is open again, and somebody must answer it
            case.status = OPEN
            tx.session.execute(update(Report).where(told).values(answered_by=None))

    def _not_undoable(self, session: Session, action_id: str) -> Exception:
        if session.get(Action, action_id) is None:
            return NotFound("action.not_found", "There is no such action.")
        return Conflict("action.already_undone", "This action is undone already.")

    def standing(self, tx: Write, kind: str, target_id: str) -> str:
        """The verdict that holds for a thing, inside a larger write."""
        return standing(tx.session, kind, target_id)

    # -- audit ----------------------------------------------------------------------------------------------------

    def _audit(self, tx: Write, actor_id: str, what: str, target_id: str, data: dict[str, Any]) -> None:
        entry = AuditEntry(
            id=new_id("audit", tx.now), actor_id=actor_id, what=what, target_id=target_id, data=data, created_at=tx.now
        )
        tx.session.add(entry)

    def witness(self, tx: Write, actor_id: str, what: str, target_id: str, data: dict[str, Any]) -> None:
        """Write down what somebody did in another service, within its commit."""
        self._audit(tx, actor_id, what, target_id, data)

    def audit(self, actor: Actor, query: PageQuery) -> AuditPage:
        """Who did what, newest first, for admins and moderators."""
        actor.require("admin", "moderator")
        after = cursors.decode(query.cursor, str)
        rows = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(query.limit + 1)
        with self.db.read() as session:
            found = session.scalars(rows if after is None else rows.where(AuditEntry.id < after[0])).all()
        shown, more = cursors.cut(found, query.limit, lambda row: row.id)
        return AuditPage(items=[_audit_line(row) for row in shown], next_cursor=more)

    def _target(self, actor: Actor, kind: str, target_id: str) -> Target:
        target = self.targets.describe(actor, kind, target_id)
        if target is None:
            raise NotFound("target.not_found", "There is no such thing to judge.")
        return target


def _refuse_own(actor: Actor, author_id: str) -> str:
    moderator = actor.require_account()
    if author_id == moderator:
        raise Forbidden("case.own_content", "Somebody else must judge what is yours.")
    return moderator


def _refuse_decided(session: Session, target: Target, reporter: str) -> None:
    mine = select(Action.id).join(Report, Report.answered_by == Action.id).join(Case, Case.id == Report.case_id)
    of_this = (Case.kind == target.kind, Case.target_id == target.id, Case.status == CLOSED)
    stands = (Report.reporter_id == reporter, Action.undone_at.is_(None), Action.version == target.version)
    if session.scalar(mine.where(*of_this, *stands)) is not None:
        raise Conflict("report.already_decided", "Your report of this was decided, and it has not changed since.")


def _unanswered(target: Target | None) -> Target:
    if target is None:  # the first answer was forgotten between the look and the write
        raise Conflict("idempotency.key_reused", "This idempotency key was used long ago.")
    return target


def _moment(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (ValueError, OverflowError, OSError):
        raise Malformed("cursor.malformed", "The cursor is not one this server gave out.") from None


def _hits(session: Session, case: Case) -> list[dict[str, Any]]:
    newest = select(ScreeningRow.hits).where(ScreeningRow.kind == case.kind, ScreeningRow.target_id == case.target_id)
    return session.scalar(newest.order_by(ScreeningRow.version.desc()).limit(1)) or []


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


def _action(row: Action) -> ActionOut:
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
