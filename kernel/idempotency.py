"""One idempotency key, one effect: the key is a row of the same commit as the effect, whichever door it came through."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import String, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from kernel.actor import Actor
from kernel.db import Base, Instant, Json, Write, insert_ignore
from kernel.errors import Conflict, FieldError, Invalid, Unauthenticated


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
    fingerprint = hashlib.sha256(json.dumps([operation, body], sort_keys=True, default=str).encode()).hexdigest()

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
            return _replay(tx, person, key, fingerprint)
        value = fn(tx)
        mine = (IdempotencyKey.person == person) & (IdempotencyKey.key == key)
        tx.session.execute(update(IdempotencyKey).where(mine).values(answer=value))
        return Answer(value)

    return run


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


def forget_before(tx: Write, moment: datetime) -> None:
    """Drop keys older than `moment`; nobody retries that long."""
    tx.session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < moment))


def _replay(tx: Write, person: str, key: str, fingerprint: str) -> Answer:
    same = (IdempotencyKey.person == person) & (IdempotencyKey.key == key)
    row = tx.session.execute(select(IdempotencyKey.fingerprint, IdempotencyKey.answer).where(same)).one()
    if row.fingerprint != fingerprint:
        raise Conflict("idempotency.key_reused", "This idempotency key was used with another request.")
    return Answer(row.answer, replayed=True)
