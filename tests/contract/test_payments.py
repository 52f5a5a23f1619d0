"""What a payment provider promises the shop."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engines.payments import FakePayments, Webhook
from kernel.clock import FrozenClock
from kernel.errors import Conflict, Forbidden, Invalid, NotFound

pytestmark = pytest.mark.engine("fake-payments")
NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOON)


@pytest.fixture
def reopen(tmp_path: Path, clock: FrozenClock) -> Callable[[], FakePayments]:
    """The provider, as it is after each restart of the process."""
    secret = secrets.token_hex(16)
    return lambda: FakePayments(tmp_path / "payments.db", secret, "http://127.0.0.1:8000/", clock)


@pytest.fixture
def payments(reopen: Callable[[], FakePayments]) -> FakePayments:
    return reopen()


def test_same_key_gives_the_same_intent_even_after_a_restart(
    payments: FakePayments, reopen: Callable[[], FakePayments]
) -> None:
    first = payments.create("ord_1", 12900, "CNY", "key-1")
    assert first.url == f"http://127.0.0.1:8000/pay/{first.id}"
    assert payments.create("ord_1", 12900, "CNY", "key-1") == first
    assert reopen().create("ord_1", 12900, "CNY", "key-1") == first
    assert payments.create("ord_1", 12900, "CNY", "key-2") != first
    assert reopen().find(first.id).status == "open"


def test_key_used_for_something_else_is_refused_and_changes_nothing(payments: FakePayments) -> None:
    intent = payments.create("ord_1", 12900, "CNY", "key")
    for other in (("ord_2", 12900, "CNY"), ("ord_1", 1, "CNY"), ("ord_1", 12900, "USD")):
        with pytest.raises(Conflict) as refusal:
            payments.create(*other, "key")
        assert refusal.value.code == "payment.key_reused"
    assert (payments.find(intent.id).reference, payments.find(intent.id).amount) == ("ord_1", 12900)


@pytest.mark.parametrize("amount", [0, -1])
def test_amount_must_be_positive(payments: FakePayments, amount: int) -> None:
    with pytest.raises(Invalid) as refusal:
        payments.create("ord_1", amount, "CNY", "key")
    assert refusal.value.code == "payment.amount"


def test_payment_is_reported_by_a_signed_webhook_until_it_is_acknowledged(
    payments: FakePayments, reopen: Callable[[], FakePayments], clock: FrozenClock
) -> None:
    intent = payments.create("ord_1", 12900, "CNY", "key")
    webhook = payments.pay(intent.id)
    assert dict(payments.verify(webhook.payload, webhook.signature)) == {
        "id": webhook.id,
        "type": "payment.succeeded",
        "intent": intent.id,
        "payment": intent.id,
        "reference": "ord_1",
        "amount": 12900,
        "currency": "CNY",
        "at": "2026-11-22T04:00:00.000Z",
    }
    clock.advance(hours=2)
    again = reopen()
    (due,) = again.due()
    assert (due.id, due.payload) == (webhook.id, webhook.payload)
    assert again.verify(due.payload, due.signature)["reference"] == "ord_1"
    again.acknowledge(webhook.id)
    again.acknowledge(webhook.id)
    assert payments.due() == []


def test_paying_twice_is_one_payment(payments: FakePayments) -> None:
    intent = payments.create("ord_1", 100, "CNY", "key")
    assert payments.pay(intent.id) == payments.pay(intent.id)
    assert len(payments.due()) == 1


def test_refused_payment_may_be_tried_again_but_a_made_one_does_not_fail(payments: FakePayments) -> None:
    intent = payments.create("ord_1", 100, "CNY", "key")
    failed = payments.fail(intent.id)
    assert payments.verify(failed.payload, failed.signature)["type"] == "payment.failed"
    assert payments.find(intent.id).status == "failed"
    payments.pay(intent.id)
    with pytest.raises(Conflict) as refusal:
        payments.fail(intent.id)
    assert refusal.value.code == "payment.already_paid"
    assert payments.find(intent.id).status == "paid"


@pytest.mark.parametrize("act", ["find", "pay", "fail"])
def test_unknown_intent_is_not_found(payments: FakePayments, act: str) -> None:
    with pytest.raises(NotFound) as refusal:
        getattr(payments, act)("pay_absent")
    assert refusal.value.code == "payment.not_found"


def test_refund_is_made_once_per_key_and_never_above_what_was_paid(
    payments: FakePayments, reopen: Callable[[], FakePayments]
) -> None:
    intent = payments.create("ord_1", 100, "CNY", "key")
    with pytest.raises(Conflict) as refusal:
        payments.refund(intent.id, 100, "refund-1")
    assert refusal.value.code == "payment.not_paid"
    payments.pay(intent.id)
    first = payments.refund(intent.id, 60, "refund-1")
    assert reopen().refund(intent.id, 60, "refund-1") == first
    with pytest.raises(Conflict) as refusal:
        payments.refund(intent.id, 41, "refund-2")
    assert refusal.value.code == "payment.refund_exceeds"
    with pytest.raises(Conflict) as refusal:
        payments.refund(intent.id, 10, "refund-1")
    assert refusal.value.code == "payment.key_reused"
    assert payments.refund(intent.id, 40, "refund-2") != first


def test_refunds_that_race_never_exceed_the_payment(payments: FakePayments) -> None:
    intent = payments.create("ord_1", 100, "CNY", "key")
    payments.pay(intent.id)

    def refund(number: int) -> bool:
        try:
            payments.refund(intent.id, 30, f"refund-{number}")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(refund, range(16))) == 3


def paid(payments: FakePayments) -> Webhook:
    return payments.pay(payments.create("ord_1", 100, "CNY", "key").id)


def test_altered_payload_or_foreign_signature_is_refused(
    payments: FakePayments, tmp_path: Path, clock: FrozenClock
) -> None:
    webhook = paid(payments)
    body = json.loads(webhook.payload)
    altered = json.dumps({**body, "amount": 1}, separators=(",", ":")).encode()
    stranger = paid(FakePayments(tmp_path / "other.db", "another secret", "", clock))
    cases = [(altered, webhook.signature), (webhook.payload, stranger.signature)]
    cases += [
        (webhook.payload, bad) for bad in ("", "t=1", "v1=00", "t=,v1=", "t=٣,v1=0", "t=1,v1=é", f"t={'9' * 40},v1=0")
    ]
    for payload, signature in cases:
        with pytest.raises(Forbidden) as refusal:
            payments.verify(payload, signature)
        assert refusal.value.code == "payment.signature"


@pytest.mark.parametrize(("seconds", "good"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_signature_holds_for_five_minutes(payments: FakePayments, clock: FrozenClock, seconds: int, good: bool) -> None:
    webhook = paid(payments)
    clock.advance(seconds=seconds)
    if good:
        assert payments.verify(webhook.payload, webhook.signature)["id"] == webhook.id
        return
    with pytest.raises(Forbidden) as refusal:
        payments.verify(webhook.payload, webhook.signature)
    assert refusal.value.code == "payment.signature_expired"
