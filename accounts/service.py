"""Who is logged in: registration, passwords, sessions and anonymous devices."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, select, update

from accounts import models
from accounts.facts import DeviceMerged, LoggedIn
from accounts.people import ref_of
from accounts.relations import Relations
from accounts.schemas import AccountRef, Credentials, Registration
from kernel.actor import Actor
from kernel.db import Database, Write, prune
from kernel.errors import Forbidden, Unauthenticated
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
        return Session(secret, expires_at, ref_of(tx.session.get_one(models.Account, account_id)))

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

    def forget_sessions(self) -> None:
        """Delete tokens a week after they expired; until then they are answered as expired."""
        tokens = models.Token.__table__.c
        prune(self.db, tokens.hash, tokens.expires_at < self.db.clock.now() - EXPIRED_KEPT)

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
            rows = session.execute(_SESSION.where(models.Token.hash == _digest(token))).all()
        if not rows:
            raise Unauthenticated("session.invalid", "This token is not known.")
        row = rows[0]
        if row.expires_at <= self.db.clock.now():
            raise Unauthenticated("session.expired", "This session has expired; log in again.")
        if row.status != "active":
            raise Unauthenticated("account.suspended", "This account is suspended.")
        roles = frozenset(line.role for line in rows if line.role is not None)
        return Actor(row.account_id, row.device_id, roles, row.synthetic)

    def device_actor(self, device_id: str) -> Actor | None:
        """An anonymous visitor by device, or None when the device is not known."""
        with self.db.read() as session:
            device = session.get(models.Device, device_id)
            return None if device is None else Actor(None, device.id, frozenset(), device.synthetic)

    def grant(self, account_id: str, role: str) -> None:
        """Give an account a role."""
        self.db.write(lambda tx: self.add_role(tx, account_id, role))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _verify(known: str, password: str) -> bool:
    try:
        return _hasher.verify(known, password)
    except (VerificationError, InvalidHashError):
        return False
