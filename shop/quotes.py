"""A quote: what the lines cost now, and whether that still holds when the person confirms it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, String, bindparam, select
from sqlalchemy.orm import Session

from accounts import AccountService, wall
from kernel.db import Write, upsert
from kernel.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from shop.models import DefaultAddress, Order, Product, Quote, Sku
from shop.schemas import Address, LineIn, LineOut, MoneyOut, StoredLine, Touchpoint
from shop.stock import Part

Limits = dict[str, int]  # SKU id -> units per person

_quote, _order, _sku, _product = Quote.__table__.c, Order.__table__.c, Sku.__table__.c, Product.__table__.c
_FIND_QUOTE: Select[Any] = select(*_quote, _order.id.label("order_id")).join_from(
    Quote.__table__, Order.__table__, _order.quote_id == _quote.id, isouter=True
)
_FIND_QUOTE = _FIND_QUOTE.where(_quote.id == bindparam("quote_id"), _quote.buyer_id == bindparam("buyer"))
_OFFERS = (
    select(
        *(_sku.id, _sku.name, _sku.price, _sku.currency, _sku.person_limit),
        *(_product.id.label("product_id"), _product.merchant_id, _product.title, _product.status),
        wall(_product.merchant_id, bindparam("buyer", type_=String)).label("walled_off"),
    )
    .join_from(Sku.__table__, Product.__table__)
    .where(_sku.id.in_(bindparam("skus", expanding=True)))
)


def parts(lines: Sequence[StoredLine]) -> list[Part]:
    return [Part(line.sku, line.qty) for line in lines]


def order_shape(lines: Sequence[StoredLine]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Channel, rooms and SKUs of an order, as its facts carry them."""
    touchpoints = [line.touchpoint or {} for line in lines]
    rooms = tuple(dict.fromkeys(str(one["room_id"]) for one in touchpoints if one.get("room_id")))
    return touchpoints[0].get("placement") or "product", rooms, tuple(line.sku for line in lines)


def line_out(line: StoredLine, currency: str) -> LineOut:
    return LineOut(
        sku=line.sku,
        product_id=line.product_id,
        title=line.title,
        name=line.name,
        qty=line.qty,
        price=MoneyOut(amount=line.price, currency=currency),
        amount=MoneyOut(amount=line.price * line.qty, currency=currency),
        touchpoint=Touchpoint(**line.touchpoint) if line.touchpoint else None,
    )


def priced(session: Session, buyer: str, wanted: Sequence[LineIn]) -> tuple[list[StoredLine], str]:
    """The lines at present prices, and their currency. What stands behind a block is not there."""
    offers = _offers(session, buyer, [line.sku for line in wanted])
    for n, line in enumerate(wanted):
        if line.sku not in offers or not _open_to_buyer(offers[line.sku]):
            raise NotFound("sku.not_found", "There is no such SKU for sale.", sku=line.sku, field=f"lines.{n}.sku")
    if len(offers) < len(wanted):
        raise _refused_lines("quote.duplicate_sku", "A SKU is named by one line.")
    if len({row.currency for row in offers.values()}) > 1:
        raise _refused_lines("money.mixed_currencies", "An order has one currency.")
    lines = [
        StoredLine(
            sku=line.sku,
            product_id=offers[line.sku].product_id,
            merchant_id=offers[line.sku].merchant_id,
            title=offers[line.sku].title,
            name=offers[line.sku].name,
            qty=line.qty,
            price=offers[line.sku].price,
            touchpoint=line.touchpoint.model_dump(exclude_none=True) if line.touchpoint else None,
        )
        for line in wanted
    ]
    return lines, offers[wanted[0].sku].currency


def refuse_own(buyer: str, lines: Sequence[StoredLine]) -> None:
    """Nobody buys from themselves: it would move every figure, and neither goods nor money."""
    own = [line.sku for line in lines if line.merchant_id == buyer]
    if own:
        raise Forbidden("merchant.own_goods", "These are goods of your own.", skus=own)


def refuse_suspended(session: Session, accounts: AccountService, lines: Sequence[StoredLine]) -> None:
    """A merchant who is suspended sells nothing more; what was ordered before stays ordered."""
    gone = accounts.inactive(session, sorted({line.merchant_id for line in lines}))
    if gone:
        skus = [line.sku for line in lines if line.merchant_id in gone]
        raise Conflict("merchant.not_selling", "Its merchant does not sell at the moment.", skus=skus)


def _refused_lines(code: str, detail: str) -> Invalid:
    return Invalid(code, detail, [FieldError("lines", code, detail)])


def remembered_address(tx: Write, buyer: str, given: Address | None) -> dict[str, Any] | None:
    """The address given, remembered; else the one used last."""
    if given is None:
        mine = select(DefaultAddress.address).where(DefaultAddress.account_id == buyer)
        return tx.session.scalar(mine)
    address = given.model_dump()
    row = {"account_id": buyer, "address": address}
    upsert(tx.session, DefaultAddress.__table__, row, ["account_id"], {"address": address})
    return address


def open_quote(tx: Write, quote_id: str, buyer: str) -> Row[Any]:
    quote = tx.session.execute(_FIND_QUOTE, {"quote_id": quote_id, "buyer": buyer}).first()
    if quote is None:
        raise NotFound("quote.not_found", "There is no such quote.")
    if quote.order_id is not None:
        raise used()
    if quote.expires_at <= tx.now:
        raise Conflict("quote.expired", "This quote has expired; ask for a new one.")
    return quote


def used() -> Conflict:
    return Conflict("quote.used", "This quote has become an order already.")


def not_available(skus: Sequence[str]) -> Conflict:
    return Conflict("product.not_available", "This is not for sale any more.", skus=list(skus))


def unchanged(session: Session, buyer: str, lines: Sequence[StoredLine]) -> Limits:
    """The limits per person of the lines' SKUs, once everything is still for sale at the quoted price."""
    offers = _offers(session, buyer, [line.sku for line in lines])
    gone = [line.sku for line in lines if not _open_to_buyer(offers[line.sku])]
    if gone:
        raise not_available(gone)
    changed = [
        {"sku": line.sku, "was": line.price, "is": offers[line.sku].price}
        for line in lines
        if offers[line.sku].price != line.price
    ]
    if changed:
        raise Conflict("quote.changed", "A price has changed; look at the new total first.", changed=changed)
    return {sku: row.person_limit for sku, row in offers.items() if row.person_limit is not None}


def _offers(session: Session, buyer: str, sku_ids: Sequence[str]) -> dict[str, Row[Any]]:
    return {row.id: row for row in session.execute(_OFFERS, {"skus": sku_ids, "buyer": buyer})}


def _open_to_buyer(offer: Row[Any]) -> bool:
    return offer.status == "listed" and not offer.walled_off
