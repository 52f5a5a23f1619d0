"""What the shop does later, at least once; each step re-reads its row and does nothing the second time."""

from __future__ import annotations

import logging

from kernel.errors import Unavailable
from kernel.jobs import Handler
from shop.checkout import CLOSE_ORDER
from shop.orders import REFUND, OrderService
from shop.products import ProductService
from shop.waiting import SERVE_WAITERS

log = logging.getLogger("offshelf.shop")


def handlers(orders: OrderService, products: ProductService) -> dict[str, Handler]:
    """Job name -> what does it."""
    return {
        CLOSE_ORDER: lambda args: _close(orders, args["order_id"]),
        REFUND: lambda args: _refund(orders, args["payment_id"]),
        SERVE_WAITERS: lambda args: products.serve_waiters(args["sku_id"]),
    }


def _close(orders: OrderService, order_id: str) -> None:
    orders.close_due(order_id)


def _refund(orders: OrderService, payment_id: str) -> None:
    """Money owed is never parked: while the provider is away, ask again later."""
    try:
        orders.refund(payment_id)
    except (Unavailable, OSError) as error:
        log.warning("the provider did not take the refund of %s: %s", payment_id, error)
        orders.refund_later(payment_id)
