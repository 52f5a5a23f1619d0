"""A payment provider of our own for the demo and the tests, which behaves like a real one.

It lives apart from the shop: its own small database outlives kill -9, it knows intents by an idempotency key, and it
reports by signed webhooks that stay due until they are acknowledged. No money moves.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.disk import needs_room
from kernel.clock import rfc3339
from kernel.errors import Conflict, Forbidden, Invalid, NotFound
from kernel.ports import Clock, PaymentIntent

TOLERANCE_SECONDS = 300
PAID, FAILED, OPEN = "paid", "failed", "open"

TABLES = """
CREATE TABLE IF NOT EXISTS intent (
  id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, reference TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount > 0),
  currency TEXT NOT NULL, status TEXT NOT NULL DEFAULT 'open', refunded INTEGER NOT NULL DEFAULT 0
    CHECK (refunded BETWEEN 0 AND amount)
);
CREATE TABLE IF NOT EXISTS refund (
  id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, intent TEXT NOT NULL REFERENCES intent,
  amount INTEGER NOT NULL CHECK (amount > 0)
);
CREATE TABLE IF NOT EXISTS webhook (id TEXT PRIMARY KEY, payload BLOB NOT NULL, due INTEGER NOT NULL DEFAULT 1);
"""


@dataclass(frozen=True)
class Webhook:
    """What the provider posts: the exact bytes, and the signature that goes beside them in a header."""

    id: str
    payload: bytes
    signature: str


@dataclass(frozen=True)
class Payable:
    """What the payer sees on the page. `status` is `open`, `paid` or `failed` (and may be tried again)."""

    id: str
    reference: str
    amount: int
    currency: str
    status: str


class FakePayments:
    """Payments whose payer presses a button. `path` is its SQLite file; the payer goes to `base_url`/pay/`intent id`.

    The id of an intent is also the id of its payment. Each call opens the file anew, so any native thread may call.
    """

    def __init__(self, path: Path, secret: str, base_url: str, clock: Clock) -> None:
        self._path, self._base_url, self._clock = path, base_url.rstrip("/"), clock
        self._secret = secret.encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(TABLES)

    def create(self, reference: str, amount: int, currency: str, key: str) -> PaymentIntent:
        """Raises `Invalid` (amount not positive) or `Conflict` (`key` asked for something else before)."""
        _check_amount(amount)
        intent = self._derive("pay", key)
        with self._writing() as tx:
            tx.execute(
                "INSERT INTO intent (id, key, reference, amount, currency) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (intent, key, reference, amount, currency),
            )
            row = tx.execute("SELECT reference, amount, currency FROM intent WHERE id = ?", (intent,)).fetchone()
        if tuple(row) != (reference, amount, currency):
            raise Conflict("payment.key_reused", "This key asked for another payment before.")
        return PaymentIntent(intent, f"{self._base_url}/pay/{intent}")

    def refund(self, payment_id: str, amount: int, key: str) -> str:
        """Raises `NotFound`, `Invalid`, or `Conflict` (unpaid, more than is left, `key` refunded something else)."""
        _check_amount(amount)
        refund = self._derive("ref", key)
        with self._writing() as tx:
            made = tx.execute("SELECT intent, amount FROM refund WHERE id = ?", (refund,)).fetchone()
            if made is None:
                self._give_back(tx, payment_id, amount)
                tx.execute("INSERT INTO refund VALUES (?, ?, ?, ?)", (refund, key, payment_id, amount))
            elif tuple(made) != (payment_id, amount):
                raise Conflict("payment.key_reused", "This key refunded another payment before.")
        return refund

    def verify(self, payload: bytes, signature: str) -> Mapping[str, Any]:
        """The body `{id, type, intent, payment, reference, amount, currency, at}`; `type` is `payment.succeeded` or
        `payment.failed`. Refused when altered, signed by another, or signed more than five minutes from now.
        """
        parts = dict(part.partition("=")[::2] for part in signature.split(","))
        at = parts.get("t", "")
        if not at.isascii() or not at.isdigit() or len(at) > 12:
            raise Forbidden("payment.signature", "The signature cannot be read.")
        if not hmac.compare_digest(self._mac(at, payload).encode(), parts.get("v1", "").encode()):
            raise Forbidden("payment.signature", "The signature is not the provider's.")
        if abs(self._clock.now().timestamp() - int(at)) > TOLERANCE_SECONDS:
            raise Forbidden("payment.signature_expired", "The signature is older than five minutes.")
        body: dict[str, Any] = json.loads(payload)
        return body

    def find(self, intent_id: str) -> Payable:
        """What the payment page shows. Raises `NotFound`."""
        with self._opened() as connection:
            return self._payable(connection, intent_id)

    def pay(self, intent_id: str) -> Webhook:
        """The payer pays; a second time changes nothing. Like a real provider it takes money for a closed order."""
        return self._settle(intent_id, PAID, "payment.succeeded")

    def record_paid(self, orders: Iterable[tuple[str, int, str]]) -> list[str]:
        """Payments that were made and reported in the past (reference, amount, currency), as `create` with the key
        `order:REFERENCE` and `pay` would have left them, in one commit; their ids. For loading a history.
        """
        rows = [(self._derive("pay", f"order:{ref}"), f"order:{ref}", ref, amount, cur) for ref, amount, cur in orders]
        with self._writing() as tx:
            tx.executemany(
                "INSERT INTO intent (id, key, reference, amount, currency, status) VALUES (?, ?, ?, ?, ?, 'paid')"
                " ON CONFLICT DO NOTHING",
                rows,
            )
        return [row[0] for row in rows]

    def fail(self, intent_id: str) -> Webhook:
        """The payer's bank refuses; may be tried again. Raises `Conflict` when paid already."""
        return self._settle(intent_id, FAILED, "payment.failed")

    def due(self, limit: int = 100) -> list[Webhook]:
        """Webhooks nobody has acknowledged, oldest first, signed now: deliver them again after a crash."""
        with self._opened() as connection:
            rows = connection.execute(
                "SELECT id, payload FROM webhook WHERE due ORDER BY rowid LIMIT ?", (limit,)
            ).fetchall()
        return [self._sign(*row) for row in rows]

    def acknowledge(self, webhook_id: str) -> None:
        """The receiver answered 2xx; idempotent."""
        with self._writing() as tx:
            tx.execute("UPDATE webhook SET due = 0 WHERE id = ?", (webhook_id,))

    def _settle(self, intent_id: str, status: str, kind: str) -> Webhook:
        with self._writing() as tx:
            payable = self._payable(tx, intent_id)
            if payable.status == PAID and status != PAID:
                raise Conflict("payment.already_paid", "This payment has been made.")
            event = self._derive("evt", f"{intent_id}:{status}")
            tx.execute("UPDATE intent SET status = ? WHERE id = ?", (status, intent_id))
            payload = self._payload(event, kind, payable)
            tx.execute("INSERT INTO webhook (id, payload) VALUES (?, ?) ON CONFLICT DO NOTHING", (event, payload))
            kept: bytes = tx.execute("SELECT payload FROM webhook WHERE id = ?", (event,)).fetchone()[0]
        return self._sign(event, kept)

    def _give_back(self, tx: sqlite3.Connection, payment_id: str, amount: int) -> None:
        if self._payable(tx, payment_id).status != PAID:
            raise Conflict("payment.not_paid", "A payment that was not made cannot be refunded.")
        changed = tx.execute(
            "UPDATE intent SET refunded = refunded + ? WHERE id = ? AND refunded + ? <= amount",
            (amount, payment_id, amount),
        )
        if changed.rowcount != 1:
            raise Conflict("payment.refund_exceeds", "More would be refunded than was paid.")

    def _payable(self, connection: sqlite3.Connection, intent_id: str) -> Payable:
        row = connection.execute(
            "SELECT id, reference, amount, currency, status FROM intent WHERE id = ?", (intent_id,)
        ).fetchone()
        if row is None:
            raise NotFound("payment.not_found", "There is no such payment.")
        return Payable(*row)

    def _payload(self, event: str, kind: str, payable: Payable) -> bytes:
        body = {
            "id": event,
            "type": kind,
            "intent": payable.id,
            "payment": payable.id,
            "reference": payable.reference,
            "amount": payable.amount,
            "currency": payable.currency,
            "at": rfc3339(self._clock.now()),
        }
        return json.dumps(body, separators=(",", ":")).encode()

    def _sign(self, event: str, payload: bytes) -> Webhook:
        at = str(int(self._clock.now().timestamp()))
        return Webhook(event, payload, f"t={at},v1={self._mac(at, payload)}")

    def _mac(self, at: str, payload: bytes) -> str:
        return hmac.new(self._secret, at.encode() + b"." + payload, hashlib.sha256).hexdigest()

    def _derive(self, prefix: str, key: str) -> str:
        """An id that follows from the key, and that nobody without the secret can guess."""
        digest = hmac.new(self._secret, f"{prefix}:{key}".encode(), hashlib.sha256).hexdigest()
        return f"{prefix}_{digest[:32]}"

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=10, isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        return connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._opened() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with needs_room(), closing(self._connect()) as connection:
            yield connection


def _check_amount(amount: int) -> None:
    if amount <= 0:
        raise Invalid("payment.amount", "An amount is a positive number of minor units.")
