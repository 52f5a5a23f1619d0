"""A data folder as a stopped server leaves it: a market with an order that waits for its payment, pictures that its buyer
uploaded, a filled index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kernel.actor import SYSTEM, Actor
from kernel.config import Settings
from kernel.db import Write
from kernel.idempotency import new_key
from kernel.ports import KeyValue
from shop import LineIn, MoneyIn, PlaceIn, ProductIn, QuoteIn, SkuIn
from web.app import build_services, open_engines
from web.migrate import ensure_current

PICTURES = 8


@dataclass(frozen=True)
class Left:
    """What is in it."""

    sku: str
    order: str
    pictures: list[str]
    tokens: list[str]


def settings_of(folder: Path, **settings: object) -> Settings:
    return Settings(data=folder, encoder="hash", **settings)  # type: ignore[arg-type]


def leave(settings: Settings, kv: KeyValue, stock: int = 5, buyers: int = 1) -> Left:
    """Fill a new folder (and a new database) through the services; the first of the buyers, whose tokens it gives, ordered 2."""
    settings.data.mkdir(parents=True, exist_ok=True)
    ensure_current(settings.sql_url)
    engines = open_engines(settings, kv=kv)
    services = build_services(settings, engines)
    kept = [services.media.keep_drawn(f"picture {number}".encode() * 500, 9, 16) for number in range(PICTURES)]

    def write(tx: Write) -> tuple[str, list[str]]:
        merchant = services.accounts.add(tx, "merchant", "Merchant", roles=["merchant"])
        skus = [SkuIn(name="M", price=MoneyIn(amount=100, currency="CNY"), stock=stock)]
        product = services.products.add_product(tx, merchant, ProductIn(title="Linen", skus=skus))
        people = [services.accounts.add(tx, f"buyer{number}", "Buyer") for number in range(buyers)]
        for one in kept:
            services.media.add(tx, people[0], one)
        return product, people

    product, people = engines.db.write(write)
    services.policies.change(SYSTEM, "order.unpaid_cap", 1000, "many orders at once")
    tokens = [
        engines.db.write(lambda tx, x=x: services.accounts._open_session(tx, x, None).token)  # type: ignore[misc]
        for x in people
    ]
    actor, (sku,) = Actor(account_id=people[0]), services.products.sku_ids([product])[product]
    quote = services.checkout.quote(actor, QuoteIn(lines=[LineIn(sku=sku, qty=2)]))
    order = services.checkout.place(actor, PlaceIn(quote=quote.quote), new_key()).value["order"]
    services.search.fill_if_lost()
    services.worker.run_until_idle()
    engines.close(keep_kv=True)
    return Left(sku, order, [one.large[0] for one in kept], tokens)
