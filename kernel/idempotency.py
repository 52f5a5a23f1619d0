"""One idempotency key, one effect: the key is a row of the same commit as the effect, whichever door it came through."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import String, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.actor import Actor
from kernel.db import Base, Database, Instant, Json, Write, insert_ignore, prune
from kernel.errors import Conflict, FieldError, Invalid, Unauthenticated

KEPT = timedelta(days=30)
"""How long a key has its effect; longer than anybody retries."""


class IdempotencyKey(Base):
    """What a person's key did: the operation, a fingerprint of its body, and the answer it got."""

    __tablename__ = "idempotency_keys"

    person: Mapped[str] = mapped_column(String(48), primary_key=True)
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    operation: Mapped[str] = mapped_column(String(64))
    fingerprint: Mapped[str] = mapped_column(String(64))
    answer: Mapped[dict[str, Any] | None] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(Instant, index=True)


@dataclass(frozen=True)
class Answer:
    """What a command answered; `replayed` when this key had been answered before."""

    value: dict[str, Any]
    replayed: bool = False


def once(
    actor: Actor, key: str | None, operation: str, body: Any, fn: Callable[[Write], dict[str, Any]]
) -> Callable[[Write], Answer]:
    """Wrap a write so that `key` has one effect: the same body gets the first answer again, another body is refused.

    Without a key the write just runs. `body` must be JSON; `fn` returns the JSON answer. A refusal (an exception)
    is not remembered: nothing happened, so the key is still free.
    """
    if key is None:
        return lambda tx: Answer(fn(tx))
    person = actor.person
    if person is None:
        raise Unauthenticated("session.required", "An idempotency key needs somebody it belongs to.")
    check_key(key)
    fingerprint = _fingerprint(operation, body)

    def run(tx: Write) -> Answer:
        claim = {
            "person": person,
            "key": key,
            "operation": operation,
            "fingerprint": fingerprint,
            "answer": None,
            "created_at": tx.now,
        }
        if not insert_ignore(tx.session, IdempotencyKey.__table__, claim):
            return _replay(tx.session, person, key, fingerprint)
        value = fn(tx)
        mine = (IdempotencyKey.person == person) & (IdempotencyKey.key == key)
        tx.session.execute(update(IdempotencyKey).where(mine).values(answer=value))
        return Answer(value)

    return run


def replayed(db: Database, actor: Actor, key: str | None, operation: str, body: Any) -> Answer | None:
    """The first answer of a command that comes again, for one that looks at things before it writes: what it is about may have
    gone since. None when the key is fresh; for another body it is refused as by `once`, which is asked in any case."""
    person = actor.person
    if key is None or person is None:
        return None
    check_key(key)
    with db.read() as session:
        known = session.get(IdempotencyKey, (person, key)) is not None
        return _replay(session, person, key, _fingerprint(operation, body)) if known else None


def check_key(key: str) -> None:
    """Refuse a key that is empty, longer than 128 characters or not printable ASCII."""
    if not 1 <= len(key) <= 128 or not key.isascii() or not key.isprintable():
        error = FieldError("Idempotency-Key", "key.malformed", "1 to 128 printable ASCII characters")
        raise Invalid("idempotency.key_malformed", "The idempotency key has a wrong form.", [error])


def new_key() -> str:
    """A fresh key, for callers that are programs."""
    return secrets.token_urlsafe(18)


def first_answer(session: Any, actor: Actor, key: str) -> Answer | None:
    """What this person's key was answered, or None when it was never used."""
    row = session.get(IdempotencyKey, (actor.person, key))
    return None if row is None or row.answer is None else Answer(row.answer, replayed=True)


def forget(db: Database) -> None:
    """Drop the keys that are older than anybody's retry; a job of the clock."""
    keys = IdempotencyKey.__table__
    prune(db, keys, keys.c.created_at < db.clock.now() - KEPT)


def _fingerprint(operation: str, body: Any) -> str:
    return hashlib.sha256(json.dumps([operation, body], sort_keys=True, default=str).encode()).hexdigest()


def _replay(session: Session, person: str, key: str, fingerprint: str) -> Answer:
    same = (IdempotencyKey.person == person) & (IdempotencyKey.key == key)
    row = session.execute(select(IdempotencyKey.fingerprint, IdempotencyKey.answer).where(same)).one()
    if row.fingerprint != fingerprint:
        raise Conflict("idempotency.key_reused", "This idempotency key was used with another request.")
    return Answer(row.answer, replayed=True)
