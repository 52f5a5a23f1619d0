"""How people stand to each other: who follows whom, and who has blocked whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from accounts import models
from accounts.company import STAFF, Company, company, known_to
from accounts.facts import Blocked, Followed, Unblocked, Unfollowed
from accounts.people import People, absent, blocks, shut_out
from accounts.schemas import Relation
from kernel.actor import Actor
from kernel.db import Write, alone, in_chunks, insert_ignore
from kernel.errors import Invalid


class Relations(People):
    """Follows and blocks, with the counters in the same commit."""

    def follow(self, actor: Actor, account_id: str) -> Relation:
        """Follow an account; following twice is following once. Not oneself, and not across a block."""
        me = actor.require_account()
        if me == account_id:
            raise Invalid("follow.self", "You cannot follow yourself.")

        def write(tx: Write) -> Relation:
            _one_by_one(tx, me, account_id)
            self._get(tx.session, account_id)
            if blocks(tx.session, account_id, me) or blocks(tx.session, me, account_id):
                raise absent()
            self.add_follow(tx, me, account_id)
            return self._relation(tx.session, actor, account_id)

        return self.db.write(write)

    def add_follow(self, tx: Write, follower_id: str, followee_id: str) -> None:
        row = {"follower_id": follower_id, "followee_id": followee_id, "created_at": tx.now}
        if insert_ignore(tx.session, models.Follow.__table__, row):
            self._count(tx, follower_id, followee_id, 1)
            tx.record(Followed(follower_id, followee_id))

    def add_follows(self, tx: Write, pairs: Sequence[tuple[str, str]]) -> None:
        """Many new follows (follower, followee) inside a larger write, counters as after `add_follow` for each."""
        rows = [{"follower_id": one, "followee_id": other, "created_at": tx.now} for one, other in pairs]
        tx.session.execute(insert(models.Follow.__table__), rows)  # type: ignore[arg-type]
        account: Any = models.Account.__table__
        for counter, ids in (("following", [one for one, _ in pairs]), ("followers", [other for _, other in pairs])):
            more = {counter: account.c[counter] + bindparam("change")}
            counted = update(account).where(account.c.id == bindparam("account")).values(more)
            tx.session.execute(counted, [{"account": id, "change": n} for id, n in sorted(Counter(ids).items())])
        for one, other in pairs:
            tx.record(Followed(one, other))

    def unfollow(self, actor: Actor, account_id: str) -> Relation:
        """Stop following; not following is no error."""
        me = actor.require_account()

        def write(tx: Write) -> Relation:
            self._get(tx.session, account_id)
            self._drop_follow(tx, me, account_id, by_id=me)
            return self._relation(tx.session, actor, account_id)

        return self.db.write(write)

    def _drop_follow(self, tx: Write, follower_id: str, followee_id: str, *, by_id: str) -> None:
        gone = delete(models.Follow).where(
            models.Follow.follower_id == follower_id, models.Follow.followee_id == followee_id
        )
        if tx.session.execute(gone).rowcount:  # type: ignore[attr-defined]
            self._count(tx, follower_id, followee_id, -1)
            tx.record(Unfollowed(follower_id, followee_id, by_id))

    def _count(self, tx: Write, follower_id: str, followee_id: str, change: int) -> None:
        account = models.Account
        tx.session.execute(
            update(account).where(account.id == follower_id).values(following=account.following + change)
        )
        tx.session.execute(
            update(account).where(account.id == followee_id).values(followers=account.followers + change)
        )

    def block(self, actor: Actor, account_id: str) -> Relation:
        """Neither sees the other any more; follows in both directions end."""
        me = actor.require_account()
        if me == account_id:
            raise Invalid("block.self", "You cannot block yourself.")

        def write(tx: Write) -> Relation:
            _one_by_one(tx, me, account_id)
            self._get(tx.session, account_id)
            row = {"blocker_id": me, "blocked_id": account_id, "created_at": tx.now}
            if insert_ignore(tx.session, models.Block.__table__, row):
                self._drop_follow(tx, me, account_id, by_id=me)
                self._drop_follow(tx, account_id, me, by_id=me)
                tx.record(Blocked(me, account_id))
            return self._relation(tx.session, actor, account_id)

        return self.db.write(write)

    def unblock(self, actor: Actor, account_id: str) -> Relation:
        """Take a block back; follows do not come back with it."""
        me = actor.require_account()

        def write(tx: Write) -> Relation:
            self._get(tx.session, account_id)
            gone = delete(models.Block).where(models.Block.blocker_id == me, models.Block.blocked_id == account_id)
            if tx.session.execute(gone).rowcount:  # type: ignore[attr-defined]
                tx.record(Unblocked(me, account_id))
            return self._relation(tx.session, actor, account_id)

        return self.db.write(write)

    def _relation(self, session: Session, actor: Actor, account_id: str) -> Relation:
        session.flush()
        me, followers = actor.require_account(), select(models.Account.followers).where(models.Account.id == account_id)
        return Relation(
            following=session.scalar(
                select(func.count()).select_from(models.Follow).filter_by(follower_id=me, followee_id=account_id)
            )
            == 1,
            blocked=blocks(session, me, account_id),
            followers=None if shut_out(session, account_id, actor) else session.scalar(followers),
        )

    def following_ids(self, account_id: str) -> list[str]:
        """Whom an account follows."""
        with self.db.read() as session:
            return list(
                session.scalars(select(models.Follow.followee_id).where(models.Follow.follower_id == account_id))
            )

    def walled_off(self, actor: Actor) -> frozenset[str]:
        """Accounts that `actor` must not see: whom they blocked, and who blocked them unless they are of the house."""
        me, block = actor.account_id, models.Block
        if me is None:
            return frozenset()
        between = block.blocker_id == me if actor.has(*STAFF) else or_(block.blocker_id == me, block.blocked_id == me)
        with self.db.read() as session:
            rows = session.execute(select(block.blocker_id, block.blocked_id).where(between))
            return frozenset(other for row in rows for other in row if other != me)

    def company(self, viewer: Actor, ids: Iterable[str], live: set[str] | None = None) -> Company:
        """These accounts as a page of `viewer`'s shows them; unknown ids are left out. `live`: those on air, where that is
        known already."""
        wanted = list(dict.fromkeys(ids))
        query = known_to(viewer.account_id)
        with self.db.read() as session:
            rows = [
                row for chunk in in_chunks(wanted) for row in session.execute(query.where(models.Account.id.in_(chunk)))
            ]
        return company(rows, self.live_hosts(wanted) if live is None else live)


def _one_by_one(tx: Write, one: str, other: str) -> None:
    """A follow and a block between the same two wait for each other, or each would be written without seeing the other."""
    first, second = sorted((one, other))
    alone(tx.session, f"relation:{first}:{second}")
