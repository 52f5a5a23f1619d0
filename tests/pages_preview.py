"""Draw every page from fixtures and photograph it: `python tests/pages_preview.py [OUT] [--only NAME] [--lang zh_Hans]`.

Not a test: a way to look. Pages are served under the Content-Security-Policy of the product, photographed at 390 and
1280 px in light and dark, and checked with axe-core (`python web/frontend/build.py --dev` brings it).
"""

from __future__ import annotations

import argparse
import csv
import io
import logging
import random
import shutil
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, render_template, request
from PIL import Image, ImageDraw
from playwright.sync_api import Page, sync_playwright
from werkzeug.serving import make_server

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from web.pages import phrases, words  # noqa: E402
from web.pages.charts import Bar, bars_svg  # noqa: E402

NOW = datetime(2026, 3, 14, 12, 30, tzinfo=UTC)
CSP = (
    "default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)
RATIOS = [(3, 4), (1, 1), (4, 3), (3, 4), (3, 4), (4, 5)]
CHINESE = [
    ("梨形身材的五条半裙公式", "腰细胯宽的姐妹看过来，A 字裙的分割线要落在胯骨最宽处以上，面料选有垂感的。"),
    ("租房党的厨房收纳，一面墙就够", "洞洞板加磁吸，调料不再占台面。三个月后回头看，最好用的是这两样。"),
    ("网球风穿搭：不打球也能穿", "白色百褶裙、针织背心、中筒袜。颜色不超过三种，运动感来自线条。"),
]
PALETTE = ["#d9b99b", "#a8b8a0", "#c9a2a2", "#9fb0c4", "#d6c38e", "#b5a3c2", "#8fa8a3", "#e0cfc0"]


def at(**ago: float) -> str:
    return (NOW - timedelta(**ago)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ahead(**by: float) -> str:
    return (NOW + timedelta(**by)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def yuan(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "CNY"}


@cache
def reviews() -> list[dict[str, str]]:
    path = ROOT / "demo" / "clothing-reviews.csv"
    return list(csv.DictReader(path.open(encoding="utf-8")))


def cover(n: int) -> dict[str, Any]:
    w, h = RATIOS[n % len(RATIOS)]
    return {"url": f"/fixture/{n}.webp", "width": 240 * w, "height": 240 * h, "alt": f"Drawing {n}"}


def picture(n: int) -> bytes:
    """A drawing with soft shapes, so that a page of them looks like a page of pictures."""
    rng, (w, h) = random.Random(n), RATIOS[n % len(RATIOS)]
    image = Image.new("RGB", (120 * w, 120 * h), PALETTE[n % len(PALETTE)])
    draw = ImageDraw.Draw(image)
    for _ in range(7):
        x, y, r = rng.randrange(image.width), rng.randrange(image.height), rng.randrange(40, 160)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=rng.choice(PALETTE))
    out = io.BytesIO()
    image.save(out, "WEBP")
    return out.getvalue()


def person(n: int, live: bool = False) -> dict[str, Any]:
    names = ["Mara Lindqvist", "小鱼的衣橱", "Jo", "Theodora Papadopoulou-Vandenberg", "阿柠"]
    return {
        "id": f"acc_{n}",
        "handle": f"person_{n}",
        "name": names[n % 5],
        "avatar": None if n % 2 else f"/fixture/{n * 6 + 1}.webp",
        "is_live": live,
    }


def chip(n: int, available: bool = True, units: int | None = 24) -> dict[str, Any]:
    return {
        "product_id": f"prod_{n}",
        "sku_id": f"sku_{n}",
        "title": ["Linen wrap dress", "Ribbed cardigan with shell buttons, made to last", "针织百褶裙"][n % 3],
        "price": yuan(12900 + n * 3700),
        "available": available,
        "available_units": units,
        "cover": cover(n),
    }


def note(n: int, **more: Any) -> dict[str, Any]:
    row = reviews()[n + 2]
    title, text = CHINESE[n % 3] if n % 4 == 1 else (row["Title"] or row["Review Text"][:60], row["Review Text"])
    sells = n % 3 == 2
    return {
        "kind": "note",
        "id": f"note_{n}",
        "title": title,
        "excerpt": text[:120],
        "text": text,
        "cover": None if n % 11 == 7 else cover(n),
        "author": person(n, n % 7 == 0),
        "topics": ["linen", "梨形身材", "petite"],
        "saves": n * 137 % 15000,
        "likes": n * 71,
        "comments": n % 5,
        "product": chip(n, n % 6 != 5) if sells else None,
        "commercial": sells,
        "published_at": at(hours=n + 1),
        "disclosure": {"kind": "product", "label": "含商品链接" if words.spoken() != "en" else "Links to a product"}
        if sells
        else None,
        "exposure_id": f"exp_{n}",
        "placement": "feed",
        "position": n,
        "recommended": True,
    } | more


def room(n: int, **more: Any) -> dict[str, Any]:
    return {
        "kind": "room",
        "id": f"room_{n}",
        "title": ["Spring dresses, tried on for real", "周末直播：一起整理衣橱"][n % 2],
        "cover": cover(n * 6),
        "host": person(n, True),
        "viewers": 1284 * n + 318,
        "commercial": True,
        "disclosure": {"kind": "product", "label": "Host sells products"},
        "started_at": at(minutes=40),
        "exposure_id": f"exp_r{n}",
    } | more


def product(n: int, **more: Any) -> dict[str, Any]:
    return {
        "kind": "product",
        "id": f"prod_{n}",
        "title": chip(n)["title"],
        "cover": cover(n),
        "merchant": person(n),
        "price": chip(n)["price"],
        "in_stock": n % 4 != 3,
    } | more


def line(n: int) -> dict[str, Any]:
    one = chip(n)
    return {
        "sku": one["sku_id"],
        "product_id": one["product_id"],
        "title": one["title"],
        "name": "M, oat",
        "cover": one["cover"],
        "qty": 1,
        "price": one["price"],
        "amount": one["price"],
        "touchpoint": None,
    }


ADDRESS = {
    "recipient": "林小满",
    "phone": "138 0000 0000",
    "region": "浙江省 杭州市",
    "street": "西湖区文三路 90 号 3 幢 502",
    "postcode": "310012",
}


def order(status: str = "placed", **more: Any) -> dict[str, Any]:
    return {
        "id": "ord_01JQ3V8K2M",
        "status": status,
        "lines": [line(1)],
        "total": chip(1)["price"],
        "channel": "room",
        "address": ADDRESS,
        "placed_at": at(minutes=3),
        "pay_by": ahead(minutes=4),
        "paid_at": None,
        "ended_at": None,
        "payment": None,
    } | more


def gate(**more: Any) -> dict[str, Any]:
    return {
        "status": "none",
        "followers": 1000,
        "needed": 1001,
        "strikes": 0,
        "missing": ["One more follower is needed: more than 1,000 count."],
        "may_attach": False,
        "may_go_live": False,
    } | more


def feed() -> list[dict[str, Any]]:
    items = [note(n) for n in range(34)]
    return [*items[:3], room(1), *items[3:16], room(2, viewers=12), *items[16:]]


def draft(**more: Any) -> dict[str, Any]:
    return (
        note(5)
        | {
            "state": "rejected",
            "state_reason": "Sent back: the second picture shows a phone number.",
            "version": 3,
            "pictures": [cover(n) | {"media": f"med_{n}"} for n in range(3)],
            "products": [chip(2)],
        }
        | more
    )


def case(n: int, **more: Any) -> dict[str, Any]:
    target = {
        "kind": "note",
        "id": f"note_{n}",
        "author_id": f"acc_{n}",
        "title": note(n)["title"],
        "text": note(n)["text"],
        "version": 2,
        "url": f"/notes/note_{n}",
    }
    return {
        "id": f"case_{n}",
        "kind": ["note", "comment", "room"][n % 3],
        "target_id": f"note_{n}",
        "author_id": f"acc_{n}",
        "target": target,
        "reports": n + 1,
        "priority": 1.0,
        "risk": 0.97 - n * 0.041,
        "reach": 48210 // (n + 1),
        "opened_at": at(minutes=17 * (n + 1)),
        "status": "open",
        "choices": ["approve", "limit", "hide", "reject", "remove"],
        "claimed_by": "acc_2" if n == 1 else None,
        "claimed_until": None,
    } | more


def open_case() -> dict[str, Any]:
    return case(
        1,
        claimed_until=at(minutes=-9),
        mine=True,
        strikes=1,
        pictures=[cover(1), cover(2)],
        report_lines=[
            {"reason": "spam", "text": "Same text under five notes", "created_at": at(hours=2)},
            {"reason": "misleading", "text": "", "created_at": at(hours=1)},
        ],
        hits=[
            {"rule": "contact_details", "verdict": "hold", "risk": 0.5, "excerpt": "138 0000 0000", "shadow": False},
            {"rule": "zh_toxicity", "verdict": "hold", "risk": 0.12, "excerpt": "", "shadow": True},
        ],
        actions=[
            {
                "id": "act_1",
                "action": "limit",
                "version": 2,
                "reason": "Spam",
                "actor_id": "acc_2",
                "created_at": at(hours=5),
                "undone_at": None,
            }
        ],
    )


def charts() -> list[dict[str, Any]]:
    rng, days = random.Random(3), [date(2026, 2, 13) + timedelta(days=n) for n in range(30)]

    def one(key: str, title: str, unit: str, base: int) -> dict[str, Any]:
        values = [None if n == 11 else round(base * (1 + n / 60) * rng.uniform(0.85, 1.15)) for n in range(30)]
        names = words.Times(lambda: NOW, "UTC").axis(days)
        bars = [Bar(str(day), names[n], values[n], n == 29) for n, day in enumerate(days)]
        return {"id": key, "title": title, "unit": unit, "gaps": 1, "svg": bars_svg(bars, title, unit, words.short)}

    return [
        one("dau", "DAU: daily active users", "users a day", 740),
        one("dab", "DAB: users who placed an order", "buyers a day", 41),
        one("gmv", "GMV: placed orders", "yuan a day", 9400),
    ]


NAMED = [{"key": key, "name": key.upper()} for key in ("dau", "dab", "gmv")]
PEOPLE = {
    "bio": "Linen, alterations and honest sizes. 杭州。",
    "followers": 12840,
    "following": 61,
    "roles": ["viewer"],
    "followed_by_me": True,
    "blocked_by_me": False,
}


def pages() -> dict[str, tuple[str, dict[str, Any]]]:
    """Name -> template and context."""
    mine = person(4) | {"roles": ["viewer", "creator", "moderator"]}
    live = room(
        1,
        status="live",
        state={"stream": "receiving"},
        playlist="/fixture/none.m3u8",
        ended_at=None,
        seq=41,
        pinned="sku_1",
    )
    shelf = [
        chip(n, units > 0) | {"stock": {"available": units, "reserved": 2, "state": state}}
        for n, units, state in [(1, 24, "in_stock"), (2, 3, "in_stock"), (3, 0, "all_held")]
    ]
    talk = [
        {
            "n": n,
            "from": {"id": "a", "name": person(n)["name"]},
            "text": [
                "Does it shrink?",
                "腰围多少？",
                "Mine arrived today, the colour is warmer than on screen but I like it a lot.",
            ][n % 3],
            "at": at(),
        }
        for n in range(14)
    ]
    read = {
        "note": note(2)
        | {
            "pictures": [cover(n) for n in range(4)],
            "products": [chip(2, units=4), chip(3, available=False)],
            "state": "public",
            "state_reason": None,
            "liked": True,
            "saved": False,
            "edited_at": at(hours=1),
            "is_mine": False,
            "comments": 2,
        },
        "following": False,
        "exposure_id": "exp_2",
        "comments": {
            "items": [
                {
                    "id": f"cmt_{n}",
                    "author": person(n),
                    "text": reviews()[n + 30]["Review Text"][:140],
                    "created_at": at(hours=n + 1),
                }
                for n in range(3)
            ],
            "next_cursor": "x",
        },
    }
    quote = {
        "quote": "quote_1",
        "lines": [line(1)],
        "total": chip(1)["price"],
        "address": ADDRESS,
        "expires_at": ahead(minutes=10),
    }
    buy = {
        "product": product(
            1,
            description=reviews()[9]["Review Text"],
            category="Knits",
            skus=[
                {
                    "id": f"s{n}",
                    "name": size,
                    "price": chip(1)["price"],
                    "available": n * 2,
                    "state": "in_stock" if n else "sold_out",
                    "person_limit": None,
                }
                for n, size in enumerate(["XS", "S", "M", "L", "XL"])
            ],
        ),
        "touchpoint": "exp_2",
        "notes": [note(n) for n in (2, 5, 8)],
    }
    rows = [
        {
            "day": f"2026-03-{14 - n:02d}",
            "partial": n == 0,
            "values": {"dau": "1,042", "dab": None if n == 3 else "57", "gmv": "¥14,210.00"},
        }
        for n in range(14)
    ]
    desk = {
        "cases": [case(n) for n in range(9)],
        "next_cursor": "x",
        "status": "open",
        "kind": "",
        "open_count": 1204,
        "case": open_case(),
        "people": {f"acc_{n}": person(n) for n in range(9)},
        "applications": [
            {
                "id": "app_1",
                "account_id": "acc_3",
                "followers_at_application": 1001,
                "statement": "Petite sizing for ten years.",
                "created_at": at(days=1),
            }
        ],
    }
    own = [
        {
            "id": f"note_{n}",
            "title": note(n)["title"],
            "state": ["public", "in_review", "rejected", "draft", "limited"][n % 5],
            "state_reason": "The second picture shows a phone number." if n % 5 == 2 else None,
            "version": 1,
            "edited_at": at(hours=n * 5 + 1),
            "likes": n * 31,
            "saves": n * 1234,
            "comments": 2,
            "disclosure": None,
        }
        for n in range(9)
    ]
    error = {"detail": None, "request_id": "req_01JQ3V8K2M", "retry_after": None}
    return {
        "feed": ("feed.html", {"items": feed(), "next_cursor": "abc"}),
        "feed-empty": ("feed.html", {"items": [], "partial": True}),
        "following": (
            "following.html",
            {"items": [note(n) for n in range(8)], "rooms": [room(1)], "follows": 4, "me": mine},
        ),
        "following-anonymous": ("following.html", {"me": None}),
        "live": ("live.html", {"items": [room(1), room(2), room(3)]}),
        "search": (
            "search.html",
            {
                "q": "something airy for a summer wedding",
                "kind": "",
                "sort": "",
                "facets": {"note": 31, "product": 12, "room": 1},
                "items": [x for n in range(8) for x in (note(n), product(n))],
                "next_cursor": "x",
            },
        ),
        "search-none": (
            "search.html",
            {
                "q": "qqqq",
                "kind": "room",
                "sort": "",
                "items": [],
                "suggestions": ["linen dress", "梨形身材", "petite"],
            },
        ),
        "note": ("note.html", read | {"me": mine}),
        "note-text": (
            "note.html",
            read
            | {
                "note": read["note"]
                | {
                    "pictures": [],
                    "title": "",
                    "products": [],
                    "disclosure": None,
                    "is_mine": True,
                    "state": "in_review",
                },
                "comments": {"items": [], "next_cursor": None},
            },
        ),
        "profile": (
            "profile.html",
            {"person": person(3) | PEOPLE, "room": room(2), "is_me": False, "items": [note(n) for n in range(9)]},
        ),
        "why": (
            "why.html",
            {
                "exposure_id": "exp_2",
                "why": {
                    "item": note(2),
                    "shown_at": at(minutes=4),
                    "placement": "feed",
                    "position": 3,
                    "policy_version": 7,
                    "recommended": True,
                    "reasons": ["You saved three notes about linen.", "Readers finish this note more often than most."],
                    "parts": [{"name": "Content", "value": 0.71, "text": "What the note itself offers"}],
                },
            },
        ),
        "product": ("product.html", buy | {"sku": buy["product"]["skus"][2]}),
        "product-out": ("product.html", buy | {"sku": buy["product"]["skus"][0], "notes": []}),
        "checkout": (
            "checkout.html",
            {
                "quote": quote,
                "idempotency_key": "k",
                "sku": "sku_1",
                "qty": 1,
                "touchpoint": None,
                "problem": None,
                "me": mine,
            },
        ),
        "checkout-held": (
            "checkout.html",
            {
                "quote": None,
                "problem": {"code": "stock.all_held", "detail": "All units are held. You are number 2."},
                "sku": "sku_1",
                "qty": 1,
                "touchpoint": None,
            },
        ),
        "order": ("order.html", {"order": order(), "just_placed": True, "pay_key": "k", "cancel_key": "c", "me": mine}),
        "order-paid": ("order.html", {"order": order("paid")}),
        "order-closed": ("order.html", {"order": order("closed")}),
        "orders": ("orders.html", {"items": [order(), order("paid"), order("closed")], "next_cursor": "x", "me": mine}),
        "orders-empty": ("orders.html", {"items": []}),
        "pay": (
            "pay.html",
            {
                "intent": {
                    "id": "pi_1",
                    "order_id": "ord_1",
                    "amount": yuan(16600),
                    "status": "open",
                    "merchant": "Offshelf",
                }
            },
        ),
        "login": (
            "login.html",
            {
                "problem": "That name and password do not belong together.",
                "demo_accounts": [{"handle": "mara", "password": "offshelf-demo", "role": "creator"}],
            },
        ),
        "register": (
            "register.html",
            {"errors": {"handle": "That name is taken."}, "values": {"handle": "mara", "name": "Mara"}},
        ),
        "me": (
            "me.html",
            {
                "me": mine,
                "person": mine | PEOPLE,
                "notices": [
                    {
                        "id": "n1",
                        "kind": "content.acted",
                        "data": {
                            "kind": "note",
                            "title": "Flattering shirt",
                            "action": "hide",
                            "reason": "Private data",
                        },
                        "created_at": at(hours=2),
                        "read_at": None,
                    },
                    {
                        "id": "n2",
                        "kind": "report.answered",
                        "data": {"kind": "note", "title": "Mehh"},
                        "created_at": at(days=2),
                        "read_at": at(),
                    },
                ],
                "saved": [note(n) for n in (1, 3)],
            },
        ),
        "studio": ("studio.html", {"me": mine, "items": own, "gate": gate(), "rooms": []}),
        "studio-open": (
            "studio.html",
            {
                "me": mine,
                "items": [],
                "gate": gate(status="approved", missing=[], may_attach=True, may_go_live=True),
                "rooms": [
                    {"id": "room_1", "title": "Spring dresses", "status": "live", "viewers": 4},
                    {"id": "room_2", "title": "Next week", "status": "created", "viewers": 0},
                ],
            },
        ),
        "studio-note": (
            "studio_note.html",
            {
                "me": mine,
                "note": draft(),
                "gate": gate(may_attach=True),
                "product_q": "linen",
                "found": [chip(4) | {"sku_name": "M"}],
                "quality": None,
            },
        ),
        "studio-room": (
            "studio_room.html",
            {
                "me": mine,
                "room": live | {"stream": {"kind": "srt"}},
                "ingest": {
                    "url": "srt://shop.example:9207",
                    "passphrase": "Zk3v9QmS4xYw1bTqLr8nHd2c",
                    "full_url": "srt://shop.example:9207?mode=caller&passphrase=Zk3v9QmS4xYw1bTqLr8nHd2c",
                    "state": "waiting",
                },
                "shelf": shelf,
                "pinned": "sku_1",
                "found": [],
            },
        ),
        "studio-room-before": (
            "studio_room.html",
            {
                "me": mine,
                "room": live | {"status": "created", "stream": {"kind": "srt"}},
                "ingest": None,
                "shelf": shelf,
                "pinned": None,
                "found": [],
            },
        ),
        "moderation": ("moderation.html", desk | {"me": mine}),
        "moderation-empty": (
            "moderation.html",
            {
                "cases": [],
                "status": "open",
                "kind": "",
                "open_count": 0,
                "case": None,
                "people": {},
                "applications": [],
                "me": mine,
            },
        ),
        "figures": (
            "figures.html",
            {
                "me": mine,
                "since": "2026-02-13",
                "until": "2026-03-14",
                "zone": "Asia/Shanghai",
                "include_synthetic": False,
                "by": "",
                "tiles": [
                    {"name": "DAU", "value": "1,042", "unit": "mean of 30 days", "note": None},
                    {"name": "DAB", "value": "57", "unit": "mean of the daily counts", "note": None},
                    {"name": "DAB / DAU", "value": "5.5%", "unit": "buyers among active users", "note": None},
                    {"name": "GMV", "value": "¥426,300.00", "unit": "placed in 30 days", "note": None},
                ],
                "charts": charts(),
                "columns": NAMED,
                "rows": rows,
            },
        ),
        "room-waiting": (
            "room.html",
            {
                "me": mine,
                "room": live | {"state": {"stream": "waiting"}, "cover": None},
                "shelf": shelf,
                "chat": [],
                "can_chat": True,
                "touchpoint": "room:1",
            },
        ),
        "room": (
            "room.html",
            {
                "me": mine,
                "room": live,
                "shelf": shelf,
                "chat": talk,
                "following": False,
                "can_chat": True,
                "exposure_id": None,
            },
        ),
        "room-ended": (
            "room.html",
            {
                "room": live | {"status": "ended", "playlist": None, "pinned": None},
                "shelf": [],
                "chat": talk[:3],
                "following": False,
                "can_chat": False,
                "exposure_id": None,
            },
        ),
        "404": ("error.html", error | {"status": 404, "code": "note.not_found"}),
        "429": ("error.html", error | {"status": 429, "code": "request.too_many", "retry_after": 12}),
        "500": ("error.html", error | {"status": 500, "code": "server.error"}),
    }


def application() -> Flask:
    app = Flask(__name__, template_folder=str(ROOT / "web/templates"), static_folder=str(ROOT / "web/static"))
    words.install(app.jinja_env, lambda: NOW)
    app.jinja_env.globals.update(
        asset=lambda name: f"/static/{name}", label_of=phrases.disclosure, fresh_key=lambda: "k"
    )

    @app.get("/p/<name>")
    def show(name: str) -> Response:
        words.speak(request.args.get("lang", "en"))
        template, context = pages()[name]
        common = {"me": None, "csrf_token": "token", "path": request.full_path, "idempotency_key": "k"}
        return Response(render_template(template, **common | context), headers={"Content-Security-Policy": CSP})

    @app.get("/fixture/<int:n>.webp")
    def fixture(n: int) -> Response:
        return Response(picture(n), mimetype="image/webp")

    return app


def look(page: Page, axe: str, name: str, out: Path, width: int) -> list[str]:
    """Photograph one page; returns what axe-core and the console complain about."""
    page.wait_for_timeout(250)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    problems = [f"scrolls sideways by {wide} px"] if wide > 0 else []
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)")
    problems += [
        f"{v['impact']} {v['id']}: {v['nodes'][0]['target']} {v['nodes'][0]['failureSummary'][:300]}" for v in found
    ]
    page.screenshot(
        path=out, full_page=name not in ("room", "room-waiting", "room-ended"), animations="disabled", clip=None
    )
    return problems


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", nargs="?", type=Path, default=Path("var/preview"))
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--lang", default="en")
    parser.add_argument("--schemes", nargs="*", default=["light", "dark"])
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    axe = (ROOT / "web/frontend/node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, application(), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    bad = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        for width in (390, 1280):
            for scheme in options.schemes:
                view = browser.new_context(
                    viewport={"width": width, "height": 844 if width == 390 else 860},
                    color_scheme=scheme,
                    locale="en-GB" if options.lang == "en" else "zh-CN",
                )
                for name in options.only or pages():
                    page, said = view.new_page(), []
                    page.on(
                        "console",
                        lambda message, said=said: said.append(message.text) if message.type == "error" else None,
                    )
                    page.on("pageerror", lambda error, said=said: said.append(str(error)))
                    page.goto(f"http://127.0.0.1:{server.server_port}/p/{name}?lang={options.lang}")
                    problems = look(page, axe, name, options.out / f"{name}-{width}-{scheme}.png", width)
                    problems += [
                        text
                        for text in said
                        if "/socket.io" not in text and "404" not in text and "hls" not in text.lower()
                    ]
                    bad += len(problems)
                    for problem in problems:
                        print(f"{name} {width} {scheme}: {problem}")
                    page.close()
                view.close()
        browser.close()
    server.shutdown()
    print(f"{bad} complaints")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
