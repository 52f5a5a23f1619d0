"""What one person may hold: units of a limited SKU, and orders not yet paid."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text

from kernel.db import Write
from kernel.errors import Conflict
from shop.quotes import Limits
from shop.schemas import StoredLine

# Counters that refuse by themselves: no row comes back when the cap is reached.
_COUNT_UNPAID = text(
    "INSERT INTO buyers (account_id, unpaid) VALUES (:buyer, 1) ON CONFLICT (account_id) "
    "DO UPDATE SET unpaid = buyers.unpaid + 1 WHERE buyers.unpaid < :cap RETURNING unpaid"
)
_COUNT_UNITS = text(
    "INSERT INTO sku_buyers (sku_id, account_id, qty) VALUES (:sku, :buyer, :qty) ON CONFLICT (sku_id, account_id) "
    "DO UPDATE SET qty = sku_buyers.qty + :qty WHERE sku_buyers.qty + :qty <= :cap RETURNING qty"
)


def count(tx: Write, buyer: str, lines: Sequence[StoredLine], limits: Limits, cap: int) -> None:
    """Count the order against the person's limits, or refuse it."""
    for line in sorted(lines, key=lambda line: line.sku):
        if line.sku in limits:
            limit = limits[line.sku]
            values = {"sku": line.sku, "buyer": buyer, "qty": line.qty, "cap": limit}
            counted = line.qty <= limit and tx.session.execute(_COUNT_UNITS, values).first() is not None
            within_limit(counted, line.sku, limits)
    if tx.session.execute(_COUNT_UNPAID, {"buyer": buyer, "cap": cap}).first() is None:
        raise Conflict("order.too_many_unpaid", f"Pay or cancel one of your {cap} unpaid orders first.", cap=cap)


def within_limit(kept: bool, sku_id: str, limits: Limits) -> None:
    if not kept:
        limit = limits[sku_id]
        raise Conflict("stock.person_limit", f"At most {limit} of this per person.", sku=sku_id, limit=limit)
