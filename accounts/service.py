"""Who is logged in: registration, passwords, sessions and anonymous devices."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, or_, select, update

from accounts import models
from accounts.company import STAFF, is_staff, ref_of
from accounts.facts import DeviceMerged, LoggedIn, LoggedOut
from accounts.people import spoken
from accounts.relations import Relations
from accounts.schemas import AccountRef, Credentials, Registration
from kernel.actor import Actor
from kernel.db import Database, Write, insert_ignore, prune
from kernel.errors import FieldError, Forbidden, Invalid, Unauthenticated
from kernel.ids import new_id

TOKEN_LIFE = timedelta(days=30)
EXPIRED_KEPT = timedelta(days=7)
_hasher = PasswordHasher()
# Verified when the handle is unknown, so that an unknown handle takes as long as a wrong password.
_DECOY = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$5qyHZkNUEMzlYFnGYbvTQm4Fg1nqDHTqJsD0dHVnLVk"

_SESSION = (
    select(
        models.Token.device_id,
        models.Token.expires_at,
        models.Token.account_id,
        models.Account.status,
        models.Account.synthetic,
        models.AccountRole.role,
    )
    .join(models.Account, models.Account.id == models.Token.account_id)
    .outerjoin(models.AccountRole, models.AccountRole.account_id == models.Token.account_id)
)

# Who logged in on a device last is whom it belongs to: where they are no person, it is none either.
_DEVICE = select(
    models.Device.id,
    models.Device.account_id,
    or_(models.Device.synthetic, func.coalesce(models.Account.synthetic, False), is_staff(models.Account.id)).label(
        "synthetic"
    ),
).outerjoin(models.Account, models.Account.id == models.Device.account_id)


@dataclass(frozen=True)
class Session:
    """A fresh log-in: the secret is shown once and kept only as a hash."""

    token: str
    expires_at: datetime
    account: AccountRef


class AccountService(Relations):
    """Accounts, how they stand to each other, and who is logged in.

    `off_loop` runs password hashing (92 ms each) where it does not stop everybody else.
    """

    def __init__(self, db: Database, off_loop: Callable[..., object]) -> None:
        super().__init__(db)
        self._off_loop = off_loop

    def hash_password(self, password: str) -> str:
        """What `add` keeps of a password (argon2id, with a salt of its own each time)."""
        return str(self._off_loop(_hasher.hash, password))

    def register(self, form: Registration, device_id: str | None = None, synthetic: bool = False) -> Session:
        """A new account, logged in. `account.handle_taken` when somebody has the handle; `account.handle_refused` when the
        rules of the house stop it, because it stays: a name can be mended later."""
        if self.forbids(spoken(form.handle)):
            error = FieldError("handle", "account.handle_refused", "breaks a rule of the house")
            raise Invalid("account.handle_refused", "The rules of the house do not allow this handle.", [error])
        password_hash = self.hash_password(form.password)
        return self.db.write(lambda tx: self._register(tx, form, password_hash, device_id, synthetic))

    def _register(
        self, tx: Write, form: Registration, password_hash: str, device_id: str | None, synthetic: bool
    ) -> Session:
        account_id = self.add(
            tx, form.handle, form.name or form.handle, password_hash=password_hash, synthetic=synthetic
        )
        return self._logged_in(tx, account_id, device_id)

    def log_in(self, form: Credentials, device_id: str | None = None) -> Session:
        """A new session. Unknown handle and wrong password are refused alike (`session.wrong_credentials`)."""
        with self.db.read() as session:
            row = session.scalar(select(models.Account).where(models.Account.handle == form.handle.lower()))
        known = row.password_hash if row is not None and row.password_hash else _DECOY
        if not self._off_loop(_verify, known, form.password) or row is None or known is _DECOY:
            raise Unauthenticated("session.wrong_credentials", "Handle or password is wrong.")
        if row.status != "active":
            raise Forbidden("account.suspended", "This account is suspended.")
        return self.db.write(lambda tx: self._logged_in(tx, row.id, device_id))

    def _logged_in(self, tx: Write, account_id: str, device_id: str | None) -> Session:
        session = self._open_session(tx, account_id, device_id)
        tx.record(LoggedIn(account_id))
        return session

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
        tx.session.flush()
        return Session(secret, expires_at, ref_of(tx.session.get_one(models.Account, account_id)))

    def _merge(self, tx: Write, device_id: str, account_id: str) -> None:
        """A device is the account's until somebody else logs in on it; what it did before anybody had is the first one's."""
        device = models.Device
        mine = update(device).where(device.id == device_id).values(account_id=account_id, merged_at=tx.now)
        if tx.session.execute(mine.execution_options(synchronize_session=False)).rowcount:  # type: ignore[attr-defined]
            tx.record(DeviceMerged(device_id, account_id))

    def log_out(self, token: str) -> None:
        """End a session; an unknown one is no error."""
        mine = delete(models.Token).where(models.Token.hash == _digest(token)).returning(models.Token.account_id)

        def write(tx: Write) -> None:
            for account_id in tx.session.scalars(mine).all():
                tx.record(LoggedOut(account_id))

        self.db.write(write)

    def forget_sessions(self) -> None:
        """Delete tokens a week after they expired; until then they are answered as expired."""
        tokens = models.Token.__table__
        prune(self.db, tokens, tokens.c.expires_at < self.db.clock.now() - EXPIRED_KEPT)

    def new_device(self, synthetic: bool = False) -> str:
        """An anonymous device, for somebody who has no account yet."""
        return self.db.write(lambda tx: self.add_device(tx, synthetic))

    def next_device(self) -> str:
        """An id for a device that is none yet."""
        return new_id("dev", self.db.clock.now())

    def keep_device(self, device_id: str) -> None:
        """Make an id that was given out before a device; again is no error."""

        def write(tx: Write) -> None:
            row = {"id": device_id, "synthetic": False, "created_at": tx.now}
            insert_ignore(tx.session, models.Device.__table__, row)

        self.db.write(write)

    def add_device(self, tx: Write, synthetic: bool = False) -> str:
        """Write an anonymous device inside a larger write; its id."""
        device_id = new_id("dev", tx.now)
        tx.session.add(models.Device(id=device_id, synthetic=synthetic, created_at=tx.now))
        return device_id

    def authenticate(self, token: str) -> Actor:
        """The actor of a token, else `Unauthenticated` (`session.invalid`, `session.expired`)."""
        with self.db.read() as session:
            rows = session.execute(_SESSION.where(models.Token.hash == _digest(token))).all()
        if not rows:
            raise Unauthenticated("session.invalid", "This token is not known.")
        row = rows[0]
        if row.expires_at <= self.db.clock.now():
            raise Unauthenticated("session.expired", "This session has expired; log in again.")
        if row.status != "active":
            raise Unauthenticated("account.suspended", "This account is suspended.")
        roles = frozenset(line.role for line in rows if line.role is not None)
        staff = not roles.isdisjoint(STAFF)  # no persons in the figures (DESIGN.md)
        return Actor(row.account_id, row.device_id, roles, row.synthetic or staff)

    def device_actor(self, device_id: str) -> Actor | None:
        """An anonymous visitor by device, or None when the device is not known."""
        with self.db.read() as session:
            row = session.execute(_DEVICE.where(models.Device.id == device_id)).one_or_none()
        return None if row is None else Actor(None, row.id, frozenset(), row.synthetic, row.account_id)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _verify(known: str, password: str) -> bool:
    try:
        return _hasher.verify(known, password)
    except (VerificationError, InvalidHashError):
        return False
