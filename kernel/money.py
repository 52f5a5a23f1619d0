"""Money in integer minor units. There is no division: whoever splits an amount says where the rest goes."""

from __future__ import annotations

from dataclasses import dataclass

_EXPONENTS = {"CNY": 2, "USD": 2, "EUR": 2, "JPY": 0}


@dataclass(frozen=True, order=False)
class Money:
    """`Money(12900, "CNY")` is 129.00 yuan. Amounts of two currencies do not mix (ValueError)."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if self.currency not in _EXPONENTS:
            raise ValueError(f"unknown currency {self.currency!r}")

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - self._same(other), self.currency)

    def __mul__(self, count: int) -> Money:
        return Money(self.amount * count, self.currency)

    def as_dict(self) -> dict[str, int | str]:
        return {"amount": self.amount, "currency": self.currency}

    def decimal(self) -> str:
        """`129.00`, as people read it."""
        exponent = _EXPONENTS[self.currency]
        sign, digits = ("-" if self.amount < 0 else ""), str(abs(self.amount)).rjust(exponent + 1, "0")
        return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}" if exponent else sign + digits

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not mix")
        return other.amount
