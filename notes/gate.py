"""The product gate: who may attach which product cards, to notes and to rooms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy.orm import Session

from accounts import ApplicationService, Strikes
from kernel.errors import FieldError, Forbidden, Invalid


class Listings(Protocol):
    """What notes ask of the shop. SKUs that are unknown, withdrawn or of somebody out of sight are absent from the answers."""

    def chips(self, viewer_id: str | None, sku_ids: Sequence[str]) -> Mapping[str, Any]:
        """By SKU what `schemas.ProductChip` reads: as a mapping or as an object's attributes; price and stock of this moment."""
        ...

    def merchants(self, session: Session, account_id: str, sku_ids: Sequence[str]) -> Mapping[str, str]:
        """By SKU the account of the merchant that lists it, of those that this account may see."""
        ...

    def owners(self, session: Session, sku_ids: Sequence[str]) -> Mapping[str, str]:
        """The same, of all known SKUs."""
        ...


class ProductGate:
    """Somebody else's products need an approved application and no active strike; one's own listings pass."""

    def __init__(self, applications: ApplicationService, strikes: Strikes, listings: Listings) -> None:
        self.applications = applications
        self.strikes = strikes
        self.listings = listings

    def check(self, session: Session, account_id: str, sku_ids: Sequence[str], kept: Sequence[str] = ()) -> str | None:
        """The kind of disclosure that these products force (`product`, `own_product`, None without products).

        Asked with the session of the write that attaches them, so that nothing slips in between. SKUs in `kept` may be
        withdrawn by now: a note outlives its product. Raises `creator.not_approved`, `creator.active_strike`,
        `product.not_found`.
        """
        if not sku_ids:
            return None
        _refuse_unknown(sku_ids, {*self.listings.merchants(session, account_id, sku_ids), *kept})
        # Whose it is holds while it is withdrawn, too: it may come back, on a note that nobody looks at again.
        owners = set(self.listings.owners(session, sku_ids).values())
        if owners - {account_id}:
            self._require_creator(session, account_id)
        return "own_product" if account_id in owners else "product"

    def _require_creator(self, session: Session, account_id: str) -> None:
        if not self.applications.approved(session, account_id):
            raise Forbidden("creator.not_approved", "Product cards need an approved creator application.")
        if strikes := self.strikes.strikes_within(session, account_id):
            raise Forbidden("creator.active_strike", "A strike still counts against this account.", strikes=strikes)


def _refuse_unknown(sku_ids: Sequence[str], known: set[str]) -> None:
    missing = [
        FieldError(f"products.{place}", "product.not_found", "there is no such product")
        for place, sku_id in enumerate(sku_ids)
        if sku_id not in known
    ]
    if missing:
        raise Invalid("product.not_found", "There is no such product.", missing)
