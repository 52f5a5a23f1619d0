"""What a document and a question look like to Elasticsearch. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from engines.index.labels import Terms, labels
from kernel.ports import Hit, IndexDocument

FORMAT = 1
"""Changes with the mapping: an index of an older format is replaced by an empty one and filled anew."""
Steps = list[dict[str, Any]]
_BULK = 500
SETTINGS = {
    "number_of_shards": 1,  # BM25 counts documents per shard; one shard is what makes scores the same everywhere
    "auto_expand_replicas": "0-1",
    "refresh_interval": -1,  # `refresh` says when
    "mapping.exclude_source_vectors": False,
}


def mapping(meta: Mapping[str, Any], dimensions: int) -> dict[str, Any]:
    vector = {
        "type": "dense_vector",
        "dims": dimensions,
        "index": True,
        "similarity": "cosine",
        "index_options": {"type": "hnsw", "m": 16, "ef_construction": 128},
    }
    return {
        "dynamic": "strict",
        "_meta": dict(meta),
        "properties": {
            "tokens": {"type": "text", "analyzer": "whitespace", "index_options": "freqs"},
            "terms": {"type": "keyword"},
            "vector": vector,
        },
    }


def puts(documents: Sequence[IndexDocument], dimensions: int) -> Steps:
    rows = {document.id: _row(document, dimensions) for document in documents}
    return [step for id, row in rows.items() for step in ({"index": {"_id": id}}, row)]


def _row(document: IndexDocument, dimensions: int) -> dict[str, Any]:
    row: dict[str, Any] = {"tokens": " ".join(document.tokens), "terms": list(labels(document.terms))}
    if document.vector is not None:
        if np.shape(document.vector) != (dimensions,):
            raise ValueError(f"a vector of shape {np.shape(document.vector)}, expected {(dimensions,)}")
        if not np.isfinite(document.vector).all():
            raise ValueError("a vector holds a value that is not finite")
        row["vector"] = np.asarray(document.vector, dtype=np.float32)
    return row


def deletes(ids: Sequence[str]) -> Steps:
    return [{"delete": {"_id": id}} for id in ids]


def chunks(steps: Steps, pairs: int = _BULK) -> Iterator[Steps]:
    """Requests of a few MB; an even number of steps, so that no document is cut from its action."""
    size = 2 * min(pairs, _BULK)
    for start in range(0, len(steps), size):
        yield steps[start : start + size]


def bm25(tokens: Sequence[str], terms: Terms) -> dict[str, Any]:
    words = {"match": {"tokens": {"query": " ".join(tokens), "operator": "or"}}}
    return {"bool": {"must": [words], "filter": filters(terms)}}


def filters(terms: Terms) -> list[dict[str, Any]]:
    return [{"terms": {"terms": list(labels({name: values}))}} for name, values in terms.items()]


def hits(answer: Any, scale: Callable[[float], float]) -> list[Hit]:
    found = [Hit(hit["_id"], scale(hit["_score"])) for hit in answer["hits"]["hits"]]
    return sorted(found, key=lambda hit: (-hit.score, hit.id))
