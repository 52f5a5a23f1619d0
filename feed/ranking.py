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

POLICY = "2026-11-22/pl-1"
"""Version of the scoring below; changes whenever a weight does."""
TEMPERATURE = 0.05
WEIGHTS = {"quality": 0.62, "affinity": 0.24, "freshness": 0.14}
HALF_LIFE_HOURS = 72.0
FORBIDDEN = ("price", "discount", "commission", "margin", "payment", "paid_status", "follower_count")


@dataclass(frozen=True)
class Item:
    """One candidate. `quality`, `affinity` in 0..1. `state` changes when something shown before is new again."""

    id: str
    kind: str
    author_id: str
    quality: float
    affinity: float
    since: datetime
    commercial: bool
    fingerprint: str
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


def choose(pool: Sequence[Item], scores: Mapping[str, float], random: Random) -> Draw:
    """Draw one of `pool` by softmax of score / temperature (one step of a Plackett-Luce ranking)."""
    best = max(scores[item.id] for item in pool)
    weights = [math.exp((scores[item.id] - best) / TEMPERATURE) for item in pool]
    total = sum(weights)
    index = random.choices(range(len(pool)), weights)[0]
    return Draw(pool[index], scores[pool[index].id], weights[index] / total)


def arrange(
    items: Sequence[Item],
    limit: int,
    now: datetime,
    random: Random,
    allowed: Callable[[Item, Sequence[Item]], bool],
    guarantee_share: float,
) -> list[Draw]:
    """Fill up to `limit` positions; `allowed(item, placed)` are the rules, asked at every position.

    A position is a guaranteed one with probability `guarantee_share` while guaranteed items wait (oldest first);
    the propensity says so: P(item) = share x [it is the oldest] + (1 - share) x softmax.
    """
    scores = {item.id: score(item, now) for item in items}
    left = list(items)
    placed: list[Item] = []
    draws: list[Draw] = []
    while left and len(draws) < limit:
        pool = [item for item in left if allowed(item, placed)]
        if not pool:
            break
        draw = _position(pool, scores, random, guarantee_share)
        draws.append(draw)
        placed.append(draw.item)
        left = [item for item in left if item.id != draw.item.id and item.fingerprint != draw.item.fingerprint]
    return draws


def _position(pool: Sequence[Item], scores: Mapping[str, float], random: Random, share: float) -> Draw:
    waiting = [item for item in pool if item.guaranteed]
    if not waiting:
        return choose(pool, scores, random)
    oldest = min(waiting, key=lambda item: (item.since, item.id))
    drawn = choose(pool, scores, random)
    if random.random() < share:
        own = _softmax_of(oldest, pool, scores)
        return Draw(oldest, scores[oldest.id], share + (1 - share) * own)
    extra = share if drawn.item.id == oldest.id else 0.0
    return Draw(drawn.item, drawn.score, extra + (1 - share) * drawn.propensity)


def _softmax_of(item: Item, pool: Sequence[Item], scores: Mapping[str, float]) -> float:
    best = max(scores[other.id] for other in pool)
    total = sum(math.exp((scores[other.id] - best) / TEMPERATURE) for other in pool)
    return math.exp((scores[item.id] - best) / TEMPERATURE) / total
