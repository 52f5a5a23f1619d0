"""What nobody needs any more is deleted by the clock: sessions, quotes, uploads; and nothing else is."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

import pytest
from sqlalchemy import func, select

from accounts.models import Token
from kernel.idempotency import IdempotencyKey, forget
from kernel.ids import new_id
from notes.models import Media
from shop.models import Quote
from tests.house import Client, House, problem
from tests.market import buy, list_product, price, quote, sell
from tests.writing import draft, picture, upload


def count(house: House, table: type) -> int:
    with house.engines.db.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def pass_time(house: House, **span: float) -> None:
    """The clock moves, and the timed jobs run."""
    house.services.worker.start_repeating()
    house.clock.advance(**span)
    house.jobs()


def kept(house: House, url: str) -> bool:
    """Whether the file is there, for staff see every picture."""
    keeper = house.as_(f"keeper_{token_hex(8)}", "moderator")
    return keeper.get(url, buffered=True).status_code == 200


def test_an_expired_session_is_answered_as_expired_for_a_week_and_then_forgotten(any_house: House) -> None:
    viewer = any_house.as_("viewer")
    pass_time(any_house, days=30, hours=2)
    young = any_house.as_("young")
    assert problem(viewer.get("me")) == (401, "session.expired")
    assert count(any_house, Token) == 2
    pass_time(any_house, days=7)
    assert problem(viewer.get("me")) == (401, "session.invalid")
    assert young.get("me").status_code == 200
    assert count(any_house, Token) == 1


def test_an_expired_quote_is_forgotten_after_a_day_and_orders_stay(any_house: House) -> None:
    sku, buyer = sell(any_house), any_house.as_("buyer")
    order, open_one = buy(buyer, sku)["order"], quote(buyer, sku)
    pass_time(any_house, hours=2)
    assert problem(buyer.post("orders", {"quote": open_one})) == (409, "quote.expired")
    pass_time(any_house, hours=25)
    assert problem(buyer.post("orders", {"quote": open_one})) == (404, "quote.not_found")
    assert count(any_house, Quote) == 0
    assert len(buyer.get(f"orders/{order}").json["lines"]) == 1


def test_more_than_one_batch_is_forgotten_at_once(any_house: House) -> None:
    def write(tx: Any) -> None:
        for _ in range(1001):
            row = {"buyer_id": "acct_0", "lines": [], "total": 1, "currency": "CNY", "address": None}
            tx.session.add(Quote(id=new_id("quote", tx.now), expires_at=tx.now, **row))

    any_house.engines.db.write(write)
    pass_time(any_house, days=2)
    assert count(any_house, Quote) == 0
    any_house.services.checkout.forget_quotes()


def test_old_keys_are_forgotten_a_batch_at_a_time_and_young_ones_never(
    any_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, row = any_house.engines.db, {"operation": "x", "fingerprint": "x", "answer": {}}

    def use(person: str, *keys: str) -> None:
        db.write(
            lambda tx: tx.session.add_all(
                [IdempotencyKey(person=person, key=key, created_at=tx.now, **row) for key in keys]
            )
        )

    use("acct_old", *(f"k{number}" for number in range(1001)))
    any_house.clock.advance(days=30, hours=1)
    use("acct_young", *(f"k{number}" for number in range(3)))
    write, writes = db.write, []
    monkeypatch.setattr(db, "write", lambda fn: writes.append(1) or write(fn))
    forget(db)
    assert len(writes) == 3
    with db.read() as session:
        assert set(session.scalars(select(IdempotencyKey.person))) == {"acct_young"}
    assert count(any_house, IdempotencyKey) == 3


def test_an_upload_that_nothing_uses_goes_after_a_day_and_what_is_used_stays(any_house: House) -> None:
    author = any_house.as_("author")
    used, unused = (upload(author, picture(colour=colour)).json for colour in ("red", "blue"))
    draft(author, images=[{"media": used["id"]}])
    pass_time(any_house, hours=23)
    assert kept(any_house, unused["url"])
    pass_time(any_house, hours=2)
    assert not kept(any_house, unused["url"])
    assert kept(any_house, used["url"])
    assert count(any_house, Media) == 1
    late = author.post("notes", {"title": "Too late", "images": [{"media": unused["id"]}]})
    assert problem(late) == (422, "media.not_found")
    pass_time(any_house, days=3)
    assert kept(any_house, used["url"])


def test_the_same_picture_stays_while_somebody_else_uses_it(any_house: House) -> None:
    author, other = any_house.as_("author"), any_house.as_("other")
    mine, theirs = upload(author, picture()).json, upload(other, picture()).json
    assert mine["url"] == theirs["url"]
    draft(other, images=[{"media": theirs["id"]}])
    pass_time(any_house, hours=25)
    assert count(any_house, Media) == 1
    assert kept(any_house, theirs["url"])


def test_a_picture_that_is_put_again_while_its_file_is_dropped_stays(any_house: House) -> None:
    author = any_house.as_("author")
    first = upload(author, picture()).json
    any_house.services.worker.start_repeating()
    any_house.clock.advance(hours=25)
    any_house.services.uploads.sweep()
    assert count(any_house, Media) == 0
    again = any_house.services.media.keep(picture())  # an upload under way: the file is put, its row is not yet there
    any_house.jobs()
    assert kept(any_house, first["url"])
    any_house.engines.db.write(lambda tx: any_house.services.media.add(tx, author.id, again))
    assert kept(any_house, first["url"])


def test_a_file_that_never_got_its_row_goes_after_a_day(any_house: House) -> None:
    """The process was killed between the two, or the database was away."""
    loose = any_house.services.media.keep(picture(colour="blue"))
    pass_time(any_house, hours=23)
    assert any_house.engines.blobs.path(loose.large[0])
    pass_time(any_house, hours=2)
    assert not any_house.engines.blobs.path(loose.large[0])
    assert any_house.services.uploads.audit().unnamed == []


def test_what_a_draft_let_go_has_another_day(any_house: House) -> None:
    author = any_house.as_("author")
    first, second = (upload(author, picture(colour=colour)).json for colour in ("red", "blue"))
    note = draft(author, images=[{"media": first["id"]}])
    pass_time(any_house, hours=30)
    edited = author.patch(f"notes/{note['id']}", {"images": []}, f'"{note["version"]}"')
    assert edited.status_code == 200, edited.json
    pass_time(any_house, hours=23)
    assert (kept(any_house, first["url"]), kept(any_house, second["url"])) == (True, False)
    pass_time(any_house, hours=2)
    assert not kept(any_house, first["url"])


def test_a_cover_and_an_avatar_are_uses_too(any_house: House) -> None:
    merchant = any_house.as_("weaver", "merchant")
    cover, face = (upload(merchant, picture(colour=colour)).json for colour in ("red", "blue"))
    shown = {"url": cover["url"], "width": cover["width"], "height": cover["height"]}
    goods = {"title": "Linen", "cover": shown, "skus": [{"name": "M", "price": price(100), "stock": 1}]}
    assert merchant.post("products", goods).status_code == 201
    assert merchant.patch("me", {"avatar": face["small"]["url"]}, '"1"').status_code == 200
    for _ in range(3):
        pass_time(any_house, hours=25)
    assert kept(any_house, cover["url"])
    assert kept(any_house, face["small"]["url"])
    merchant.patch("me", {"avatar": None}, '"2"')
    pass_time(any_house, hours=49)
    assert not kept(any_house, face["small"]["url"])


def test_a_merchant_s_listing_is_no_use_of_somebody_else_s_upload(house: House) -> None:
    author: Client = house.as_("author")
    mine = upload(author, picture()).json
    list_product(house.as_("weaver", "merchant"))
    pass_time(house, hours=25)
    assert not kept(house, mine["url"])
