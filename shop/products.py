"""Products and SKUs: what merchants list, change and stock up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from accounts import AccountService
from kernel.actor import Actor
from kernel.db import Database, Write, edit_version
from kernel.errors import FieldError, Forbidden, Invalid, NotFound
from kernel.idempotency import Answer, once
from kernel.ids import new_id
from kernel.money import HOME, Currency
from shop import stock, waiting
from shop.catalogue import ProductReader, absent
from shop.facts import (
    ProductChanged,
    ProductHidden,
    ProductListed,
    ProductRepriced,
    ProductRestored,
    ProductWorded,
)
from shop.listings import level_out, shown, words_of
from shop.models import Product, Sku, Stock
from shop.schemas import (
    MoneyIn,
    ProductIn,
    ProductOut,
    ProductPatch,
    SkuOut,
    SkuPatch,
    StockIn,
    StockOut,
)
from shop.stock import Part

_product, _sku, _stock = Product.__table__.c, Sku.__table__.c, Stock.__table__.c


class ProductService(ProductReader):
    """What is for sale, in one currency, so that amounts add up."""

    def __init__(self, db: Database, accounts: AccountService, currency: Currency = HOME) -> None:
        super().__init__(db, accounts)
        self.currency = currency
        self.check_upload: Callable[[Session, str, str, str], None] = lambda session, owner_id, url, field: None

    # -- writing --------------------------------------------------------------------------------------------------

    def create(self, actor: Actor, form: ProductIn, key: str | None = None) -> Answer:
        """List a product with its SKUs and first stock; the answer is a `ProductOut`. By a merchant."""
        merchant_id = actor.require("merchant")
        merchant = self.accounts.refs([merchant_id])[merchant_id]

        def write(tx: Write) -> dict[str, Any]:
            if form.cover is not None:
                self.check_upload(tx.session, merchant_id, form.cover.url, "cover.url")
            product_id = self.add_product(tx, merchant_id, form)
            return shown(tx.session, product_id, merchant).model_dump(mode="json")

        return self.db.write(once(actor, key, "products.create", form.model_dump(), write))

    def add_product(self, tx: Write, merchant_id: str, form: ProductIn) -> str:
        """Write a product inside a larger write; its id. `money.other_currency` names the prices that are in another."""
        self._refuse_other_currency({f"skus.{n}.price.currency": line.price for n, line in enumerate(form.skus)})
        product_id = new_id("prod", tx.now)
        row = {
            "id": product_id,
            "merchant_id": merchant_id,
            "title": form.title,
            "description": form.description,
            "category": form.category,
            "cover": form.cover.model_dump() if form.cover else None,
            "cover_url": form.cover.url if form.cover else None,
            "status": "listed",
            "version": 1,
            "created_at": tx.now,
        }
        tx.session.execute(insert(Product.__table__), row)  # type: ignore[arg-type]
        self._add_skus(tx, product_id, merchant_id, form)
        tx.record(ProductListed(product_id))
        tx.record(ProductWorded(product_id, merchant_id, 1, words_of(tx.session, product_id)))
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
        """Receive or remove units of one of one's own SKUs; the answer is a `StockOut`. `stock.insufficient`,
        `stock.too_many`."""
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
        self.db.write(lambda tx: self._change(tx, product_id, values, if_match))
        return self.get(actor, product_id)

    def _change(self, tx: Write, product_id: str, values: dict[str, Any], if_match: str) -> None:
        before = tx.session.execute(select(Product.__table__).where(_product.id == product_id)).one()
        if values.get("cover") and values["cover"] != before.cover:
            self.check_upload(tx.session, before.merchant_id, values["cover"]["url"], "cover.url")
        where = {"cover_url": values["cover"] and values["cover"]["url"]} if "cover" in values else {}
        edit_version(tx.session, Product.__table__, product_id, if_match, values | where)
        changed = {name for name, value in values.items() if before._mapping[name] != value}
        if changed - {"cover"}:
            words = words_of(tx.session, product_id)
            tx.record(ProductWorded(product_id, before.merchant_id, int(if_match) + 1, words))
        if changed:
            tx.record(ProductChanged(product_id))

    def change_sku(self, actor: Actor, sku_id: str, patch: SkuPatch, if_match: str) -> SkuOut:
        """Set the price from now on; orders keep theirs, open quotes are refused as changed. The product's own version, which
        moderators judge, is of its words and its cover."""
        self._refuse_other_currency({"price.currency": patch.price})
        current = self.sku(actor, sku_id)
        self._own(actor, current.product_id)

        def write(tx: Write) -> None:
            price = {"price": patch.price.amount, "currency": patch.price.currency}
            edit_version(tx.session, Sku.__table__, sku_id, if_match, price)
            tx.record(ProductRepriced(current.product_id))

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

    def _refuse_other_currency(self, prices: Mapping[str, MoneyIn]) -> None:
        """`prices` by the field they came in."""
        wrong = [
            FieldError(field, "money.other_currency", f"this site sells in {self.currency}")
            for field, price in prices.items()
            if price.currency != self.currency
        ]
        if wrong:
            raise Invalid("money.other_currency", f"Prices are in {self.currency} here.", wrong)

    def _own(self, actor: Actor, product_id: str) -> str:
        account_id = actor.require("merchant", "admin")
        with self.db.read() as session:
            owner = session.scalar(select(_product.merchant_id).where(_product.id == product_id))
        if owner is None:
            raise absent()
        if owner != account_id and not actor.has("admin"):
            raise Forbidden("product.not_yours", "This is another merchant's product.")
        return account_id
