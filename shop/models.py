"""The tables of the shop."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, Instant, Json

_ID = String(48)
_STATUS = String(16)
_CURRENCY = String(3)


class Product(Base):
    """`listed`, or `hidden` by moderation. `version` counts what buyers or reviewers would notice; `cover_url` repeats where
    the cover is served, to be found by it."""

    __tablename__ = "products"
    __table_args__ = (
        Index("ix_products_listed", "status", "id"),
        Index("ix_products_merchant", "merchant_id", "id"),
        Index("ix_products_cover", "cover_url", "status"),  # both, or SQLite takes the one by status and reads them all
    )

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    merchant_id: Mapped[str] = mapped_column(_ID)
    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    category: Mapped[str] = mapped_column(String(64))
    cover: Mapped[dict[str, Any] | None] = mapped_column(Json)
    cover_url: Mapped[str | None] = mapped_column(String(300))
    status: Mapped[str] = mapped_column(_STATUS)
    version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(Instant)


class Sku(Base):
    """One thing that can be bought. `price` in minor units; `person_limit` units per person over all their orders."""

    __tablename__ = "skus"
    __table_args__ = (
        CheckConstraint("price > 0", name="price"),
        CheckConstraint("person_limit > 0", name="person_limit"),
    )

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    product_id: Mapped[str] = mapped_column(_ID, ForeignKey("products.id"), index=True)
    name: Mapped[str] = mapped_column(String(64))
    position: Mapped[int]
    price: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(_CURRENCY)
    person_limit: Mapped[int | None]
    version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(Instant)


class Stock(Base):
    """Where the units of a SKU are. The database itself refuses a row that does not add up."""

    __tablename__ = "stock"
    __table_args__ = (
        CheckConstraint("available >= 0", name="available"),
        CheckConstraint("reserved >= 0", name="reserved"),
        CheckConstraint("sold >= 0", name="sold"),
        CheckConstraint("removed >= 0", name="removed"),
        CheckConstraint("available + reserved + sold + removed = received", name="adds_up"),
    )

    sku_id: Mapped[str] = mapped_column(_ID, ForeignKey("skus.id"), primary_key=True)
    received: Mapped[int]
    available: Mapped[int]
    reserved: Mapped[int]
    sold: Mapped[int]
    removed: Mapped[int]


class StockMove(Base):
    """The ledger: every change of `stock`. An order moves a SKU once per kind, so nothing comes back twice."""

    __tablename__ = "stock_moves"
    __table_args__ = (
        UniqueConstraint("order_id", "sku_id", "kind", name="uq_stock_moves_once"),
        Index("ix_stock_moves_sku", "sku_id", "id"),
    )

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    sku_id: Mapped[str] = mapped_column(_ID)
    kind: Mapped[str] = mapped_column(_STATUS)
    quantity: Mapped[int]
    order_id: Mapped[str | None] = mapped_column(_ID)
    made_by: Mapped[str | None] = mapped_column(_ID)
    at: Mapped[datetime] = mapped_column(Instant)


class Quote(Base):
    """What a person was told they would pay. `lines` as in `shop.schemas.StoredLine`."""

    __tablename__ = "quotes"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    buyer_id: Mapped[str] = mapped_column(_ID)
    lines: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    total: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(_CURRENCY)
    address: Mapped[dict[str, Any] | None] = mapped_column(Json)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)


class Order(Base):
    """`placed` until paid, `closed` at `pay_by`, or `cancelled`. A quote becomes one order at most."""

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("quote_id", name="uq_orders_quote_id"),
        Index("ix_orders_buyer", "buyer_id", "id"),
        CheckConstraint("total > 0", name="total"),
    )

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    buyer_id: Mapped[str] = mapped_column(_ID)
    quote_id: Mapped[str] = mapped_column(_ID)
    status: Mapped[str] = mapped_column(_STATUS)
    total: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(_CURRENCY)
    channel: Mapped[str] = mapped_column(_STATUS)
    address: Mapped[dict[str, Any] | None] = mapped_column(Json)
    synthetic: Mapped[bool]
    placed_at: Mapped[datetime] = mapped_column(Instant)
    pay_by: Mapped[datetime] = mapped_column(Instant)
    paid_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)


class OrderLine(Base):
    """A line as it was bought. `limited`: it counts against the person's limit; `attribution`: the rule's version."""

    __tablename__ = "order_lines"
    __table_args__ = (CheckConstraint("qty > 0", name="qty"), Index("ix_order_lines_sku", "sku_id", "order_id"))

    order_id: Mapped[str] = mapped_column(_ID, ForeignKey("orders.id"), primary_key=True)
    sku_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    position: Mapped[int]
    product_id: Mapped[str] = mapped_column(_ID)
    merchant_id: Mapped[str] = mapped_column(_ID)
    title: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(String(64))
    qty: Mapped[int]
    price: Mapped[int] = mapped_column(BigInteger)
    limited: Mapped[bool]
    touchpoint: Mapped[dict[str, Any] | None] = mapped_column(Json)
    attribution: Mapped[str] = mapped_column(_STATUS)


class Buyer(Base):
    """How many unpaid orders a person has: a counter, because a count would let two through at once."""

    __tablename__ = "buyers"
    __table_args__ = (CheckConstraint("unpaid >= 0", name="unpaid"),)

    account_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    unpaid: Mapped[int]


class SkuBuyer(Base):
    """How many units of a limited SKU a person holds or has bought."""

    __tablename__ = "sku_buyers"
    __table_args__ = (CheckConstraint("qty >= 0", name="qty"),)

    sku_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    account_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    qty: Mapped[int]


class Waiter(Base):
    """A person in a SKU's waiting list: `waiting`, `served` (told that a unit is free) or `disappointed` (told it is
    sold out). `number` sorts by arrival; `key` is the idempotency key of the purchase that found all units held."""

    __tablename__ = "waiters"
    __table_args__ = (Index("ix_waiters_queue", "sku_id", "status", "number"),)

    sku_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    account_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    number: Mapped[str] = mapped_column(_ID)
    key: Mapped[str] = mapped_column(String(128))
    qty: Mapped[int]
    status: Mapped[str] = mapped_column(_STATUS)


class Payment(Base):
    """A payment at the provider, under the provider's id: `open` or `failed`, `succeeded`, then `refund_due`, `refunded`."""

    __tablename__ = "payments"

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    order_id: Mapped[str] = mapped_column(_ID, ForeignKey("orders.id"), index=True)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(_CURRENCY)
    status: Mapped[str] = mapped_column(_STATUS)
    url: Mapped[str] = mapped_column(Text)
    refund_id: Mapped[str | None] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(Instant)


class DefaultAddress(Base):
    """The address a person used last; the next quote begins with it."""

    __tablename__ = "default_addresses"

    account_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    address: Mapped[dict[str, Any]] = mapped_column(Json)
