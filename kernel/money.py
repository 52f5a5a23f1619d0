"""Money is an integer of minor units with a currency; how many of them make one is the currency's own affair (ISO 4217)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

Currency = Literal["CNY", "USD", "EUR", "JPY"]
HOME: Final[Currency] = "CNY"
"""What a site sells in that was told nothing else."""
_DIGITS: Final[dict[str, int]] = {"CNY": 2, "USD": 2, "EUR": 2, "JPY": 0}


def major(amount: int, currency: str) -> Decimal:
    """What people say and charts draw: `major(12900, "CNY")` is 129.00, `major(129, "JPY")` is 129."""
    return Decimal(amount).scaleb(-_DIGITS[currency])
