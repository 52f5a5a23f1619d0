"""The hybrid query: what the search service answers with, and what `offshelf eval search` measures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kernel.errors import Unavailable
from kernel.ports import Encoder, Hit, SearchIndex, Vectors
from search.fusion import (
    AT_HOME,
    DENSE_WEIGHT,
    FEW_DOCUMENTS,
    Ranked,
    astray,
    conviction,
    coverage,
    dense_weight,
    fuse,
    meaning_floor,
    trust,
)
from search.tokens import query_tokens, script

CANDIDATES = 100
"""Taken from each side at least. The scale of a score depends on it: pages of one answer come out of one call."""
LONGEST_QUERY = 128
"""Tokens of a query that are looked up: a pasted page costs no more than a long sentence."""
SHORT_QUERY = 12
"""Tokens of a line of English, or of six Chinese characters with their pairs."""
_JUDGED = 10

Terms = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True)
class Candidates:
    """What both sides found, each best first, the weight that the dense side deserves for this query, and the cosine from
    which a document is a result by meaning alone."""

    lexical: list[Hit]
    dense: list[Hit]
    weight: float
    floor: float = -math.inf


def hybrid(
    index: SearchIndex,
    encoder: Encoder | None,
    query_text: str,
    limit: int,
    terms: Terms | None = None,
    weight: float | None = None,
) -> list[Ranked]:
    """The best `limit` documents among those with all `terms`; words alone while the encoder is None or Unavailable.

    `weight` fixes the dense side's weight (0 = BM25 alone, 1 = vectors alone); None chooses it for this query.
    """
    vector = None if encoder is None or weight == 0 else _encoded(encoder, query_text)
    found = recall(index, query_tokens(query_text), vector, limit, terms, encoder.floor if encoder else 0.0)
    chosen = found.weight if weight is None else weight
    return fuse(found.lexical, found.dense, chosen if found.dense else 0.0, found.floor)[:limit]


def recall(
    index: SearchIndex,
    tokens: Sequence[str],
    vector: Vectors | None,
    limit: int,
    terms: Terms | None = None,
    floor: float = 0.0,
) -> Candidates:
    """Ask both sides for `limit` documents, at least `CANDIDATES`. No vector = words alone, at weight 0.

    `floor` is the encoder's: the cosine that texts with nothing in common hardly ever reach.
    """
    tokens, limit = tokens[:LONGEST_QUERY], max(limit, CANDIDATES)
    lexical = index.lexical(tokens, limit, terms)
    dense = [] if vector is None else index.nearest(vector, limit, terms)
    if vector is None or not dense:
        return Candidates(lexical, dense, 0.0)
    covered = coverage(lexical, index.ceilings(tokens), index.count())
    foreign = _foreign(index, tokens, lexical, terms) if covered < AT_HOME else 0.0
    cosines = _cosines(index, lexical, vector)
    trusted = max(conviction(dense, floor), trust(lexical, cosines))
    lost = astray(lexical, cosines, dense, floor, short=len(tokens) <= SHORT_QUERY)
    weight = dense_weight(covered, trusted, foreign, lost)
    if index.count() < FEW_DOCUMENTS and lexical and dense[0].score < floor:
        weight = min(weight, DENSE_WEIGHT)
    return Candidates(lexical, dense, weight, meaning_floor(dense, floor))


def _encoded(encoder: Encoder, query_text: str) -> Vectors | None:
    try:
        vector: Vectors = encoder.queries([query_text])[0]
    except Unavailable:
        return None
    return vector


def _cosines(index: SearchIndex, lexical: Sequence[Hit], vector: Vectors) -> dict[str, float]:
    """The cosine of each document found by words, whether or not it is among the nearest."""
    stored = index.vectors([hit.id for hit in lexical])
    if not stored:
        return {}
    return dict(zip(stored, (np.stack(list(stored.values())) @ vector).tolist(), strict=True))


def _foreign(index: SearchIndex, tokens: Sequence[str], lexical: Sequence[Hit], terms: Terms | None) -> float:
    """The share of the best word matches that are not in the query's script."""
    written, best = script(tokens), [hit.id for hit in lexical[:_JUDGED]]
    if not written or not best:
        return 0.0
    alike = index.lexical(tokens, len(best), {**(terms or {}), "script": written})
    return 1 - len({hit.id for hit in alike} & set(best)) / len(best)
