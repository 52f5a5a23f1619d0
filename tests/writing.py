"""What tests about notes need: pictures, products, creators behind the gate, published notes."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image
from werkzeug.test import TestResponse

from accounts.models import CreatorApplication
from kernel.idempotency import new_key
from kernel.ids import new_id
from shop.schemas import MoneyIn, ProductIn, SkuIn
from tests.house import Client, House


def picture(width: int = 40, height: int = 30, fmt: str = "PNG", colour: Any = (200, 40, 40), **options: Any) -> bytes:
    """An image file in one colour."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, fmt, **options)
    return out.getvalue()


def upload(client: Client, data: bytes, key: str | None = None, name: str = "file") -> TestResponse:
    head = f'--frontier\r\nContent-Disposition: form-data; name="{name}"; filename="picture.png"\r\n\r\n'
    body = head.encode() + data + b"\r\n--frontier--\r\n"
    headers = {"Idempotency-Key": key or new_key()}
    form = "multipart/form-data; boundary=frontier"
    return client._open("POST", "media", headers=headers, data=body, content_type=form)


def list_product(house: House, merchant_id: str, stock: int = 5, price: int = 12900) -> str:
    """A listed product with one SKU; the SKU's id."""
    products = house.services.products
    form = ProductIn(
        title="Linen shirt", skus=[SkuIn(name="M", price=MoneyIn(amount=price, currency="CNY"), stock=stock)]
    )
    product_id = house.engines.db.write(lambda tx: products.add_product(tx, merchant_id, form))
    return products.sku_ids([product_id])[product_id][0]


def open_gate(house: House, account_id: str) -> None:
    """An approved application, without the thousand followers it takes."""

    def write(tx: Any) -> None:
        row = CreatorApplication(
            id=new_id("appl", tx.now),
            account_id=account_id,
            statement="",
            status="approved",
            followers_at_application=1001,
            created_at=tx.now,
        )
        tx.session.add(row)

    house.engines.db.write(write)


def close_gate(house: House, account_id: str) -> None:
    """A strike."""
    house.engines.db.write(lambda tx: house.services.strikes.give(tx, account_id, new_id("act", tx.now)))


def draft(client: Client, **fields: Any) -> dict[str, Any]:
    made = client.post("notes", {"title": "Linen in the rain", "text": "It dries in an hour.", **fields})
    assert made.status_code == 201, made.json
    assert made.json is not None
    return made.json


def submit(client: Client, **fields: Any) -> str:
    """A note in review; its id."""
    note_id = draft(client, **fields)["id"]
    handed_in = client.post(f"notes/{note_id}/submit")
    assert handed_in.status_code == 200, handed_in.json
    return str(note_id)


def publish(house: House, client: Client, **fields: Any) -> str:
    """A note that passed screening; its id."""
    note_id = submit(client, **fields)
    house.jobs()
    return note_id


def verdict(house: House, note_id: str, version: int, given: str, reason: str = "", overrule: bool = False) -> bool:
    notes = house.services.notes
    return house.engines.db.write(lambda tx: notes.decide(tx, note_id, version, given, reason, overrule))  # type: ignore[arg-type]
