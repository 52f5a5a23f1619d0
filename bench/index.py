"""`make bench-index`: both index engines fill and answer the same, taking turns in one run; how alike their answers are.

Documents and vectors are made up (relevance is not measured here): words drawn by Zipf's law, vectors around 200 centres.
`fill` puts ready documents into a new copy; `rebuild` is the real one, from rows in SQLite, with the encoding left out.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from bench.rebuilt import notes_in_sql, rebuilt
from bench.record import medians, ratio, write
from engines.index import own_index
from kernel.ports import Hit, IndexDocument, SearchIndex, Vectors
from search.ranking import recall

ROUNDS = 3
DIMENSIONS = 384
QUERIES = 200
CALLERS = 8
DEPTH = 100
SIZES = {"small": 5_000, "full": 100_000}
URL = "OFFSHELF_TEST_ELASTICSEARCH_URL"


def main() -> int:
    """Run, print, record; 1 when a target is missed, 2 without an Elasticsearch."""
    server = os.environ.get(URL)
    if not server:
        print(f"{URL} names no Elasticsearch; set it to one (http://HOST:PORT).", file=sys.stderr)
        return 2
    size = SIZES[os.environ.get("SIZE", "small")]
    documents, queries = _made_up(size)
    urls = {"embedded": "embedded://", "elasticsearch": server}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in urls}
    with tempfile.TemporaryDirectory() as folder, _both(urls) as engines, notes_in_sql(Path(folder), size) as search:
        for _ in range(ROUNDS):
            for name, index in engines.items():
                filled = {"fill_per_second": _fill(index, documents), **rebuilt(search, urls[name], size)}
                runs[name].append({**filled, **_ask(index, queries)})
        alike = _overlap(engines, queries)
        counts = {name: index.count() for name, index in engines.items()}
    figures = _figures(runs) | {"documents": float(size), "top10_overlap": alike}
    targets = {
        "embedded_fill_per_second": (">=", 1000.0),
        "elasticsearch_fill_per_second": (">=", 1000.0),
        "embedded_rebuild_per_second": (">=", 1000.0),
        "elasticsearch_rebuild_per_second": (">=", 1000.0),
        "embedded_to_elasticsearch_queries": (">=", 3.0),
        "top10_overlap": (">=", 0.9),
    }
    if set(counts.values()) != {size}:
        print(f"documents are missing: {counts}", file=sys.stderr)
        return 1
    return write("index", ROUNDS, figures, targets, ["tantivy", "usearch", "elasticsearch"])


@contextmanager
def _both(urls: Mapping[str, str]) -> Iterator[dict[str, SearchIndex]]:
    with ExitStack() as closing:
        yield {name: closing.enter_context(own_index(url, DIMENSIONS, "bench")) for name, url in urls.items()}


def _made_up(size: int) -> tuple[list[IndexDocument], list[tuple[list[str], Vectors]]]:
    rng = np.random.default_rng(20261122)
    centres = rng.standard_normal((200, DIMENSIONS), dtype=np.float32)

    def vectors(count: int) -> Vectors:
        found = centres[rng.integers(0, 200, count)] + rng.standard_normal((count, DIMENSIONS), dtype=np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    def words(count: int) -> list[str]:
        return [f"w{number % 20_000}" for number in rng.zipf(1.3, count)]

    rows = vectors(size)
    kinds = ("note", "product", "room")
    documents = [IndexDocument(f"d{n}", kinds[n % 3], words(60), rows[n], {"kind": kinds[n % 3]}) for n in range(size)]
    return documents, [(words(4), vector) for vector in vectors(QUERIES)]


def _fill(index: SearchIndex, documents: Sequence[IndexDocument]) -> float:
    began = time.perf_counter()
    with index.filling() as copy:
        for start in range(0, len(documents), 250):
            copy.put(documents[start : start + 250])
    return len(documents) / (time.perf_counter() - began)


def _ask(index: SearchIndex, queries: Sequence[tuple[list[str], Vectors]]) -> dict[str, float]:
    """Hybrid recall as a search does it, the encoding left out: one caller for the latency, eight for the throughput."""

    def one(query: tuple[list[str], Vectors]) -> float:
        began = time.perf_counter()
        recall(index, query[0], query[1], DEPTH)
        return time.perf_counter() - began

    alone = [one(query) for query in queries]
    began = time.perf_counter()
    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(one, queries))
    per_second = len(queries) / (time.perf_counter() - began)
    return {"query_p50_ms": 1000 * statistics.median(alone), "queries_per_second": per_second}


def _overlap(engines: dict[str, SearchIndex], queries: Sequence[tuple[list[str], Vectors]]) -> float:
    def share(ask: Callable[[SearchIndex], list[Hit]]) -> float:
        first, second = ({hit.id for hit in ask(index)} for index in engines.values())
        return len(first & second) / max(1, len(first | second))

    sides = [
        ask
        for tokens, vector in queries
        for ask in (
            lambda index, tokens=tokens: index.lexical(tokens, 10, {"kind": "note"}),
            lambda index, vector=vector: index.nearest(vector, 10, {"kind": "note"}),
        )
    ]
    return round(statistics.fmean(share(ask) for ask in sides), 4)


def _figures(runs: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    names = [f"embedded_to_elasticsearch_queries{end}" for end in ("", "_min", "_max")]
    return medians(runs) | dict(
        zip(names, ratio(runs, "queries_per_second", of="embedded", to="elasticsearch"), strict=True)
    )


if __name__ == "__main__":
    sys.exit(main())
