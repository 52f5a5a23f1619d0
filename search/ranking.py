"""The hybrid query: what the search service answers with, and what `offshelf eval search` measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kernel.errors import Unavailable
from kernel.ports import Encoder, Hit, SearchIndex, Vectors
from search.fusion import AT_HOME, Ranked, coverage, dense_weight, fuse, trust
from search.tokens import query_tokens, script

CANDIDATES = 100
"""Taken from each side at least. The scale of a score depends on it: pages of one answer come out of one call."""
LONGEST_QUERY = 128
"""Tokens of a query that are looked up: a pasted page costs no more than a long sentence."""
_JUDGED = 10

Terms = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True)
class Candidates:
    """What both sides found, each best first, and the weight that the dense side deserves for this query."""

    lexical: list[Hit]
    dense: list[Hit]
    weight: float


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
    found = recall(index, query_tokens(query_text), vector, limit, terms)
    chosen = found.weight if weight is None else weight
    return fuse(found.lexical, found.dense, chosen if found.dense else 0.0)[:limit]


def recall(
    index: SearchIndex, tokens: Sequence[str], vector: Vectors | None, limit: int, terms: Terms | None = None
) -> Candidates:
    """Ask both sides for `limit` documents, at least `CANDIDATES`. No vector = words alone, at weight 0."""
    tokens, limit = tokens[:LONGEST_QUERY], max(limit, CANDIDATES)
    lexical = index.lexical(tokens, limit, terms)
    dense = [] if vector is None else index.nearest(vector, limit, terms)
    if vector is None or not dense:
        return Candidates(lexical, dense, 0.0)
    covered = coverage(lexical, index.ceilings(tokens), index.count())
    foreign = _foreign(index, tokens, lexical, terms) if covered < AT_HOME else 0.0
    return Candidates(lexical, dense, dense_weight(covered, trust(lexical, _cosines(index, lexical, vector)), foreign))


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
