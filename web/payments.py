"""The provider's messages on their way to the shop: delivered at once, and again until they are acknowledged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from engines.payments import FakePayments, Payable, Webhook
from kernel.errors import AppError, NotFound
from shop import OrderService

log = logging.getLogger("offshelf.payments")
DELIVER = "payments.deliver"


class PretendProvider:
    """What a payer sees of the fake provider, and how it reports to the shop: signed, through the shop's own door."""

    def __init__(self, payments: FakePayments, orders: OrderService, off_loop: Callable[..., Any]) -> None:
        self.payments = payments
        self.orders = orders
        self._off_loop = off_loop

    def find(self, intent_id: str) -> Payable:
        """What is to be paid. Raises `payment.not_found`."""
        found: Payable = self._off_loop(self.payments.find, intent_id)
        return found

    def settle(self, intent_id: str, succeed: bool) -> None:
        """The payer pays, or their bank refuses; the shop is told, now or later."""
        act = self.payments.pay if succeed else self.payments.fail
        self._deliver(self._off_loop(act, intent_id))

    def deliver_due(self) -> int:
        """Deliver what nobody has acknowledged; how many messages there were. Runs again and again."""
        due: list[Webhook] = self._off_loop(self.payments.due)
        for webhook in due:
            self._deliver(webhook)
        return len(due)

    def _deliver(self, webhook: Webhook) -> None:
        try:
            self.orders.payment_reported(webhook.payload, webhook.signature)
        except NotFound:
            log.error("the payment %s belongs to no order", webhook.id)
        except AppError as error:
            log.warning("the payment %s was not taken: %s", webhook.id, error)
            return
        self._off_loop(self.payments.acknowledge, webhook.id)
