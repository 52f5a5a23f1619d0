"""What happens in the shop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kernel.facts import Fact


@dataclass(frozen=True)
class ProductListed(Fact):
    product_id: str


@dataclass(frozen=True)
class ProductWorded(Fact):
    """A listing says this from now on, at first or after an edit."""

    product_id: str
    merchant_id: str
    version: int
    words: str


@dataclass(frozen=True)
class ProductChanged(Fact):
    """A material change (words or picture): notes that carry it are screened again. Rooms and notes show a price live, so
    that another price is none."""

    product_id: str


@dataclass(frozen=True)
class ProductRepriced(Fact):
    product_id: str


@dataclass(frozen=True)
class ProductHidden(Fact):
    product_id: str


@dataclass(frozen=True)
class ProductRestored(Fact):
    product_id: str


@dataclass(frozen=True)
class StockChanged(Fact):
    """Units free to buy, and units held by unpaid orders, after the change."""

    sku_id: str
    available: int
    reserved: int


@dataclass(frozen=True)
class OrderPlaced(Fact):
    """`total` in minor units; `channel` is the placement the first line came from; `room_ids` the rooms of all lines."""

    order_id: str
    buyer_id: str
    total: int
    currency: str
    channel: str
    room_ids: tuple[str, ...]
    sku_ids: tuple[str, ...]
    synthetic: bool


@dataclass(frozen=True)
class PaymentOpened(Fact):
    """The buyer asked for the page on which to pay."""

    order_id: str
    buyer_id: str


@dataclass(frozen=True)
class OrderPaid(Fact):
    """As `OrderPlaced`; `paid_at` is when the payment was made, however late it was told."""

    order_id: str
    buyer_id: str
    total: int
    currency: str
    channel: str
    room_ids: tuple[str, ...]
    sku_ids: tuple[str, ...]
    synthetic: bool
    paid_at: datetime


@dataclass(frozen=True)
class OrderClosed(Fact):
    """`pay_by` passed; the stock is back."""

    order_id: str
    buyer_id: str


@dataclass(frozen=True)
class OrderCancelled(Fact):
    order_id: str
    buyer_id: str


@dataclass(frozen=True)
class OrderRefunded(Fact):
    """The provider gave the money back (minor units): a late payment, or a cancelled order."""

    order_id: str
    buyer_id: str
    payment_id: str
    amount: int
    currency: str


@dataclass(frozen=True)
class WaiterServed(Fact):
    """A unit is free and this person is next; `key` is the purchase that was answered `all_held`."""

    sku_id: str
    account_id: str
    key: str


@dataclass(frozen=True)
class WaiterDisappointed(Fact):
    """Every unit is sold; `key` as in `WaiterServed`."""

    sku_id: str
    account_id: str
    key: str
