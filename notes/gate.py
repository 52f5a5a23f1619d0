"""The product gate: who may attach which product cards, to notes and to rooms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from accounts import ApplicationService, Strikes
from kernel.actor import Actor
from kernel.errors import AppError, FieldError, Forbidden, Invalid


class Listings(Protocol):
    """What notes ask of the shop. Unknown and withdrawn SKUs are absent from the answers."""

    def chips(self, sku_ids: Sequence[str]) -> Mapping[str, Any]:
        """By SKU what `schemas.ProductChip` reads: as a mapping or as an object's attributes; price and stock of this moment."""
        ...

    def merchants(self, sku_ids: Sequence[str]) -> Mapping[str, str]:
        """By SKU the account of the merchant that lists it."""
        ...


@dataclass(frozen=True)
class Clearance:
    """The gate's answer for one account and one set of SKUs, to be asserted inside a write that must not ask again."""

    sku_ids: tuple[str, ...] = ()
    disclosure: str | None = None
    refusal: AppError | None = None

    def require(self) -> str | None:
        """The kind of disclosure that these products force, or raise the refusal."""
        if self.refusal is not None:
            raise self.refusal
        return self.disclosure


class ProductGate:
    """Somebody else's products need an approved application and no active strike; one's own listings pass."""

    def __init__(self, applications: ApplicationService, strikes: Strikes, listings: Listings) -> None:
        self.applications = applications
        self.strikes = strikes
        self.listings = listings

    def check(self, actor: Actor, sku_ids: Sequence[str]) -> str | None:
        """The disclosure's kind (`product`, `own_product`, None without products).

        Raises `creator.not_approved`, `creator.active_strike`, `product.not_found`.
        """
        return self.clear(actor.require_account(), sku_ids).require()

    def clear(self, account_id: str, sku_ids: Sequence[str], kept: Sequence[str] = ()) -> Clearance:
        """The same answer without raising. SKUs in `kept` may be withdrawn by now: a note outlives its product."""
        if not sku_ids:
            return Clearance()
        merchants = self.listings.merchants(sku_ids)
        owners = {merchants[sku_id] for sku_id in sku_ids if sku_id in merchants}
        refusal = _unknown(sku_ids, {*merchants, *kept})
        if refusal is None and owners - {account_id}:
            refusal = self._not_a_creator(account_id)
        return Clearance(tuple(sku_ids), "own_product" if account_id in owners else "product", refusal)

    def _not_a_creator(self, account_id: str) -> AppError | None:
        if not self.applications.approved(account_id):
            return Forbidden("creator.not_approved", "Product cards need an approved creator application.")
        if strikes := self.strikes.active_strikes(account_id):
            return Forbidden("creator.active_strike", "A strike still counts against this account.", strikes=strikes)
        return None


def _unknown(sku_ids: Sequence[str], known: set[str]) -> AppError | None:
    missing = [
        FieldError(f"products.{place}", "product.not_found", "there is no such product")
        for place, sku_id in enumerate(sku_ids)
        if sku_id not in known
    ]
    return Invalid("product.not_found", "There is no such product.", missing) if missing else None
