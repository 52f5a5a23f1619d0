"""Seeds a data folder before a server opens it: a merchant, a SKU, and buyers. Prints the SKU and their tokens."""

from __future__ import annotations

import json
import os
import sys

from kernel.actor import SYSTEM
from kernel.config import read_settings
from kernel.db import Write
from shop.schemas import MoneyIn, ProductIn, SkuIn
from web.app import build_services, open_engines
from web.migrate import ensure_current


def main(stock: int, buyers: int) -> None:
    """Write through the services, as everybody does."""
    settings = read_settings(os.environ)
    settings.data.mkdir(parents=True, exist_ok=True)
    ensure_current(settings.sql_url)
    engines = open_engines(settings)
    services = build_services(settings, engines)

    def write(tx: Write) -> tuple[str, list[str]]:
        merchant = services.accounts.add(tx, "merchant", "Merchant", roles=["merchant"])
        skus = [SkuIn(name="M", price=MoneyIn(amount=100, currency="CNY"), stock=stock)]
        product = services.products.add_product(tx, merchant, ProductIn(title="Linen", skus=skus))
        people = [services.accounts.add(tx, f"buyer{number}", "Buyer") for number in range(buyers)]
        return product, [services.accounts._open_session(tx, person, None).token for person in [merchant, *people]]

    product, (merchant, *tokens) = engines.db.write(write)
    services.policies.change(SYSTEM, "order.unpaid_cap", 1000, "many orders at once")
    print(json.dumps({"sku": services.products.sku_ids([product])[product][0], "merchant": merchant, "tokens": tokens}))
    engines.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
