"""Everything the demo holds, decided by a seed: no database, no clock, no network."""

from __future__ import annotations

import random
from datetime import date

from demo.catalogue import make_products
from demo.content import Plan
from demo.people import make_accounts, make_follows
from demo.posts import make_notes
from demo.reviews import read_reviews
from demo.talk import make_comments, make_reports, make_rooms

SEED = 20_240_601


def make_plan(seed: int = SEED, *, today: date) -> Plan:
    """The plan for a demo that is loaded on the business day ``today`` (Asia/Shanghai).

    The same seed and day give the same plan. Each part has its own generator, so that a change in one leaves the others.
    """

    def rng(part: str) -> random.Random:
        return random.Random(f"{seed}/{part}")

    reviews = read_reviews()
    accounts = make_accounts(rng("accounts"), today)
    products = make_products(rng("products"), reviews)
    notes = make_notes(rng("notes"), today, reviews, products, accounts)
    return Plan(
        seed=seed,
        today=today,
        accounts=accounts,
        products=products,
        notes=notes,
        follows=make_follows(rng("follows"), accounts),
        comments=make_comments(rng("comments"), today, notes, accounts),
        reports=make_reports(rng("reports"), today, notes, accounts),
        rooms=make_rooms(rng("rooms"), products, accounts),
    )
