"""Strikes: what counts against an account, for a while."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.db import Database, Write
from kernel.ids import new_id
from kernel.policy import Policies
from moderation.facts import StrikeGiven
from moderation.models import Action, Strike
from moderation.schemas import StrikeOut, StrikesOut

_MOST = 100


class StrikeBook:
    """Gives, revokes and counts strikes; policy `strike.decay_days` says how long one counts."""

    def __init__(self, db: Database, policies: Policies) -> None:
        self.db = db
        self.policies = policies
        policies.declare("strike.decay_days", 90, low=1, high=3650)

    def give(self, tx: Write, account_id: str, action_id: str) -> None:
        days = self.policies.get(tx.session, "strike.decay_days")
        strike = Strike(
            id=new_id("strike", tx.now),
            account_id=account_id,
            action_id=action_id,
            created_at=tx.now,
            decays_at=tx.now + timedelta(days=days),
        )
        tx.session.add(strike)
        tx.record(StrikeGiven(account_id, action_id))

    def revoke(self, tx: Write, action_id: str) -> None:
        """The action was undone, so its strike never counted."""
        standing = update(Strike).where(Strike.action_id == action_id, Strike.revoked_at.is_(None))
        tx.session.execute(standing.values(revoked_at=tx.now))

    def active_strikes(self, account_id: str) -> int:
        """How many strikes still count."""
        with self.db.read() as session:
            return self.strikes_within(session, account_id)

    def mine(self, actor: Actor) -> StrikesOut:
        """The caller's own strikes with the reasons given, newest first."""
        standing = select(Strike, Action).outerjoin(Action, Action.id == Strike.action_id)
        standing = standing.where(Strike.account_id == actor.require_account())
        with self.db.read() as session:
            rows = session.execute(standing.order_by(Strike.id.desc()).limit(_MOST)).all()
            active = self.strikes_within(session, actor.require_account())
        return StrikesOut(items=[_line(strike, action, self.db.clock.now()) for strike, action in rows], active=active)

    def strikes_within(self, session: Session, account_id: str) -> int:
        """`active_strikes`, as a write or a read that is under way sees it."""
        standing = (Strike.revoked_at.is_(None), Strike.decays_at > self.db.clock.now())
        counting = select(func.count()).where(Strike.account_id == account_id, *standing)
        return session.scalar(counting) or 0


def _line(strike: Strike, action: Action | None, now: datetime) -> StrikeOut:
    return StrikeOut(
        id=strike.id,
        action_id=strike.action_id,
        action=action.action if action else None,
        reason=action.reason if action else "",
        created_at=rfc3339(strike.created_at),
        decays_at=rfc3339(strike.decays_at),
        revoked_at=rfc3339(strike.revoked_at) if strike.revoked_at else None,
        counts=strike.revoked_at is None and strike.decays_at > now,
    )
