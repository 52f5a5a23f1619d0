"""One ranking out of two: min-max scores of words (BM25) and meaning (cosine), added with a weight per query.

Reciprocal ranks throw away how sure each side is, and lost to BM25 alone; min-max sums (Bruch et al., An Analysis of
Fusion Functions for Hybrid Retrieval, 2023) keep it. The weight of the dense side is read off the query's own
candidates, never tuned to a collection: meaning counts for less where it contradicts words that match well, and for
everything where words cannot match, as when the question and the texts are in different languages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from kernel.ports import Hit

WORDS, MEANING = "words", "meaning"
DENSE_WEIGHT = 0.5
"""The weight of meaning where it is trusted and words match. Between .3 and .5 the result hardly depends on it."""
FULL_TRUST = 0.5
"""Correlation of both scores from which meaning is trusted fully; a model that knows the language is mostly above."""
FEWEST = 10
"""Candidates below which a correlation says nothing."""
FEW_DOCUMENTS = 100
"""Documents below which nothing can be said of how rare a word is, and so of how much of a query another one covers."""
UNMATCHED, BARELY_MATCHED = 0.10, 0.25
"""Coverage up to which words count for nothing, and from which they count as usual."""
FOREIGN, AT_HOME = 0.35, 0.60
"""The same where the words were found in texts of another script: there a chance match covers up to a third, while
a name or model number, written alike in every script, covers the whole query."""
TAIL = 0.75
"""The share of the encoder's floor from which a document is shown beside a convincing one."""
CONVINCING = 1.5
"""Times the encoder's floor: from there the dense side is trusted whatever the correlation says, which over the few
distinct scores of a short query says little."""
FOREMOST = 3
"""Word matches of a short query that are asked whether they mean what it means; of a long one `FEWEST`."""
ASTRAY, BESIDE = 0.50, 0.80
"""Cosine of the best word match over the best of all: up to where words went astray, and from where they did not."""


@dataclass(frozen=True)
class Ranked:
    """A result: `score` in [0, 1], comparable within one answer; `matched_by` names `words`, `meaning` or both."""

    id: str
    score: float
    matched_by: tuple[str, ...]


def fuse(lexical: Sequence[Hit], dense: Sequence[Hit], weight: float, floor: float = -math.inf) -> list[Ranked]:
    """Best first, ties by id. `weight` in [0, 1] is the dense side's; at 0 or 1 the other side's own finds fall away.

    Below the cosine `floor` a document does not match by meaning; what matches in neither way is left out.
    """
    words = _scaled(lexical) if weight < 1 else {}
    meaning = _scaled(dense) if weight > 0 else {}
    alike = {hit.id for hit in dense if hit.score >= floor} & meaning.keys()
    ranked = [
        Ranked(id, (1 - weight) * words.get(id, 0.0) + weight * meaning.get(id, 0.0), _matched(id, words.keys(), alike))
        for id in words.keys() | alike
    ]
    return sorted(ranked, key=lambda found: (-found.score, found.id))


def meaning_floor(dense: Sequence[Hit], floor: float) -> float:
    """From which cosine a document matches by meaning. `floor` is the encoder's (`kernel.ports.Encoder`).

    Where none reaches the floor, none does. Where one does, the query means something here, and what lies a little below
    it is worth showing after it.
    """
    return floor * TAIL if dense and dense[0].score >= floor else floor


def conviction(dense: Sequence[Hit], floor: float) -> float:
    """How far the best cosine is beyond chance: 0 at the encoder's floor, 1 from half as much again."""
    return _ramp(dense[0].score, floor, CONVINCING * floor) if dense and floor > 0 else 0.0


def astray(
    lexical: Sequence[Hit], cosines: Mapping[str, float], dense: Sequence[Hit], floor: float, short: bool = False
) -> float:
    """How far the best word matches are from what the query means, beside what meaning found; 0 where that is chance.

    A short query in words that the right texts do not use still meets its commonest word, or characters, somewhere.
    """
    if not dense or floor <= 0 or not lexical:
        return 0.0
    nearest = max((cosines.get(hit.id, 0.0) for hit in lexical[: FOREMOST if short else FEWEST]), default=0.0)
    return _ramp(dense[0].score, floor, 1.2 * floor) * (1 - _ramp(nearest / max(dense[0].score, floor), ASTRAY, BESIDE))


def dense_weight(coverage: float, trust: float, foreign: float, astray: float = 0.0) -> float:
    """The dense side's weight for one query; each argument is in [0, 1].

    `coverage`: how much of the query the best document matches by words. `trust`: how far the dense side is believed.
    `foreign`: the share of the best word matches that are in another script than the query. `astray`: how little those
    mean what the query means.
    """
    usual = DENSE_WEIGHT * trust
    unmatched = 1 - _ramp(coverage, UNMATCHED, BARELY_MATCHED)
    chance = 1 - _ramp(coverage, FOREIGN, AT_HOME)
    abroad = _ramp(foreign, 0.25, 0.75)
    return usual + (1 - usual) * max(unmatched, chance * max(abroad, astray))


def coverage(lexical: Sequence[Hit], ceilings: Sequence[float], documents: int) -> float:
    """The best BM25 score over the highest thinkable: every token at its ceiling in one document.

    A token that no document has would weigh at least as much as the rarest: idf at n = 0, ln(2 N + 2).
    """
    if not lexical or not ceilings:
        return 0.0
    absent = max(*ceilings, math.log(2 * documents + 2))
    return min(1.0, lexical[0].score / sum(ceiling or absent for ceiling in ceilings))


def trust(lexical: Sequence[Hit], cosines: Mapping[str, float]) -> float:
    """Pearson's correlation of BM25 and cosine over the documents found by words, 0 to `FULL_TRUST` scaled to [0, 1].

    A model that knows the language rates better matches higher; one that does not gives noise. 1 without evidence.
    """
    pairs = [(hit.score, cosines[hit.id]) for hit in lexical if hit.id in cosines]
    if len(pairs) < FEWEST:
        return 1.0
    correlation = _correlation(pairs)
    return 1.0 if correlation is None else _ramp(correlation, 0.0, FULL_TRUST)


def _scaled(hits: Sequence[Hit]) -> dict[str, float]:
    """Scores moved to [0, 1]; 1 for all when they are equal."""
    if not hits:
        return {}
    low, high = min(hit.score for hit in hits), max(hit.score for hit in hits)
    return {hit.id: (hit.score - low) / (high - low) if high > low else 1.0 for hit in hits}


def _matched(id: str, words: Set[str], meaning: Set[str]) -> tuple[str, ...]:
    return tuple(name for name, found in ((WORDS, words), (MEANING, meaning)) if id in found)


def _ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high`, straight between."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    xs, ys = zip(*pairs, strict=True)
    x_mean, y_mean = math.fsum(xs) / len(xs), math.fsum(ys) / len(ys)
    x_spread = math.sqrt(math.fsum((x - x_mean) ** 2 for x in xs))
    y_spread = math.sqrt(math.fsum((y - y_mean) ** 2 for y in ys))
    if x_spread < 1e-9 or y_spread < 1e-9:
        return None
    return math.fsum((x - x_mean) * (y - y_mean) for x, y in pairs) / (x_spread * y_spread)
