"""What a person has shown to like, decaying with a half-life: moved by what they do, and moved back by what they take back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, select

from feed.models import Taste
from kernel.db import Write, in_chunks, upsert, upsert_many

HALF_LIFE_DAYS = 14.0
TASTE_OF = {"opened": 0.3, "liked": 1.0, "saved": 1.5, "commented": 1.2, "not_interested": -2.0}
Change = tuple[datetime, str, Sequence[str], float]
"""When, who, about what, by how much."""


def decayed(weight: float, since: datetime, now: datetime) -> float:
    """A taste after its half-life."""
    days: float = (now - since).total_seconds() / 86_400
    return float(weight * 0.5 ** (days / HALF_LIFE_DAYS))


def move(tx: Write, person: str, about: Sequence[str], change: float) -> None:
    """Move a person's taste; what was there before has decayed by its half-life."""
    known = _known(tx, person, about)
    for name in sorted(set(about)):
        before = decayed(known[name].weight, known[name].updated_at, tx.now) if name in known else 0.0
        row = {"weight": before + change, "updated_at": tx.now}
        # One that is not known yet may be written by somebody else meanwhile: then both count.
        moved = row if name in known else {**row, "weight": Taste.weight + change}
        upsert(tx.session, Taste.__table__, {"person": person, "about": name, **row}, ["person", "about"], moved)


def take_back(tx: Write, person: str, about: Sequence[str], change: float, since: datetime) -> None:
    """Undo a `move` by `change` at `since`: only what is left of it, and what was liked is never disliked for it."""
    left = decayed(change, since, tx.now)
    for taste in _known(tx, person, about).values():
        before = decayed(taste.weight, taste.updated_at, tx.now)
        taste.weight, taste.updated_at = max(min(before, 0.0), before - left), tx.now
    tx.session.flush()


def merge(tx: Write, device_id: str, account_id: str) -> None:
    """A device became an account: what it likes, the account likes."""
    gone = delete(Taste).where(Taste.person == device_id).returning(Taste.about, Taste.weight, Taste.updated_at)
    for about, weight, since in tx.session.execute(gone).all():
        move(tx, account_id, [about], decayed(weight, since, tx.now))


def move_many(tx: Write, changes: Iterable[Change]) -> None:
    """`move` for each, in order of time."""
    changes = list(changes)
    tastes: dict[tuple[str, str], tuple[float, datetime]] = {}
    for persons in in_chunks(list(dict.fromkeys(person for _, person, _, _ in changes))):
        for row in tx.session.scalars(select(Taste).where(Taste.person.in_(persons))):
            tastes[row.person, row.about] = (row.weight, row.updated_at)
    moved: dict[tuple[str, str], None] = {}
    for at, person, about, change in changes:
        for name in about:
            weight, since = tastes.get((person, name), (0.0, at))
            tastes[person, name] = (decayed(weight, since, at) + change, at)
            moved[person, name] = None
    rows = [dict(zip(("person", "about", "weight", "updated_at"), (*key, *tastes[key]), strict=True)) for key in moved]
    upsert_many(tx.session, Taste.__table__, rows, ["person", "about"])


def _known(tx: Write, person: str, about: Sequence[str]) -> dict[str, Taste]:
    mine = select(Taste).where(Taste.person == person, Taste.about.in_(about)).order_by(Taste.about)
    found = tx.session.scalars(mine.with_for_update().execution_options(populate_existing=True))
    return {taste.about: taste for taste in found}
