"""How products are read and shown: rows of a SKU with its product and stock, and what they look like outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, String, bindparam, select
from sqlalchemy.orm import Session

from accounts import AccountRef, out_of_sight
from kernel.clock import rfc3339
from shop.models import Product, Sku, Stock
from shop.schemas import Cover, MoneyOut, ProductCard, ProductChip, ProductOut, SkuOut, StockOut
from shop.stock import Level

Rows = list[Row[Any]]
_product, _sku, _stock = Product.__table__.c, Sku.__table__.c, Stock.__table__.c
# The viewer is a parameter, NULL when none is given; asked here, whose goods a card may show costs no statement of its own.
SKUS: Select[Any] = (
    select(
        _sku.id,
        _sku.product_id,
        _sku.name,
        _sku.price,
        _sku.currency,
        _sku.person_limit,
        _sku.version,
        _product.title,
        _product.cover,
        _product.status,
        _product.merchant_id,
        _stock.available,
        _stock.reserved,
        out_of_sight(_product.merchant_id, bindparam("viewer", None, String)).label("out_of_sight"),
    )
    .join_from(Sku.__table__, Product.__table__)
    .join(Stock.__table__)
    .order_by(_sku.product_id, _sku.position)
)


@dataclass(frozen=True)
class ProductContent:
    """A product for search and ranking: words and state, never to be shown without `cards`."""

    id: str
    merchant_id: str
    title: str
    text: str
    category: str
    sku_ids: tuple[str, ...]
    in_stock: bool
    status: str
    version: int
    created_at: datetime


def sku_out(row: Row[Any]) -> SkuOut:
    """A row of `SKUS` as everybody sees it."""
    return SkuOut(
        id=row.id,
        product_id=row.product_id,
        title=row.title,
        name=row.name,
        price=MoneyOut(amount=row.price, currency=row.currency),
        available=row.available,
        state="in_stock" if row.available else "all_held" if row.reserved else "sold_out",
        person_limit=row.person_limit,
        version=row.version,
    )


def shown(session: Session, product_id: str, merchant: AccountRef) -> ProductOut:
    """One product as this session sees it."""
    row = session.execute(select(Product.__table__).where(_product.id == product_id)).one()
    return ProductOut(
        id=row.id,
        title=row.title,
        description=row.description,
        category=row.category,
        cover=Cover(**row.cover) if row.cover else None,
        merchant=merchant,
        skus=[sku_out(line) for line in session.execute(SKUS.where(_sku.product_id == product_id))],
        hidden=row.status != "listed",
        version=row.version,
        created_at=rfc3339(row.created_at),
    )


def words_of(session: Session, product_id: str) -> str:
    """What a listing says, as this session sees it: all that a merchant wrote."""
    said = select(_product.title, _product.description, _product.category).where(_product.id == product_id)
    names = select(_sku.name).where(_sku.product_id == product_id).order_by(_sku.position)
    return "\n".join([*session.execute(said).one(), *session.scalars(names)])


class SkuRows:
    """Rows of `SKUS` as they were loaded for one viewer: all SKUs of the products asked for, and single ones."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    @property
    def merchants(self) -> set[str]:
        return {row.merchant_id for row in self.rows}

    def of_products(self) -> dict[str, Rows]:
        """By product, SKUs in their order."""
        found: dict[str, Rows] = {}
        for row in self.rows:
            found.setdefault(row.product_id, []).append(row)
        return found

    def chips(self) -> dict[str, ProductChip]:
        """What a note or a room shows of these SKUs, by id."""
        return {row.id: chip(row) for row in self.rows if to_be_seen(row)}


def to_be_seen(row: Row[Any]) -> bool:
    """Whether a row of `SKUS` is for the eyes of the viewer it was loaded for."""
    return row.status == "listed" and not row.out_of_sight


def chip(row: Row[Any]) -> ProductChip:
    """A SKU on a note or a shelf."""
    return ProductChip(
        product_id=row.product_id,
        sku_id=row.id,
        sku_name=row.name,
        title=row.title,
        price=MoneyOut(amount=row.price, currency=row.currency),
        available=row.available > 0,
        available_units=row.available,
        cover=Cover(**row.cover) if row.cover else None,
    )


def card(skus: Rows, merchant: AccountRef) -> ProductCard:
    """A product among others; `skus` are its rows of `SKUS`."""
    first = skus[0]
    return ProductCard(
        id=first.product_id,
        title=first.title,
        cover=Cover(**first.cover) if first.cover else None,
        merchant=merchant,
        price=MoneyOut(amount=min(line.price for line in skus), currency=skus[0].currency),
        in_stock=any(line.available for line in skus),
    )


def content(row: Row[Any], skus: Rows) -> ProductContent:
    """A product for search and ranking."""
    return ProductContent(
        id=row.id,
        merchant_id=row.merchant_id,
        title=row.title,
        text=row.description,
        category=row.category,
        sku_ids=tuple(line.id for line in skus),
        in_stock=any(line.available for line in skus),
        status=row.status,
        version=row.version,
        created_at=row.created_at,
    )


def level_out(level: Level) -> StockOut:
    """A stock row as its merchant sees it."""
    return StockOut(
        sku=level.sku_id,
        received=level.received,
        available=level.available,
        reserved=level.reserved,
        sold=level.sold,
        removed=level.removed,
    )
