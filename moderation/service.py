"""Reports come in, moderators act, everybody concerned is told, and every action can be taken back."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from kernel.actor import ANONYMOUS, Actor
from kernel.clock import rfc3339
from kernel.db import Database, Write, insert_ignore
from kernel.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from kernel.idempotency import Answer, first_answer, once
from kernel.ids import new_id
from moderation.audit import witness
from moderation.facts import ActionUndone, CaseActed, Reported
from moderation.models import Action, Case, Report
from moderation.notices import Notices
from moderation.queue import CLOSED, OPEN, WAITING, CaseQueue
from moderation.reading import CaseReader, action_out
from moderation.rules import HOLD
from moderation.schemas import (
    RISK,
    ActionIn,
    ActionOut,
    CaseOut,
    ReportIn,
    ReportOut,
    UndoIn,
)
from moderation.standing import OUT, WHOLE, Standing
from moderation.strikes import StrikeBook
from moderation.targets import Target, Targets


class ModerationService(CaseReader):
    """Reports and decisions; what only looks is in `CaseReader`. `targets` is answered by the services that own what is judged."""

    def __init__(self, db: Database, queue: CaseQueue, notices: Notices, strikes: StrikeBook, targets: Targets) -> None:
        super().__init__(db, targets)
        self.queue = queue
        self.notices = notices
        self.strikes = strikes

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
            report_id = self._add_report(tx, case, reporter, form, target.version)
            tx.record(Reported(case.id, target.kind, target.id, reporter))
            out = ReportOut(id=report_id, target=form.target, reason=form.reason, created_at=rfc3339(tx.now))
            return out.model_dump()

        return self.db.write(once(actor, key, "reports.create", form.model_dump(), write))

    def _target(self, actor: Actor, kind: str, target_id: str) -> Target:
        target = self.targets.describe(actor, kind, target_id)
        if target is None:
            raise NotFound("target.not_found", "There is no such thing to judge.")
        return target

    def _add_report(self, tx: Write, case: Case, reporter: str, form: ReportIn, version: int) -> str:
        row = {
            "id": new_id("rep", tx.now),
            "case_id": case.id,
            "reporter_id": reporter,
            "reason": form.reason,
            "text": form.text,
            "version": version,
            "answered_by": None,
            "created_at": tx.now,
        }
        if insert_ignore(tx.session, Report.__table__, row):
            tx.session.execute(update(Case).where(Case.id == case.id).values(reports=Case.reports + 1))
            return str(row["id"])
        mine = (Report.case_id == case.id) & (Report.reporter_id == reporter)
        again = {"answered_by": None, "reason": form.reason, "text": form.text, "version": version}
        tx.session.execute(update(Report).where(mine).values(again))
        return tx.session.scalars(select(Report.id).where(mine)).one()

    # -- acting ---------------------------------------------------------------------------------------------------

    def claim(self, actor: Actor, case_id: str) -> CaseOut:
        """Take a case with a lease of 15 minutes."""
        self.queue.claim(actor, case_id)
        return self.case(actor, case_id)

    def act(self, actor: Actor, case_id: str, form: ActionIn, key: str | None = None) -> Answer:
        """Decide a case on the version seen: `case.version_changed` when there is a newer one by now. A verdict on one
        version leaves the case open for reports of another one that is served still."""
        moderator = actor.require("moderator", "admin")
        known = None if self._answered(actor, key) else self._judged(actor, case_id, form)
        # Reporters are told a title that they could read: a version that waits may never be shown.
        public = None if known is None else self.targets.describe(ANONYMOUS, known.kind, known.id)
        title = "" if public is None else public.title[:80]

        def write(tx: Write) -> dict[str, Any]:
            target = _unanswered(known)
            self.queue.take(tx, moderator, case_id)
            served = self.targets.served(tx, target.kind, target.id)
            if served is not None and served > form.version:  # it took the place of the one judged since the look
                raise _changed(served)
            return self._act(tx, moderator, case_id, target, form, title).model_dump()

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
            raise _changed(target.version)
        return target

    def _answered(self, actor: Actor, key: str | None) -> bool:
        """Whether this is a retry, which gets its first answer whatever became of the target since."""
        if key is None:
            return False
        with self.db.read() as session:
            return first_answer(session, actor, key) is not None

    def _act(self, tx: Write, moderator: str, case_id: str, target: Target, form: ActionIn, title: str) -> ActionOut:
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
        witness(tx, moderator, f"case.{form.action}", target.id, {"action": row.id, "reason": form.reason})
        fact = (row.id, case_id, target.kind, target.id, target.author_id, form.action, form.version)
        tx.record(CaseActed(*fact, form.reason))
        data = {"kind": target.kind, "id": target.id, "title": title, "action": form.action}
        if form.action != "approve" or not Standing(tx.session, target.kind, target.id).held:
            told = {**data, "title": target.title[:80], "reason": form.reason}
            self.notices.send(tx, target.author_id, "content.acted", told)
        self._answer_reporters(tx, row, target, data)
        return action_out(row)

    def _answer_reporters(self, tx: Write, action: Action, target: Target, data: dict[str, Any]) -> None:
        waiting = (Report.case_id == action.case_id) & WAITING
        served = None if action.action in WHOLE else self.targets.served(tx, target.kind, target.id)
        if served not in (None, action.version):  # what was reported of that version is still there to see
            waiting &= Report.version != served
        for reporter_id in tx.session.scalars(select(Report.reporter_id).where(waiting)).all():
            self.notices.send(tx, reporter_id, "report.answered", data)
        tx.session.execute(update(Report).where(waiting).values(answered_by=action.id))
        if self.queue.reports_wait(tx, action.case_id):
            tx.session.execute(update(Case).where(Case.id == action.case_id).values(status=OPEN))

    def undo(self, actor: Actor, action_id: str, form: UndoIn, key: str | None = None) -> Answer:
        """Take an action back; what it did is undone in the same commit, and its strike never counted."""
        moderator = actor.require("moderator", "admin")
        if not self._answered(actor, key):
            self._refuse_staff(actor, action_id)

        def write(tx: Write) -> dict[str, Any]:
            standing = update(Action).where(Action.id == action_id, Action.undone_at.is_(None))
            values = {"undone_at": tx.now, "undone_by": moderator, "undo_reason": form.reason}
            if not tx.session.execute(standing.values(values).returning(Action.id)).all():
                raise self._not_undoable(tx.session, action_id)
            action = tx.session.get_one(Action, action_id, populate_existing=True)
            self._undone(tx, actor, action, form.reason)
            return action_out(action).model_dump()

        return self.db.write(once(actor, key, f"actions.undo:{action_id}", form.model_dump(), write))

    def _refuse_staff(self, actor: Actor, action_id: str) -> None:
        """What was done to staff takes an admin to undo, as it took one to do."""
        with self.db.read() as session:
            judged = select(Case.kind, Case.target_id).join(Action, Action.case_id == Case.id)
            row = session.execute(judged.where(Action.id == action_id)).first()
        target = None if row is None else self.targets.describe(actor, row.kind, row.target_id)
        if target is not None and target.staff and target.author_id != actor.account_id:  # their own is refused anyhow
            actor.require("admin")

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
        witness(tx, moderator, f"case.{action.action}.undone", case.target_id, {"action": action.id, "reason": reason})
        left = Standing(tx.session, case.kind, case.target_id)
        lifted = action.action in WHOLE and not left.holds(action.action)
        versions = tuple(left.left(action.action, action.version))
        fact = (action.id, case.id, case.kind, case.target_id, case.author_id, action.action, action.version)
        tx.record(ActionUndone(*fact, left.of_thing, lifted, versions))
        data = {"kind": case.kind, "id": case.target_id, "action": action.action}
        about = "content.restored" if self._is_back(tx, case, action, left) else "content.reopened"
        self.notices.send(tx, case.author_id, about, {**data, "standing": left.of_thing, "reason": reason})
        told = Report.answered_by == action.id
        for reporter_id in tx.session.scalars(select(Report.reporter_id).where(told)).all():
            self.notices.send(tx, reporter_id, "report.reopened", data)
        if left.newest == HOLD:  # screening's question is open again, and somebody must answer it
            case.status = OPEN
            tx.session.execute(update(Report).where(told).values(answered_by=None))
        else:
            self.queue.let_go(tx, case)

    def _is_back(self, tx: Write, case: Case, action: Action, left: Standing) -> bool:
        """Whether others see again what an action that is taken back kept from them."""
        if action.action == "approve":
            return False
        if case.kind != "note":
            return left.of_thing not in OUT
        words_out = action.action not in WHOLE and left.of_version(action.version) in OUT
        return not words_out and self.targets.served(tx, case.kind, case.target_id) is not None

    def _not_undoable(self, session: Session, action_id: str) -> Exception:
        if session.get(Action, action_id) is None:
            return NotFound("action.not_found", "There is no such action.")
        return Conflict("action.already_undone", "This action is undone already.")

    def standing(self, tx: Write, kind: str, target_id: str) -> str:
        """The verdict that holds for a thing, inside a larger write."""
        return Standing(tx.session, kind, target_id).of_thing

    # -- inside somebody else's write ----------------------------------------------------------------------------------------------------

    def witness(self, tx: Write, actor_id: str, what: str, target_id: str, data: dict[str, Any]) -> None:
        """Write down what somebody did in another service, within its commit."""
        witness(tx, actor_id, what, target_id, data)


def _changed(version: int) -> Conflict:
    return Conflict("case.version_changed", "It was changed since you looked; read it again.", version=version)


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
