"""Everything the demo holds, decided by a seed: no database, no clock, no network."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date

from demo.catalogue import make_products
from demo.content import Plan
from demo.held import make_held_comments, make_held_notes
from demo.people import make_accounts, make_follows
from demo.posts import make_notes
from demo.reviews import read_reviews
from demo.talk import make_comments, make_reports, make_rooms

SEED = 20_240_601


def make_plan(seed: int = SEED, *, today: date, scale: float = 1.0) -> Plan:
    """The plan for a demo that is loaded on the business day ``today`` (Asia/Shanghai).

    The same seed and day give the same plan. Each part has its own generator, so that a change in one leaves the others.
    ``scale`` below 1 takes that share of the notes, of what hangs on them, and of the active people; for tests.
    """

    def rng(part: str) -> random.Random:
        return random.Random(f"{seed}/{part}")

    reviews = read_reviews()
    accounts = make_accounts(rng("accounts"), today)
    products = make_products(rng("products"), reviews)
    notes = make_notes(rng("notes"), today, reviews, products, accounts)
    plan = Plan(
        seed=seed,
        today=today,
        accounts=accounts,
        products=products,
        notes=notes,
        follows=make_follows(rng("follows"), accounts),
        comments=make_comments(rng("comments"), today, notes, accounts),
        reports=make_reports(rng("reports"), today, notes, accounts),
        rooms=make_rooms(rng("rooms"), products, accounts),
        held_notes=make_held_notes(rng("held notes"), today, accounts),
        held_comments=make_held_comments(rng("held comments"), today, notes, accounts),
    )
    return plan if scale >= 1 else _slice(plan, scale)


def _slice(plan: Plan, scale: float) -> Plan:
    """All people and follows (the gate counts them), every n-th note, and the products that these and the room show."""
    notes = plan.notes[:: max(1, round(1 / scale))]
    shown = {key for note in notes for key in note.products}
    shown |= {sku.rpartition(":")[0] for room in plan.rooms for sku in room.shelf}
    kept = {note.key for note in notes}
    return replace(
        plan,
        notes=notes,
        products=tuple(product for product in plan.products if product.key in shown),
        comments=tuple(comment for comment in plan.comments if comment.note in kept),
        reports=tuple(report for report in plan.reports if report.target in kept),
        scale=scale,
    )
