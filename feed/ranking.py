"""One scale for notes, product notes and live rooms, and a draw whose propensity is known.

Pure. `Item` is everything ranking may see (`INPUTS`); what is forbidden has no field here, so a permutation of it
cannot change a score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from random import Random

from feed.likeness import alike

POLICY = "2026-11-22/pl-2"
"""Version of the scoring below; changes whenever a weight does."""
TEMPERATURE = 0.05
WEIGHTS = {"quality": 0.62, "affinity": 0.24, "freshness": 0.14}
HALF_LIFE_HOURS = 72.0
FORBIDDEN = ("price", "discount", "commission", "margin", "payment", "paid_status", "follower_count")


@dataclass(frozen=True)
class Item:
    """One candidate. `quality`, `affinity` in 0..1. `fingerprint` as in `feed.likeness`; None for a room. `state` changes when
    something shown before is new again."""

    id: str
    kind: str
    author_id: str
    quality: float
    affinity: float
    since: datetime
    commercial: bool
    fingerprint: int | None
    state: str
    source: str = "quality"
    about: str = ""
    guaranteed: bool = False


INPUTS = tuple(field.name for field in fields(Item))


@dataclass(frozen=True)
class Draw:
    """An item chosen for a position with this probability, given what was placed before it."""

    item: Item
    score: float
    propensity: float


def score(item: Item, now: datetime) -> float:
    """Quality, affinity and freshness on one scale for every kind, 0..1."""
    hours = max(0.0, (now - item.since).total_seconds() / 3600)
    freshness: float = 0.5 ** (hours / HALF_LIFE_HOURS)
    parts: dict[str, float] = {"quality": item.quality, "affinity": item.affinity, "freshness": freshness}
    return math.fsum(WEIGHTS[name] * value for name, value in parts.items())


def arrange(
    items: Sequence[Item],
    limit: int,
    now: datetime,
    random: Random,
    allowed: Callable[[Item, Sequence[Item]], bool],
    shares: Mapping[str, float],
) -> list[Draw]:
    """Fill up to `limit` positions; `allowed(item, placed)` are the rules, asked at every position.

    `shares` says with which probability a position goes to the guaranteed items of a kind while one waits, oldest first;
    the rest is one step of a Plackett-Luce ranking, softmax of score / temperature. The propensity says so:
    P(item) = share of its kind x [it is the oldest] + (1 - shares of those who wait) x softmax.
    """
    scores = {item.id: score(item, now) for item in items}
    left = list(items)
    placed: list[Item] = []
    draws: list[Draw] = []
    while left and len(draws) < limit:
        pool = [item for item in left if allowed(item, placed)]
        if not pool:
            break
        draw = _position(pool, scores, random, shares)
        draws.append(draw)
        placed.append(draw.item)
        shown = draw.item
        left = [item for item in left if item.id != shown.id and not alike(item.fingerprint, shown.fingerprint)]
    return draws


def _position(pool: Sequence[Item], scores: Mapping[str, float], random: Random, shares: Mapping[str, float]) -> Draw:
    oldest: dict[str, Item] = {}
    for item in pool:
        if item.guaranteed and (item.kind not in oldest or _age(item) < _age(oldest[item.kind])):
            oldest[item.kind] = item
    waiting = {item.id: shares.get(kind, 0.0) for kind, item in oldest.items()}
    free = 1 - sum(waiting.values())
    best = max(scores[item.id] for item in pool)
    weights = [math.exp((scores[item.id] - best) / TEMPERATURE) for item in pool]
    total = sum(weights)
    odds = [waiting.get(item.id, 0.0) + free * weight / total for item, weight in zip(pool, weights, strict=True)]
    (index,) = random.choices(range(len(pool)), odds)
    return Draw(pool[index], scores[pool[index].id], odds[index])


def _age(item: Item) -> tuple[datetime, str]:
    return item.since, item.id
