"""Products and SKUs: what merchants list, and what everybody else may show of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, Select, insert, or_, select, update
from sqlalchemy.orm import Session

from accounts import AccountService, Company
from kernel import cursors
from kernel.actor import Actor
from kernel.db import Database, Write, edit_version, in_chunks
from kernel.errors import FieldError, Forbidden, Invalid, NotFound
from kernel.idempotency import Answer, once
from kernel.ids import new_id
from shop import stock, waiting
from shop.facts import ProductChanged, ProductHidden, ProductListed, ProductRestored
from shop.listings import SKUS, ProductContent, Rows, SkuRows, card, content, level_out, shown, sku_out
from shop.models import Product, Sku, Stock
from shop.schemas import (
    ProductCard,
    ProductChip,
    ProductIn,
    ProductOut,
    ProductPage,
    ProductPatch,
    SkuOut,
    SkuPatch,
    StockIn,
    StockOut,
)
from shop.stock import Level, Part

_product, _sku, _stock = Product.__table__.c, Sku.__table__.c, Stock.__table__.c
Ids = list[str]
Cards = list[ProductCard]


class ProductService:
    """What is for sale. Also answers what notes and rooms ask of listings (`chips`, `merchants`)."""

    def __init__(self, db: Database, accounts: AccountService) -> None:
        self.db = db
        self.accounts = accounts

    # -- writing --------------------------------------------------------------------------------------------------

    def create(self, actor: Actor, form: ProductIn, key: str | None = None) -> Answer:
        """List a product with its SKUs and first stock; the answer is a `ProductOut`. By a merchant."""
        merchant_id = actor.require("merchant")
        merchant = self.accounts.refs([merchant_id])[merchant_id]

        def write(tx: Write) -> dict[str, Any]:
            product_id = self.add_product(tx, merchant_id, form)
            return shown(tx.session, product_id, merchant).model_dump(mode="json")

        return self.db.write(once(actor, key, "products.create", form.model_dump(), write))

    def add_product(self, tx: Write, merchant_id: str, form: ProductIn) -> str:
        """Write a product inside a larger write; its id. `Invalid` when its SKUs have several currencies."""
        if len({line.price.currency for line in form.skus}) > 1:
            error = FieldError("skus", "money.mixed_currencies", "one currency per product")
            raise Invalid("money.mixed_currencies", "The SKUs of a product share one currency.", [error])
        product_id = new_id("prod", tx.now)
        row = {
            "id": product_id,
            "merchant_id": merchant_id,
            "title": form.title,
            "description": form.description,
            "category": form.category,
            "cover": form.cover.model_dump() if form.cover else None,
            "status": "listed",
            "version": 1,
            "created_at": tx.now,
        }
        tx.session.execute(insert(Product.__table__), row)  # type: ignore[arg-type]
        self._add_skus(tx, product_id, merchant_id, form)
        tx.record(ProductListed(product_id))
        return product_id

    def _add_skus(self, tx: Write, product_id: str, merchant_id: str, form: ProductIn) -> None:
        skus = [
            {
                "id": new_id("sku", tx.now),
                "product_id": product_id,
                "name": line.name,
                "position": position,
                "price": line.price.amount,
                "currency": line.price.currency,
                "person_limit": line.person_limit,
                "version": 1,
                "created_at": tx.now,
            }
            for position, line in enumerate(form.skus)
        ]
        tx.session.execute(insert(Sku.__table__), skus)  # type: ignore[arg-type]
        empty = {"received": 0, "available": 0, "reserved": 0, "sold": 0, "removed": 0}
        tx.session.execute(insert(Stock.__table__), [{"sku_id": sku["id"], **empty} for sku in skus])  # type: ignore[arg-type]
        first = [Part(str(sku["id"]), line.stock) for sku, line in zip(skus, form.skus, strict=True) if line.stock]
        if first:
            stock.shift(tx, stock.RECEIVED, first, by=merchant_id)

    def move_stock(self, actor: Actor, product_id: str, form: StockIn, key: str | None = None) -> Answer:
        """Receive or remove units of one of one's own SKUs; the answer is a `StockOut`. `stock.insufficient`."""
        merchant_id = self._own(actor, product_id)
        if form.sku not in self.sku_ids([product_id]).get(product_id, ()):
            raise NotFound("sku.not_found", "This product has no such SKU.")

        def write(tx: Write) -> dict[str, Any]:
            kind = stock.RECEIVED if form.kind == "receive" else stock.REMOVED
            return self.add_stock(tx, form.sku, form.quantity, kind, by=merchant_id).model_dump()

        return self.db.write(once(actor, key, f"products.stock:{product_id}", form.model_dump(), write))

    def add_stock(
        self, tx: Write, sku_id: str, quantity: int, kind: str = stock.RECEIVED, by: str | None = None
    ) -> StockOut:
        """Receive (or remove) units inside a larger write, and tell who waits for them."""
        (level,) = stock.shift(tx, kind, [Part(sku_id, quantity)], by=by)
        if kind == stock.RECEIVED:
            waiting.units_freed(tx, level)
        else:
            waiting.units_gone(tx, level)
        return level_out(level)

    def serve_waiters(self, sku_id: str) -> None:
        """Units that nobody took: tell the next in the queue."""

        def write(tx: Write) -> None:
            level = stock.locked_level(tx, sku_id)
            if level is not None:
                waiting.units_freed(tx, level)

        self.db.write(write)

    def change(self, actor: Actor, product_id: str, patch: ProductPatch, if_match: str) -> ProductOut:
        """Change words or picture of the version named. `PreconditionFailed` (`version.changed`) when it is another."""
        self._own(actor, product_id)
        values = patch.model_dump(exclude_unset=True)
        values = {name: value for name, value in values.items() if value is not None or name == "cover"}

        def write(tx: Write) -> None:
            edit_version(tx.session, Product.__table__, product_id, if_match, values)
            tx.record(ProductChanged(product_id))

        self.db.write(write)
        return self.get(actor, product_id)

    def change_sku(self, actor: Actor, sku_id: str, patch: SkuPatch, if_match: str) -> SkuOut:
        """Set the price from now on; orders keep theirs, open quotes are refused as changed. A material change."""
        current = self.sku(actor, sku_id)
        self._own(actor, current.product_id)
        if patch.price.currency != current.price.currency:
            error = FieldError(
                "price.currency", "money.mixed_currencies", f"this product sells in {current.price.currency}"
            )
            raise Invalid("money.mixed_currencies", "The currency of a product does not change.", [error])

        def write(tx: Write) -> None:
            edit_version(tx.session, Sku.__table__, sku_id, if_match, {"price": patch.price.amount})
            bump = update(Product.__table__).where(_product.id == current.product_id)  # type: ignore[arg-type]
            tx.session.execute(bump.values(version=_product.version + 1))
            tx.record(ProductChanged(current.product_id))

        self.db.write(write)
        return self.sku(actor, sku_id)

    def hide(self, tx: Write, product_id: str) -> None:
        """Take a product out of every list and out of sale; what was ordered stays ordered."""
        self._set_status(tx, product_id, "listed", "hidden", ProductHidden(product_id))

    def restore(self, tx: Write, product_id: str) -> None:
        """Bring a hidden product back."""
        self._set_status(tx, product_id, "hidden", "listed", ProductRestored(product_id))

    def _set_status(
        self, tx: Write, product_id: str, old: str, new: str, fact: ProductHidden | ProductRestored
    ) -> None:
        mine = (_product.id == product_id) & (_product.status == old)
        if tx.session.execute(update(Product.__table__).where(mine).values(status=new)).rowcount:  # type: ignore
            tx.record(fact)

    def _own(self, actor: Actor, product_id: str) -> str:
        account_id = actor.require("merchant", "admin")
        with self.db.read() as session:
            owner = session.scalar(select(_product.merchant_id).where(_product.id == product_id))
        if owner is None:
            raise _absent()
        if owner != account_id and not actor.has("admin"):
            raise Forbidden("product.not_yours", "This is another merchant's product.")
        return account_id

    # -- reading --------------------------------------------------------------------------------------------------

    def get(self, viewer: Actor, product_id: str) -> ProductOut:
        """One product with live prices and stock; a hidden one only for its merchant and for staff."""
        with self.db.read() as session:
            row = session.execute(select(Product.__table__).where(_product.id == product_id)).first()
        if row is None or not self._visible(viewer, row):
            raise _absent()
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
        rows = self.rows(ids)
        return self.show(rows, ids, self.accounts.company(viewer, rows.merchants))

    def rows(self, product_ids: Sequence[str], sku_ids: Sequence[str] = ()) -> SkuRows:
        """All SKUs of these products and these single ones, in one statement."""
        if not product_ids and not sku_ids:
            return SkuRows([])
        wanted = SKUS.where(or_(_sku.product_id.in_(product_ids), _sku.id.in_(sku_ids)))
        with self.db.read() as session:
            return SkuRows([*session.execute(wanted)])

    def show(self, rows: SkuRows, ids: Sequence[str], people: Company) -> Cards:
        """Cards of what is listed and whose merchant the viewer may see, in the order of `ids`. No I/O."""
        skus, barred = rows.of_products(), people.hidden | people.walled_off
        return [
            card(skus[id], people.refs[skus[id][0].merchant_id])
            for id in ids
            if id in skus and skus[id][0].status == "listed" and skus[id][0].merchant_id not in barred
        ]

    def chips(self, sku_ids: Sequence[str]) -> dict[str, ProductChip]:
        """What a note or a room shows of SKUs, live, by id; unknown and hidden ones are left out, the note outlives them."""
        return self.rows([], list(dict.fromkeys(sku_ids))).chips()

    def merchants(self, session: Session, sku_ids: Sequence[str]) -> dict[str, str]:
        """Whose listing each listed SKU is, as the write or read under way sees it; unknown and hidden ones are left out."""
        rows = _read(session, SKUS, _sku.id, sku_ids)
        return {row.id: row.merchant_id for row in rows if row.status == "listed"}

    def covers_among(self, session: Session, urls: Sequence[str]) -> set[str]:
        """Which of these pictures are the cover of a product."""
        address = _product.cover["url"].as_string()
        return {*session.scalars(select(address).where(address.in_(urls)))}

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


def _read(session: Session, query: Select[Any], column: Any, ids: Iterable[str]) -> Rows:
    chunks = in_chunks([*dict.fromkeys(ids)])
    return [row for chunk in chunks for row in session.execute(query.where(column.in_(chunk)))]


def _absent() -> NotFound:
    return NotFound("product.not_found", "There is no such product.")
