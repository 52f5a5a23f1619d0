"""What is for sale, as everybody reads it: pages, cards on notes and shelves, levels, and what indexing and screening ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, or_, select
from sqlalchemy.orm import Session

from accounts import AccountService, Company, suspended
from kernel import cursors
from kernel.actor import Actor
from kernel.db import Database, Write, in_chunks
from kernel.errors import NotFound
from shop import stock
from shop.listings import (
    SKUS,
    ProductContent,
    Rows,
    SkuRows,
    card,
    content,
    level_out,
    shown,
    sku_out,
    to_be_seen,
)
from shop.models import Product, Sku, Stock
from shop.schemas import ProductCard, ProductChip, ProductOut, ProductPage, SkuOut, StockOut
from shop.stock import Level

_product, _sku, _stock = Product.__table__.c, Sku.__table__.c, Stock.__table__.c
Ids = list[str]
Cards = list[ProductCard]


class ProductReader:
    """Reads listings; what is hidden is there for its merchant and for staff only. Also answers what notes and rooms ask of
    them (`chips`, `merchants`)."""

    def __init__(self, db: Database, accounts: AccountService) -> None:
        self.db = db
        self.accounts = accounts

    def get(self, viewer: Actor, product_id: str) -> ProductOut:
        """One product with live prices and stock; a hidden one only for its merchant and for staff."""
        with self.db.read() as session:
            row = session.execute(select(Product.__table__).where(_product.id == product_id)).first()
        if row is None or not self._visible(viewer, row):
            raise absent()
        merchant = self.accounts.refs([row.merchant_id])[row.merchant_id]
        with self.db.read() as session:  # never two at once: readers that wait for each other's connection stand still
            return shown(session, product_id, merchant)

    def sku(self, viewer: Actor, sku_id: str) -> SkuOut:
        """One SKU with live price and stock."""
        with self.db.read() as session:
            row = session.execute(SKUS.where(_sku.id == sku_id)).first()
        if row is None or not self._visible(viewer, row):
            raise NotFound("sku.not_found", "There is no such SKU.")
        return sku_out(row)

    def list(
        self, viewer: Actor, cursor: str | None = None, limit: int = 20, merchant: str | None = None
    ) -> ProductPage:
        """Listed products, newest first; pages are refilled when rules drop something."""
        found: list[ProductCard] = []
        after = cursors.decode(cursor, str)
        last: str | None = after[0] if after else None
        while len(found) < limit:
            ids = self._newest(last, limit, merchant)
            cards = self.cards(viewer, ids)[: limit - len(found)]
            found += cards
            if len(ids) < limit and len(found) < limit:
                return ProductPage(items=found, next_cursor=None)
            last = cards[-1].id if len(found) == limit else ids[-1]
        more = bool(self._newest(last, 1, merchant))
        return ProductPage(items=found, next_cursor=cursors.encode(last) if more else None)

    def _newest(self, before: str | None, limit: int, merchant: str | None) -> Ids:
        query = select(_product.id).where(_product.status == "listed").order_by(_product.id.desc()).limit(limit)
        if merchant is not None:
            query = query.where(_product.merchant_id == merchant)
        if before is not None:
            query = query.where(_product.id < before)
        with self.db.read() as session:
            return [*session.scalars(query)]

    def cards(self, viewer: Actor, ids: Sequence[str]) -> Cards:
        """Cards in the order of `ids`, without what `viewer` may not see."""
        rows = self.rows(viewer.account_id, ids)
        return self.show(rows, ids, self.accounts.company(viewer, rows.merchants))

    def rows(self, viewer_id: str | None, product_ids: Sequence[str], sku_ids: Sequence[str] = ()) -> SkuRows:
        """All SKUs of these products and these single ones, in one statement, as this viewer (or nobody) stands to them."""
        if not product_ids and not sku_ids:
            return SkuRows([])
        wanted = SKUS.where(or_(_sku.product_id.in_(product_ids), _sku.id.in_(sku_ids)))
        with self.db.read() as session:
            return SkuRows([*session.execute(wanted, {"viewer": viewer_id})])

    def show(self, rows: SkuRows, ids: Sequence[str], people: Company) -> Cards:
        """Cards of what the viewer of the rows may see, in the order of `ids`; `people` are their merchants. No I/O."""
        skus = rows.of_products()
        there = [skus[id] for id in ids if id in skus and to_be_seen(skus[id][0])]
        return [card(lines, people.refs[lines[0].merchant_id]) for lines in there]

    def chips(self, viewer_id: str | None, sku_ids: Sequence[str]) -> dict[str, ProductChip]:
        """What a note or a room shows this viewer (or nobody in particular) of SKUs, live, by id; what is unknown, hidden or
        its merchant's out of sight is left out, the note outlives it."""
        return self.rows(viewer_id, [], list(dict.fromkeys(sku_ids))).chips()

    def merchants(self, session: Session, account_id: str, sku_ids: Sequence[str]) -> dict[str, str]:
        """Whose listing each SKU is, as the write or read under way sees it; what this account would find no chip of is left
        out."""
        rows = _read(session, SKUS, _sku.id, sku_ids, {"viewer": account_id})
        return {row.id: row.merchant_id for row in rows if to_be_seen(row)}

    def owners(self, session: Session, sku_ids: Sequence[str]) -> dict[str, str]:
        """`merchants`, of what nobody may see as well."""
        return {row.id: row.merchant_id for row in _read(session, SKUS, _sku.id, sku_ids)}

    def covers_among(self, session: Session, urls: Sequence[str]) -> set[str]:
        """Which of these pictures are the cover of a product."""
        return {*session.scalars(select(_product.cover_url).where(_product.cover_url.in_(urls)))}

    def shows_cover(self, url: Any) -> ColumnElement[bool]:
        """In SQL: whether the picture at this address is the cover of a product that everybody sees."""
        listed = (_product.status == "listed") & ~suspended(_product.merchant_id)
        return select(_product.id).where(_product.cover_url == url, listed).exists()

    def sku_ids(self, product_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The SKUs of products, in their order."""
        found: dict[str, tuple[str, ...]] = {}
        for row in self._rows(SKUS, _sku.product_id, product_ids):
            found[row.product_id] = (*found.get(row.product_id, ()), row.id)
        return found

    def contents(self, ids: Sequence[str]) -> dict[str, ProductContent]:
        """Products for search and ranking, whatever their status; unknown ids are left out. No price goes in."""
        skus = self._rows(SKUS, _sku.product_id, ids)
        rows = self._rows(select(Product.__table__), _product.id, ids)
        return {row.id: content(row, [line for line in skus if line.product_id == row.id]) for row in rows}

    def levels(self, sku_ids: Sequence[str]) -> dict[str, StockOut]:
        """The stock rows of SKUs."""
        rows = self._rows(select(Stock.__table__), _stock.sku_id, sku_ids)
        return {row.sku_id: level_out(Level(**row._asdict())) for row in rows}

    def level_within(self, tx: Write, sku_id: str) -> Level | None:
        """The stock row inside a larger write, kept from moving until its commit; so what is said of it stays in order."""
        return stock.locked_level(tx, sku_id)

    def all_ids(self, after: str | None = None, limit: int = 500) -> Ids:
        """Ids of listed products in rising order after `after`: for rebuilding an index."""
        query = (
            select(_product.id).where(_product.status == "listed", _product.id > (after or "")).order_by(_product.id)
        )
        with self.db.read() as session:
            return [*session.scalars(query.limit(limit))]

    def _visible(self, viewer: Actor, row: Row[Any]) -> bool:
        if viewer.account_id == row.merchant_id or viewer.has("moderator", "admin"):
            return True
        hidden = self.accounts.hidden_authors([row.merchant_id]) | self.accounts.walled_off(viewer)
        return row.status == "listed" and row.merchant_id not in hidden

    def _rows(self, query: Select[Any], column: Any, ids: Iterable[str]) -> Rows:
        with self.db.read() as session:
            return _read(session, query, column, ids)


def _read(
    session: Session, query: Select[Any], column: Any, ids: Iterable[str], given: Mapping[str, Any] | None = None
) -> Rows:
    chunks = in_chunks([*dict.fromkeys(ids)])
    return [row for chunk in chunks for row in session.execute(query.where(column.in_(chunk)), given)]


def absent() -> NotFound:
    """The refusal for a product that is not there for whoever asks."""
    return NotFound("product.not_found", "There is no such product.")
