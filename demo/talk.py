"""What people say around the notes: comments, reports for the moderation queue, and the room that is live."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from demo.content import Account, ChatLine, Comment, Note, Product, Report, Room
from demo.covers import CoverSpec
from demo.people import MERCHANTS
from demo.posts import ZONE, words

COMMENTS = 420
REPORTS = 18
HOST = "june_in_linen"
SHELF = 7


def make_comments(
    rng: random.Random, today: date, notes: Sequence[Note], accounts: Sequence[Account]
) -> tuple[Comment, ...]:
    """:data:`COMMENTS` comments by the crowd, more under helpful notes, all after the note and before ``today``."""
    crowd = [account.handle for account in accounts if account.password is None]
    open_to = [note for note in notes if note.kind != "display"]
    weights = [1 + (note.helpful if note.helpful is not None else 8) for note in open_to]
    end = datetime.combine(today, time(0), ZONE).astimezone(UTC)
    said: dict[tuple[str, str], Comment] = {}
    while len(said) < COMMENTS:
        note = rng.choices(open_to, weights)[0]
        author = rng.choice(crowd)
        text = _comment(rng, note)
        at = note.published_at + (end - note.published_at) * rng.uniform(0.02, 0.7)
        if author != note.author:
            said.setdefault((note.key, text), Comment(note.key, author, text, _to_ms(at)))
    return tuple(sorted(said.values(), key=lambda comment: (comment.at, comment.note, comment.author)))


def _to_ms(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _comment(rng: random.Random, note: Note) -> str:
    template = str(rng.choice(words()["comments_zh" if note.language == "zh" else "comments_en"]))
    size = rng.randrange(4)
    return template.format(
        n={"dresses": "dress", "skirts": "skirt", "jackets": "jacket", "sweaters": "sweater"}.get(
            note.topics[0], "piece"
        ),
        s=("XS", "S", "M", "L")[size],
        t=("S", "M", "L", "XL")[size],
        h=rng.randrange(2, 10),
        c=rng.choice(("navy", "sage", "rust", "ivory", "black")),
        m=rng.choice(("payday", "the weekend", "spring", "my trip")),
    )


def make_reports(
    rng: random.Random, today: date, notes: Sequence[Note], accounts: Sequence[Account]
) -> tuple[Report, ...]:
    """:data:`REPORTS` reports of the last three days; most are of notes that merely display a product."""
    crowd = [account.handle for account in accounts if account.password is None]
    display = [note.key for note in notes if note.kind == "display"]
    others = [note.key for note in notes if note.kind == "post" and (note.rating or 5) <= 2]
    reports: dict[tuple[str, str], Report] = {}
    while len(reports) < REPORTS:
        reason, text = rng.choice(words()["reports"])
        target = rng.choice(display if reason in ("spam", "counterfeit") else others)
        reporter = rng.choice(crowd)
        end = datetime.combine(today, time(0), ZONE).astimezone(UTC)
        published = next(note.published_at for note in notes if note.key == target)
        at = max(published, end - timedelta(days=3))
        at += (end - at) * rng.uniform(0.05, 0.95)
        reports.setdefault((reporter, target), Report(target, reporter, reason, text, _to_ms(at)))
    return tuple(sorted(reports.values(), key=lambda report: (report.at, report.target)))


def make_rooms(rng: random.Random, products: Sequence[Product], accounts: Sequence[Account]) -> tuple[Room, ...]:
    """The one room that is live: an approved creator tries on dresses and blouses with stock left."""
    crowd = [account.handle for account in accounts if account.password is None]
    wanted = [p for p in products if p.category in ("Dresses", "Blouses", "Skirts") and p.merchant in MERCHANTS]
    skus = [next((s for s in p.skus if s.size == "M" and s.stock >= 12), None) for p in rng.sample(wanted, len(wanted))]
    shelf = tuple(sku.key for sku in skus if sku)[:SHELF]
    chat = tuple(ChatLine(rng.choice(crowd), line) for line in words()["chat"])
    cover = CoverSpec("room-linen-hour", "dress", "3:4", None, "portrait", "dress")
    return (Room("room-linen-hour", HOST, "Linen hour: seven fits, honest hems", shelf, chat, cover),)
