"""What comes in and goes out of the shop, over HTTP and over sockets alike."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from accounts import AccountRef
from kernel.money import Currency
from kernel.schema import Schema
from kernel.text import Id, Line, OptionalLine, Prose

OrderStatus = Literal["placed", "paid", "closed", "cancelled"]
Cursor = Annotated[str, StringConstraints(max_length=1024)]
Title = Annotated[Line, StringConstraints(max_length=120)]
Name = Annotated[Line, StringConstraints(max_length=50)]
Qty = Annotated[int, Field(ge=1, le=99)]
Units = Annotated[int, Field(ge=1, le=1_000_000)]


class MoneyIn(Schema):
    """A price in minor units."""

    # The dearest order (20 lines of 99) stays below 2**41, so that millions of them a day stay within 64 bits.
    amount: Annotated[int, Field(ge=1, le=1_000_000_000)]
    currency: Currency


class MoneyOut(Schema):
    amount: int
    currency: str


class Cover(Schema):
    """A picture served by this site; width and height in pixels."""

    url: Annotated[
        str, StringConstraints(max_length=300, pattern=r"^/(media|static)/[A-Za-z0-9_/-]+(\.[A-Za-z0-9]+)?$")
    ]
    width: Annotated[int, Field(ge=1, le=20_000)]
    height: Annotated[int, Field(ge=1, le=20_000)]
    alt: OptionalLine = ""


# -- products ---------------------------------------------------------------------------------------------------------


class SkuIn(Schema):
    """`stock` is received at once."""

    name: Name
    price: MoneyIn
    stock: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    person_limit: Qty | None = None


class ProductIn(Schema):
    title: Title
    description: Annotated[Prose, StringConstraints(max_length=5000)] = ""
    category: Annotated[OptionalLine, StringConstraints(max_length=50)] = ""
    cover: Cover | None = None
    skus: Annotated[list[SkuIn], Field(min_length=1, max_length=50)]


class ProductPatch(Schema):
    """What is absent stays."""

    title: Title | None = None
    description: Annotated[Prose, StringConstraints(max_length=5000)] | None = None
    cover: Cover | None = None


class SkuPatch(Schema):
    price: MoneyIn


class StockIn(Schema):
    """Units that came in, or (`remove`) left other than by a sale: broken, lost, withdrawn."""

    sku: Id
    quantity: Units
    kind: Literal["receive", "remove"] = "receive"


class StockOut(Schema):
    sku: str
    received: int
    available: int
    reserved: int
    sold: int
    removed: int


class SkuOut(Schema):
    """Live price and stock. `state`: `all_held` while units are reserved but none is free."""

    id: str
    product_id: str
    title: str
    name: str
    price: MoneyOut
    available: int
    state: Literal["in_stock", "all_held", "sold_out"]
    person_limit: int | None
    version: int


class ProductOut(Schema):
    """`hidden`: waiting for a moderator or taken out by one; its merchant and staff alone get it."""

    kind: Literal["product"] = "product"
    id: str
    title: str
    description: str
    category: str
    cover: Cover | None
    merchant: AccountRef
    skus: list[SkuOut]
    hidden: bool
    version: int
    created_at: str


class ProductChip(Schema):
    """A SKU as a note or a room shows it."""

    product_id: str
    sku_id: str
    sku_name: str
    title: str
    price: MoneyOut
    available: bool
    available_units: int
    cover: Cover | None = None


class ProductCard(Schema):
    """`price` is the lowest of its SKUs."""

    kind: Literal["product"] = "product"
    id: str
    title: str
    cover: Cover | None
    merchant: AccountRef
    price: MoneyOut
    in_stock: bool


class ProductPage(Schema):
    items: list[ProductCard]
    next_cursor: str | None


class ProductQuery(Schema):
    cursor: Cursor | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    merchant: Id | None = None


# -- quote and order --------------------------------------------------------------------------------------------------


class Touchpoint(Schema):
    """Where the person met the thing: travels from the card or the room to the order line."""

    placement: Literal["feed", "following", "search", "note", "room", "profile", "product", "share"]
    note_id: Id | None = None
    room_id: Id | None = None
    exposure_id: Id | None = None


class Address(Schema):
    recipient: Name
    phone: Annotated[str, StringConstraints(strict=True, pattern=r"^\+?[0-9][0-9 -]{3,22}[0-9]$")]
    region: Annotated[Line, StringConstraints(max_length=100)]
    street: Line
    postcode: Annotated[OptionalLine, StringConstraints(max_length=16)] = ""


class LineIn(Schema):
    sku: Id
    qty: Qty = 1
    touchpoint: Touchpoint | None = None


class QuoteIn(Schema):
    """Without `address` the one used last is taken."""

    lines: Annotated[list[LineIn], Field(min_length=1, max_length=20)]
    address: Address | None = None


class LineOut(Schema):
    """`amount` = `price` x `qty`."""

    sku: str
    product_id: str
    title: str
    name: str
    qty: int
    price: MoneyOut
    amount: MoneyOut
    touchpoint: Touchpoint | None = None


class QuoteOut(Schema):
    quote: str
    lines: list[LineOut]
    total: MoneyOut
    address: Address | None
    expires_at: str


class PlaceIn(Schema):
    quote: Id


class Placed(Schema):
    """`accepted` with `order` and `pay_by`; `all_held` with the SKU and the person's place in its queue; `sold_out`."""

    result: Literal["accepted", "all_held", "sold_out"]
    order: str | None = None
    pay_by: str | None = None
    sku: str | None = None
    place: int | None = None


class PaymentRef(Schema):
    id: str
    status: Literal["open", "failed", "succeeded", "refund_due", "refunded"]
    url: str


class OrderOut(Schema):
    id: str
    status: OrderStatus
    lines: list[LineOut]
    total: MoneyOut
    channel: str
    address: Address | None
    placed_at: str
    pay_by: str
    paid_at: str | None
    ended_at: str | None
    payment: PaymentRef | None


class OrderPage(Schema):
    items: list[OrderOut]
    next_cursor: str | None


class OrderQuery(Schema):
    cursor: Cursor | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    state: OrderStatus | None = None


class PaymentOut(Schema):
    """The payer goes to `url` and is expected back by `pay_by`."""

    payment: str
    url: str
    amount: MoneyOut
    pay_by: str


class Cancelled(Schema):
    """`refund`: money is on its way back."""

    order: str
    status: Literal["cancelled"]
    refund: bool


class Received(Schema):
    """The webhook's receipt. `outcome`: what this delivery did; a repetition is `known`."""

    outcome: Literal["paid", "refund_due", "failed", "known", "ignored"]


class StoredLine(Schema):
    """A line as a quote keeps it."""

    sku: str
    product_id: str
    merchant_id: str
    title: str
    name: str
    qty: int
    price: int
    touchpoint: dict[str, Any] | None
