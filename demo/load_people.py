"""Accounts, follows, and the creators past the gate."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from itertools import groupby

from accounts import ApplicationIn, Decision
from demo.content import Account, Follow
from demo.people import ADMIN
from demo.writer import Writer, local
from kernel.db import Write

ACCOUNTS, FOLLOWS = "accounts", "evenings of follows"


def write_people(w: Writer) -> None:
    """Everybody joins, follows, and five creators apply and are approved, all before the first of the 30 days."""
    _write_accounts(w)
    _write_follows(w)
    _approve_creators(w)


def _write_accounts(w: Writer) -> None:
    # The password is the demo's and public: one hash for all who have it says nothing more, and hashing takes 0.1 s.
    hashed = cache(w.services.accounts.hash_password)

    def add(tx: Write, account: Account) -> None:
        picture = w.pictures[f"avatar:{account.avatar}"]
        w.people[account.handle] = account_id = w.services.accounts.add(
            tx,
            account.handle,
            account.name,
            bio=account.bio,
            avatar=picture.cover().url,
            password_hash=None if account.password is None else hashed(account.password),
            roles=[role for role in account.roles if role != "creator"],  # comes with the approval
            synthetic=account.synthetic,
        )
        w.services.media.add(tx, account_id, picture)  # an upload like any other, to be swept when it is replaced

    w.progress.begin(ACCOUNTS, len(w.plan.accounts))
    by_day = sorted(w.plan.accounts, key=lambda account: account.joined_on)
    w.write_each(ACCOUNTS, by_day, lambda account: local(account.joined_on, 9), add)


def _write_follows(w: Writer) -> None:
    def at(follow: Follow) -> datetime:
        """The evening of the day on which the later of the two joined."""
        return local(max(w.account(name).joined_on for name in (follow.follower, follow.followed)), 18)

    def add(tx: Write, evening: list[Follow]) -> None:
        pairs = [(w.people[follow.follower], w.people[follow.followed]) for follow in evening]
        w.services.accounts.add_follows(tx, pairs)

    evenings = [list(group) for _, group in groupby(sorted(w.plan.follows, key=at), at)]
    w.progress.begin(FOLLOWS, len(evenings))
    w.write_each(FOLLOWS, evenings, lambda evening: at(evening[0]), add, size=60)


def _approve_creators(w: Writer) -> None:
    applications, admin = w.services.applications, w.actor(ADMIN)
    w.clock.move_to(w.before_all(hours=4))
    for account in w.plan.accounts:
        if account.approved:
            applied = applications.apply(w.actor(account.handle), ApplicationIn(statement=account.bio))
            w.clock.move_to(w.clock.now() + timedelta(minutes=5))
            applications.decide(admin, applied.value["id"], Decision(verdict="approve"))
