"""The demo's notes: the data's posts, our Chinese notes, and notes that merely display a product."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from demo.catalogue import KINDS
from demo.content import Account, Note, Product
from demo.covers import CoverSpec
from demo.people import APPROVED_CREATORS
from demo.reviews import Review

ZONE = ZoneInfo("Asia/Shanghai")
DAYS = 30
PRODUCT_NOTES = 333
WRITERS = 320
"""How many of the crowd write the notes that carry no product."""
_HOURS = (1, 1, 0, 0, 0, 1, 2, 5, 7, 6, 5, 6, 9, 8, 6, 5, 5, 6, 8, 10, 13, 14, 11, 5)
_RATIOS = ("3:4", "3:4", "3:4", "3:4", "1:1", "1:1", "4:3")


@lru_cache(maxsize=1)
def words() -> dict[str, Any]:
    """``words.json``: captions, topics, comments, chat lines and queries, written for the demo."""
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("words.json").read_text("utf-8"))
    return loaded


def essays() -> list[dict[str, Any]]:
    """``notes_zh.jsonl``: our notes in Chinese."""
    lines = Path(__file__).with_name("notes_zh.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def moment(rng: random.Random, day: date) -> datetime:
    """A moment of a business day (Asia/Shanghai), mostly around noon and in the evening, in UTC."""
    hour = rng.choices(range(24), _HOURS)[0]
    local = datetime.combine(day, time(hour, rng.randrange(60), rng.randrange(60), rng.randrange(1000) * 1000), ZONE)
    return local.astimezone(UTC)


def make_notes(
    rng: random.Random, today: date, reviews: Sequence[Review], products: Sequence[Product], accounts: Sequence[Account]
) -> tuple[Note, ...]:
    """All notes in order of publication, every one within the 30 days before ``today``."""
    crowd = [account.handle for account in accounts if account.password is None]
    writers = rng.sample(crowd, WRITERS)
    by_garment = {product.clothing_id: product for product in products if product.clothing_id}
    made = {product.key.removeprefix("made-"): product for product in products if not product.clothing_id}
    carded = _with_products(rng, reviews)
    notes = [
        _post(rng, today, review, by_garment[review.clothing_id], writers, review.number in carded)
        for review in reviews
    ]
    notes += [_essay(rng, today, n, essay, made, writers) for n, essay in enumerate(essays())]
    notes += [_display(rng, today, n, pair, products) for n, pair in enumerate(words()["display"])]
    return tuple(sorted(notes, key=lambda note: (note.published_at, note.key)))


def _with_products(rng: random.Random, reviews: Sequence[Review]) -> set[int]:
    """Which posts carry a product card: of those with a text, the contented ones first."""
    written = [review for review in reviews if review.text]
    ranked = sorted(written, key=lambda review: (-min(review.rating, 4), rng.random()))
    return {review.number for review in ranked[:PRODUCT_NOTES]}


def _published(rng: random.Random, today: date) -> datetime:
    return moment(rng, today - timedelta(days=rng.randrange(1, DAYS + 1)))


def _post(rng: random.Random, today: date, review: Review, product: Product, writers: list[str], carded: bool) -> Note:
    key = f"post-{review.number}"
    author = rng.choice((*APPROVED_CREATORS, *APPROVED_CREATORS, product.merchant)) if carded else rng.choice(writers)
    theme = KINDS[review.class_name].theme
    return Note(
        key=key,
        kind="post" if review.text else "picture",
        author=author,
        title=review.title or _title(rng, review),
        text=review.text,
        topics=_topics(review),
        published_at=_published(rng, today),
        cover=CoverSpec(key, theme, rng.choice(_RATIOS), product.colour, None, product.hero),
        alt=f"Illustration: {product.title.lower()}",
        language="en",
        products=(product.key,) if carded else (),
        rating=review.rating,
        helpful=review.helpful,
    )


def _title(rng: random.Random, review: Review) -> str:
    """The post's first words (at most 48 characters, whole words), or a caption when it has none."""
    if not review.text:
        return str(rng.choice(words()["caption"][review.class_name]))
    first = re.split(r"(?<=[.!?])\s|\s-+\s|\n", review.text, maxsplit=1)[0].rstrip(".,;:- ")
    if len(first) > 48:
        first = first[:48].rsplit(" ", 1)[0].rstrip(".,;:- ") + " \u2026"
    return first[:1].upper() + first[1:]


def _topics(review: Review) -> tuple[str, ...]:
    """The class's topics, then up to three that the words of the post name."""
    said = f"{review.title} {review.text}".lower()
    found = [topic for topic, pattern in words()["said"].items() if re.search(pattern, said)]
    if "Petite" in review.division and "petite" not in found:
        found.insert(0, "petite")
    return tuple(dict.fromkeys([*words()["topics"][review.class_name], *found[:3]]))


def _essay(
    rng: random.Random, today: date, number: int, essay: dict[str, Any], made: dict[str, Product], writers: list[str]
) -> Note:
    key = f"essay-{number}"
    product = made.get(essay.get("product", ""))
    author = rng.choice(writers)
    if product:
        author = ("agui_at_home", "xiaoman_wears", product.merchant)[number % 3]
    return Note(
        key=key,
        kind="essay",
        author=author,
        title=essay["title"],
        text=essay["text"],
        topics=tuple(essay["topics"]),
        published_at=_published(rng, today),
        cover=CoverSpec(
            key,
            essay["theme"],
            rng.choice(_RATIOS),
            product.colour if product else None,
            None,
            product.hero if product else None,
        ),
        alt="\u63d2\u56fe " + essay["title"],
        language="zh",
        products=(product.key,) if product else (),
    )


def _display(rng: random.Random, today: date, number: int, pair: list[str], products: Sequence[Product]) -> Note:
    """A merchant shows its own listing and says nothing: what ranking has to turn down."""
    key = f"display-{number}"
    product = products[rng.randrange(len(products))]
    title, text = pair
    price = product.skus[0].price // 100
    chinese = ord(title[0]) > 127
    return Note(
        key=key,
        kind="display",
        author=product.merchant,
        title=title,
        text=f"{text} \u00a5{price}",
        topics=("sale",),
        published_at=_published(rng, today),
        cover=CoverSpec(key, "sale", rng.choice(("1:1", "3:4")), product.colour, "advert", product.hero),
        alt=f"Illustration: {product.title.lower()} with a price tag",
        language="zh" if chinese else "en",
        products=(product.key,),
    )
