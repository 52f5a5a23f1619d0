"""The way to the product gate: an account applies, an admin decides."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from accounts import models
from accounts.facts import CreatorApplied, CreatorApproved, CreatorRefused, CreatorWithdrawn
from accounts.schemas import ApplicationIn, ApplicationOut, Decision, Withdrawal
from accounts.service import AccountService
from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.db import Database, Write, alone
from kernel.errors import Conflict, Forbidden, NotFound
from kernel.idempotency import Answer, once
from kernel.ids import new_id
from kernel.policy import Policies

FOLLOWERS_ABOVE = "creator.followers_above"
"""A policy: more followers than that are needed when applying and when it is decided, never after."""

Application = ApplicationOut


class Strikes(Protocol):
    """What moderation answers: how many strikes of an account still count."""

    def strikes_within(self, session: Session, account_id: str) -> int: ...


class ApplicationService:
    """Creator applications. The follower count is used here and nowhere else."""

    def __init__(self, db: Database, accounts: AccountService, strikes: Strikes, policies: Policies) -> None:
        self.db = db
        self.accounts = accounts
        self.strikes = strikes
        self.policies = policies
        policies.declare(FOLLOWERS_ABOVE, 1000, low=0, high=1_000_000)

    def followers_needed(self) -> int:
        """How many followers an application takes now."""
        return int(self.policies.lately([FOLLOWERS_ABOVE])[0]) + 1

    def apply(self, actor: Actor, form: ApplicationIn, key: str | None = None) -> Answer:
        """Ask to be a creator. Refused with the missing condition: `creator.not_enough_followers`, `creator.active_strike`."""
        account_id = actor.require_account()

        def write(tx: Write) -> dict[str, object]:
            followers = self._check_conditions(tx.session, account_id)
            alone(tx.session, f"creator_applications:{account_id}")
            if self._latest(tx.session, account_id, "open", "approved") is not None:
                raise Conflict("creator.already_applied", "An application is open or approved already.")
            row = models.CreatorApplication(
                id=new_id("appl", tx.now),
                account_id=account_id,
                statement=form.statement,
                status="open",
                followers_at_application=followers,
                created_at=tx.now,
            )
            tx.session.add(row)
            tx.record(CreatorApplied(row.id, account_id))
            return _out(row).model_dump()

        return self.db.write(once(actor, key, "creator_applications.create", form.model_dump(), write))

    def decide(self, actor: Actor, application_id: str, decision: Decision, key: str | None = None) -> Answer:
        """Approve or refuse, by an admin or moderator; an approval checks the conditions again."""
        decider = actor.require("admin", "moderator")
        account_id = self.get(actor, application_id).account_id
        if account_id == decider:
            raise Forbidden("creator.own_application", "Somebody else must decide on your application.")

        def write(tx: Write) -> dict[str, object]:
            row = tx.session.get_one(models.CreatorApplication, application_id, with_for_update=True)
            if row.status != "open":
                raise Conflict("creator.already_decided", f"This application is {row.status}.")
            row.followers_at_decision = _followers(tx.session, row.account_id)
            if decision.verdict == "approve":
                self._check_conditions(tx.session, row.account_id)
                self.accounts.add_role(tx, row.account_id, "creator")
            row.status = "approved" if decision.verdict == "approve" else "refused"
            row.decided_by, row.decided_at, row.reason = decider, tx.now, decision.reason or None
            fact = CreatorApproved if decision.verdict == "approve" else CreatorRefused
            tx.record(fact(row.id, row.account_id))
            return _out(row).model_dump()

        return self.db.write(
            once(actor, key, f"creator_applications.decide:{application_id}", decision.model_dump(), write)
        )

    def withdraw(self, actor: Actor, application_id: str, form: Withdrawal, key: str | None = None) -> Answer:
        """Take an application back, open or approved, by its applicant or an admin; the role of a creator goes with it.

        What was published stays; the gate asks again at the next publish. `creator.not_withdrawable` when it has ended.
        """
        by_id = actor.require_account()
        application = self.get(actor, application_id)
        if application.account_id != by_id:
            actor.require("admin")

        def write(tx: Write) -> dict[str, object]:
            table = models.CreatorApplication
            standing = update(table).where(table.id == application_id, table.status.in_(("open", "approved")))
            values = {"status": "withdrawn", "withdrawn_by": by_id, "withdrawn_at": tx.now}
            changed = standing.values(**values, withdrawal_reason=form.reason or None)
            if not tx.session.execute(changed.execution_options(synchronize_session=False)).rowcount:  # type: ignore[attr-defined]
                status = tx.session.scalar(select(table.status).where(table.id == application_id))
                raise Conflict("creator.not_withdrawable", f"This application is {status}.", state=status)
            self.accounts.drop_role(tx, application.account_id, "creator")
            tx.record(CreatorWithdrawn(application_id, application.account_id, by_id))
            return _out(tx.session.get_one(table, application_id, populate_existing=True)).model_dump()

        operation = f"creator_applications.withdraw:{application_id}"
        return self.db.write(once(actor, key, operation, form.model_dump(), write))

    def get(self, actor: Actor, application_id: str) -> ApplicationOut:
        """One application, for its applicant and for staff."""
        with self.db.read() as session:
            row = session.get(models.CreatorApplication, application_id)
        if row is None or (row.account_id != actor.account_id and not actor.has("admin", "moderator")):
            raise NotFound("application.not_found", "There is no such application.")
        return _out(row)

    def mine(self, actor: Actor) -> ApplicationOut | None:
        """The caller's newest application."""
        with self.db.read() as session:
            row = self._latest(session, actor.require_account(), "open", "approved", "refused", "withdrawn")
        return None if row is None else _out(row)

    def current(self, actor: Actor) -> ApplicationOut:
        """The caller's newest application, else `NotFound`."""
        if (found := self.mine(actor)) is None:
            raise NotFound("application.not_found", "You have not applied yet.")
        return found

    def open_ones(self, actor: Actor) -> list[ApplicationOut]:
        """Applications that wait for a decision, oldest first."""
        actor.require("admin", "moderator")
        with self.db.read() as session:
            rows = session.scalars(
                select(models.CreatorApplication)
                .filter_by(status="open")
                .order_by(models.CreatorApplication.id)
                .limit(100)
            )
            return [_out(row) for row in rows]

    def approved(self, session: Session, account_id: str) -> bool:
        """Whether an application of this account stands approved, as the write or read under way sees it."""
        return self._latest(session, account_id, "approved") is not None

    def _check_conditions(self, session: Session, account_id: str) -> int:
        """The followers, when they and the strikes allow an application."""
        followers, above = _followers(session, account_id), self.policies.get(session, FOLLOWERS_ABOVE)
        if followers <= above:
            detail = f"A creator needs more than {above} followers; there are {followers}."
            raise Forbidden("creator.not_enough_followers", detail, followers=followers, followers_above=above)
        if strikes := self.strikes.strikes_within(session, account_id):
            raise Forbidden("creator.active_strike", "A strike still counts against this account.", strikes=strikes)
        return followers

    def _latest(self, session: Session, account_id: str, *statuses: str) -> models.CreatorApplication | None:
        table = models.CreatorApplication
        return session.scalar(
            select(table)
            .where(table.account_id == account_id, table.status.in_(statuses))
            .order_by(table.id.desc())
            .limit(1)
        )


def _followers(session: Session, account_id: str) -> int:
    return session.scalar(select(models.Account.followers).where(models.Account.id == account_id)) or 0


def _out(row: models.CreatorApplication) -> ApplicationOut:
    return ApplicationOut(
        id=row.id,
        account_id=row.account_id,
        statement=row.statement,
        status=row.status,  # type: ignore[arg-type]
        followers_at_application=row.followers_at_application,
        followers_at_decision=row.followers_at_decision,
        reason=row.reason,
        created_at=rfc3339(row.created_at),
        decided_at=rfc3339(row.decided_at) if row.decided_at else None,
        withdrawn_at=rfc3339(row.withdrawn_at) if row.withdrawn_at else None,
    )
