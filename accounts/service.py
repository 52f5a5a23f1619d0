"""People and how they stand to each other."""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import bindparam, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session as SqlSession

from accounts import models
from accounts.facts import AccountRegistered, Blocked, DeviceMerged, Followed, LoggedIn, Unblocked, Unfollowed
from accounts.schemas import AccountRef, Credentials, Me, Profile, Registration, Relation
from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.db import Database, Write, in_chunks, insert_ignore
from kernel.errors import Conflict, FieldError, Forbidden, Invalid, NotFound, Unauthenticated
from kernel.ids import new_id

TOKEN_LIFE = timedelta(days=30)
_hasher = PasswordHasher()
# Verified when the handle is unknown, so that an unknown handle takes as long as a wrong password.
_DECOY = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$5qyHZkNUEMzlYFnGYbvTQm4Fg1nqDHTqJsD0dHVnLVk"


@dataclass(frozen=True)
class Session:
    """A fresh log-in: the secret is shown once and kept only as a hash."""

    token: str
    expires_at: datetime
    account: AccountRef


class AccountService:
    """`off_loop` runs password hashing (92 ms each) where it does not stop everybody else."""

    def __init__(self, db: Database, off_loop: Callable[..., object]) -> None:
        self.db = db
        self._off_loop = off_loop
        self.live_hosts: Callable[[Sequence[str]], set[str]] = lambda ids: set()

    # -- who is there ---------------------------------------------------------------------------------------------

    def hash_password(self, password: str) -> str:
        """What `add` keeps of a password (argon2id, with a salt of its own each time)."""
        return str(self._off_loop(_hasher.hash, password))

    def register(self, form: Registration, device_id: str | None = None, synthetic: bool = False) -> Session:
        """A new account, logged in. `account.handle_taken` when somebody has the handle."""
        password_hash = self.hash_password(form.password)
        return self.db.write(lambda tx: self._register(tx, form, password_hash, device_id, synthetic))

    def _register(
        self, tx: Write, form: Registration, password_hash: str, device_id: str | None, synthetic: bool
    ) -> Session:
        account_id = self.add(
            tx, form.handle, form.name or form.handle, password_hash=password_hash, synthetic=synthetic
        )
        return self._open_session(tx, account_id, device_id)

    def add(
        self,
        tx: Write,
        handle: str,
        name: str,
        *,
        bio: str = "",
        avatar: str | None = None,
        password_hash: str | None = None,
        roles: Iterable[str] = (),
        synthetic: bool = False,
    ) -> str:
        """Write an account inside a larger write; its id. Without a password nobody can log in as it."""
        account_id = new_id("acct", tx.now)
        row = {
            "id": account_id,
            "handle": handle,
            "name": name,
            "bio": bio,
            "avatar": avatar,
            "password_hash": password_hash,
            "status": "active",
            "synthetic": synthetic,
            "followers": 0,
            "following": 0,
            "created_at": tx.now,
        }
        if not insert_ignore(tx.session, models.Account.__table__, row):
            error = FieldError("handle", "account.handle_taken", "somebody has this handle")
            raise Conflict("account.handle_taken", "Somebody has this handle.", [error])
        for role in {"viewer", *roles}:
            tx.session.add(models.AccountRole(account_id=account_id, role=role))
        tx.record(AccountRegistered(account_id))
        return account_id

    def log_in(self, form: Credentials, device_id: str | None = None) -> Session:
        """A new session. Unknown handle and wrong password are refused alike (`session.wrong_credentials`)."""
        with self.db.read() as session:
            row = session.scalar(select(models.Account).where(models.Account.handle == form.handle.lower()))
        known = row.password_hash if row is not None and row.password_hash else _DECOY
        if not self._off_loop(_verify, known, form.password) or row is None or known is _DECOY:
            raise Unauthenticated("session.wrong_credentials", "Handle or password is wrong.")
        if row.status != "active":
            raise Forbidden("account.suspended", "This account is suspended.")
        return self.db.write(lambda tx: self._open_session(tx, row.id, device_id))

    def _open_session(self, tx: Write, account_id: str, device_id: str | None) -> Session:
        secret = secrets.token_urlsafe(32)
        expires_at = tx.now + TOKEN_LIFE
        tx.session.add(
            models.Token(
                hash=_digest(secret),
                account_id=account_id,
                device_id=device_id,
                created_at=tx.now,
                expires_at=expires_at,
            )
        )
        if device_id is not None:
            self._merge(tx, device_id, account_id)
        tx.record(LoggedIn(account_id))
        tx.session.flush()
        return Session(secret, expires_at, _ref(tx.session.get_one(models.Account, account_id)))

    def _merge(self, tx: Write, device_id: str, account_id: str) -> None:
        """A device becomes the account's once; a shared device stays with the first who logged in on it."""
        free = (models.Device.id == device_id) & models.Device.account_id.is_(None)
        if tx.session.execute(
            update(models.Device).where(free).values(account_id=account_id, merged_at=tx.now)
        ).rowcount:  # type: ignore[attr-defined]
            tx.record(DeviceMerged(device_id, account_id))

    def log_out(self, token: str) -> None:
        """End a session; an unknown one is no error."""
        self.db.write(lambda tx: tx.session.execute(delete(models.Token).where(models.Token.hash == _digest(token))))

    def new_device(self, synthetic: bool = False) -> str:
        """An anonymous device, for somebody who has no account yet."""
        return self.db.write(lambda tx: self.add_device(tx, synthetic))

    def add_device(self, tx: Write, synthetic: bool = False) -> str:
        """Write an anonymous device inside a larger write; its id."""
        device_id = new_id("dev", tx.now)
        tx.session.add(models.Device(id=device_id, synthetic=synthetic, created_at=tx.now))
        return device_id

    def authenticate(self, token: str) -> Actor:
        """The actor of a token, else `Unauthenticated` (`session.invalid`, `session.expired`)."""
        with self.db.read() as session:
            row = session.get(models.Token, _digest(token))
            if row is None:
                raise Unauthenticated("session.invalid", "This token is not known.")
            if row.expires_at <= self.db.clock.now():
                raise Unauthenticated("session.expired", "This session has expired; log in again.")
            account = session.get_one(models.Account, row.account_id)
            roles = session.scalars(select(models.AccountRole.role).where(models.AccountRole.account_id == account.id))
            if account.status != "active":
                raise Unauthenticated("account.suspended", "This account is suspended.")
            return Actor(account.id, row.device_id, frozenset(roles), account.synthetic)

    def actor(self, account_id: str) -> Actor:
        """The account as an actor, for jobs and the command line."""
        with self.db.read() as session:
            account = self._get(session, account_id)
            roles = session.scalars(select(models.AccountRole.role).where(models.AccountRole.account_id == account_id))
            return Actor(account_id, None, frozenset(roles), account.synthetic)

    def device_actor(self, device_id: str) -> Actor | None:
        """An anonymous visitor by device, or None when the device is not known."""
        with self.db.read() as session:
            device = session.get(models.Device, device_id)
            return None if device is None else Actor(None, device.id, frozenset(), device.synthetic)

    def grant(self, account_id: str, role: str) -> None:
        """Give an account a role."""
        self.db.write(lambda tx: self.add_role(tx, account_id, role))

    def add_role(self, tx: Write, account_id: str, role: str) -> None:
        insert_ignore(tx.session, models.AccountRole.__table__, {"account_id": account_id, "role": role})

    def drop_role(self, tx: Write, account_id: str, role: str) -> None:
        """Take a role away inside a larger write; not having it is no error."""
        table = models.AccountRole
        tx.session.execute(delete(table).where(table.account_id == account_id, table.role == role))

    # -- reading --------------------------------------------------------------------------------------------------

    def refs(self, ids: Iterable[str]) -> dict[str, AccountRef]:
        """Cards of many accounts, by id; unknown ids are left out."""
        wanted = list(dict.fromkeys(ids))
        with self.db.read() as session:
            rows = [
                row
                for chunk in in_chunks(wanted)
                for row in session.scalars(select(models.Account).where(models.Account.id.in_(chunk)))
            ]
        live = self.live_hosts(wanted)
        return {row.id: _ref(row, row.id in live) for row in rows}

    def profile(self, viewer: Actor, account_id: str) -> Profile:
        """An account as `viewer` sees it; absent when either blocked the other (except one's own block)."""
        with self.db.read() as session:
            account = self._get(session, account_id)
            if account.status == "removed" or (viewer.account_id and _blocks(session, account_id, viewer.account_id)):
                raise _absent()
            return Profile(**self._profile_fields(session, viewer, account))

    def me(self, actor: Actor) -> Me:
        """The caller's own account."""
        account_id = actor.require_account()
        with self.db.read() as session:
            account = self._get(session, account_id)
            return Me(**self._profile_fields(session, actor, account), synthetic=account.synthetic)

    def find_by_handle(self, handle: str) -> str | None:
        """The id of the account with this handle."""
        with self.db.read() as session:
            return session.scalar(select(models.Account.id).where(models.Account.handle == handle.lower()))

    def synthetic_ids(self, persons: Iterable[str]) -> set[str]:
        """Which of these accounts and devices are not persons in the headline figures."""
        found: set[str] = set()
        with self.db.read() as session:
            for chunk in in_chunks(list(persons)):
                found.update(
                    session.scalars(
                        select(models.Account.id).where(models.Account.id.in_(chunk), models.Account.synthetic)
                    )
                )
                found.update(
                    session.scalars(
                        select(models.Device.id).where(models.Device.id.in_(chunk), models.Device.synthetic)
                    )
                )
        return found

    def _profile_fields(self, session: SqlSession, viewer: Actor, account: models.Account) -> dict[str, Any]:
        roles = session.scalars(
            select(models.AccountRole.role).where(models.AccountRole.account_id == account.id)
        ).all()
        mine = viewer.account_id
        return {
            **_ref(account, account.id in self.live_hosts([account.id])).model_dump(),
            "bio": account.bio,
            "followers": account.followers,
            "following": account.following,
            "roles": sorted(roles),
            "created_at": rfc3339(account.created_at),
            "followed_by_me": bool(mine and session.get(models.Follow, (mine, account.id))),
            "blocked_by_me": bool(mine and session.get(models.Block, (mine, account.id))),
        }

    def _get(self, session: SqlSession, account_id: str) -> models.Account:
        account = session.get(models.Account, account_id)
        if account is None:
            raise _absent()
        return account

    # -- follow and block -----------------------------------------------------------------------------------------

    def follow(self, actor: Actor, account_id: str) -> Relation:
        """Follow an account; following twice is following once. Not oneself, and not across a block."""
        me = actor.require_account()
        if me == account_id:
            raise Invalid("follow.self", "You cannot follow yourself.")

        def write(tx: Write) -> Relation:
            self._get(tx.session, account_id)
            if _blocks(tx.session, account_id, me) or _blocks(tx.session, me, account_id):
                raise _absent()
            self.add_follow(tx, me, account_id)
            return self._relation(tx.session, me, account_id)

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
            self._drop_follow(tx, me, account_id)
            return self._relation(tx.session, me, account_id)

        return self.db.write(write)

    def _drop_follow(self, tx: Write, follower_id: str, followee_id: str) -> None:
        gone = delete(models.Follow).where(
            models.Follow.follower_id == follower_id, models.Follow.followee_id == followee_id
        )
        if tx.session.execute(gone).rowcount:  # type: ignore[attr-defined]
            self._count(tx, follower_id, followee_id, -1)
            tx.record(Unfollowed(follower_id, followee_id))

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
            self._get(tx.session, account_id)
            row = {"blocker_id": me, "blocked_id": account_id, "created_at": tx.now}
            if insert_ignore(tx.session, models.Block.__table__, row):
                self._drop_follow(tx, me, account_id)
                self._drop_follow(tx, account_id, me)
                tx.record(Blocked(me, account_id))
            return self._relation(tx.session, me, account_id)

        return self.db.write(write)

    def unblock(self, actor: Actor, account_id: str) -> Relation:
        """Take a block back; follows do not come back with it."""
        me = actor.require_account()

        def write(tx: Write) -> Relation:
            self._get(tx.session, account_id)
            gone = delete(models.Block).where(models.Block.blocker_id == me, models.Block.blocked_id == account_id)
            if tx.session.execute(gone).rowcount:  # type: ignore[attr-defined]
                tx.record(Unblocked(me, account_id))
            return self._relation(tx.session, me, account_id)

        return self.db.write(write)

    def _relation(self, session: SqlSession, me: str, account_id: str) -> Relation:
        session.flush()
        followers = session.scalar(select(models.Account.followers).where(models.Account.id == account_id))
        return Relation(
            following=session.scalar(
                select(func.count()).select_from(models.Follow).filter_by(follower_id=me, followee_id=account_id)
            )
            == 1,
            blocked=_blocks(session, me, account_id),
            followers=followers or 0,
        )

    def following_ids(self, account_id: str) -> list[str]:
        """Whom an account follows."""
        with self.db.read() as session:
            return list(
                session.scalars(select(models.Follow.followee_id).where(models.Follow.follower_id == account_id))
            )

    def walled_off(self, actor: Actor) -> frozenset[str]:
        """Accounts that `actor` must not see: blocked by or blocking them."""
        me = actor.account_id
        if me is None:
            return frozenset()
        block = models.Block
        with self.db.read() as session:
            rows = session.execute(
                select(block.blocker_id, block.blocked_id).where(or_(block.blocker_id == me, block.blocked_id == me))
            )
            return frozenset(other for row in rows for other in row if other != me)

    def hidden_authors(self, ids: Sequence[str]) -> set[str]:
        """Which of these accounts are suspended or removed, so that what they publish is not shown."""
        with self.db.read() as session:
            account = models.Account
            return {
                found
                for chunk in in_chunks(ids)
                for found in session.scalars(
                    select(account.id).where(account.id.in_(chunk), account.status != "active")
                )
            }


def _ref(account: models.Account, live: bool = False) -> AccountRef:
    return AccountRef(id=account.id, handle=account.handle, name=account.name, avatar=account.avatar, is_live=live)


def _blocks(session: SqlSession, blocker_id: str, blocked_id: str) -> bool:
    return session.get(models.Block, (blocker_id, blocked_id)) is not None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _verify(known: str, password: str) -> bool:
    try:
        return _hasher.verify(known, password)
    except (VerificationError, InvalidHashError):
        return False


def _absent() -> NotFound:
    return NotFound("account.not_found", "There is no such account.")
