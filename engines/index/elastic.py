"""The index on a server: Elasticsearch 9 through elasticsearch-py, for n web processes and m workers.

Elasticsearch keeps the factor (k1 + 1) that Lucene's BM25 dropped, so scores are those of the embedded engine.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from elasticsearch import AuthorizationException

from engines.index.elastic_copies import LANES, ElasticCopies, ElasticFilling, taken
from engines.index.elastic_mapping import Steps, bm25, chunks, deletes, filters, hits, puts
from engines.index.elastic_server import REFUSED, answering, check, checked, gone, open_client
from engines.index.labels import Terms
from kernel.errors import SettingError, Unavailable
from kernel.ports import Hit, IndexDocument, Vectors

log = logging.getLogger("offshelf.index")
CANDIDATES = 512
"""HNSW candidates per query at least; Elasticsearch's default (1.5 k) loses several % of the exact top 100."""
MOST = 10_000
"""Elasticsearch's own limit for candidates and for the depth of an answer."""
_CEILINGS_FOR = 5.0
"""Seconds for which a token's ceiling is remembered: other processes write, too, and it is an estimate anyway."""
_REMEMBERED = 10_000
"""Ceilings that are remembered at most."""


class ElasticIndex:
    """Any number of processes at a time. Whatever the server cannot answer is `Unavailable`, never an empty page."""

    def __init__(self, url: str, dimensions: int, name: str = "", suffix: str = "") -> None:
        """Raises SettingError when there is no Elasticsearch 9 at `url`, or it does not let us in.

        `suffix` is put behind the URL's alias: an index of one's own beside the one in use there.
        """
        self._client, alias = open_client(url)
        self._alias = alias + suffix
        self._copies = ElasticCopies(self._client, self._alias, dimensions, name)
        self._ceiling: dict[str, tuple[float, float]] = {}
        try:
            check(self._client)
            self._copies.ensure()
        except AuthorizationException:
            self._client.close()
            raise SettingError(REFUSED) from None
        except BaseException:
            self._client.close()
            raise

    @property
    def fresh(self) -> bool:
        """False until a filling has ended: this copy was never filled, or was lost, or another encoder filled it."""
        with answering():
            found = self._copies.current()
            return found is not None and found[1] == {**self._copies.stamp, "fresh": True}

    @contextmanager
    def filling(self) -> Iterator[ElasticFilling]:
        """Fill an index of its own, which every process writes to as well, then swap the alias in one step."""
        with answering():
            self._copies.ensure()
            name, mine = self._copies.begin_filling()
        try:
            with ThreadPoolExecutor(LANES, "filling") as lanes:
                yield ElasticFilling(self._copies, name, mine, lanes)
            with answering():
                if not self._client.indices.exists_alias(name=mine):
                    raise taken()
                self._client.options(request_timeout=30).indices.refresh(index=name)
                self._copies.say(name, fresh=True)
                self._copies.swap_in(name, mine)
        except BaseException:
            self._copies.drop(name, mine)
            raise
        self._ceiling.clear()

    def put(self, documents: Sequence[IndexDocument]) -> None:
        """Insert or replace by id; of two with the same id the later counts. ValueError for a vector of a wrong shape."""
        self._write(puts(documents, self._copies.dimensions))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove by id."""
        self._write(deletes(ids))

    def refresh(self) -> None:
        """Make what was put and deleted visible, in every process."""
        with answering():
            self._client.indices.refresh(index=self._alias)
        self._ceiling.clear()

    def lexical(self, tokens: Sequence[str], limit: int, terms: Terms | None = None) -> list[Hit]:
        """BM25; a token that is asked for twice counts twice."""
        if not tokens or limit < 1:
            return []
        with answering():
            found = self._client.search(
                index=self._alias, query=bm25(tokens, terms or {}), size=min(limit, MOST), source=False
            )
        return hits(found, lambda score: score)

    def ceilings(self, tokens: Sequence[str]) -> list[float]:
        """Each token's best score, asked in one request and remembered for a few seconds."""
        now = time.monotonic()
        known = {token: self._ceiling.get(token, (0.0, 0.0)) for token in tokens}
        if unknown := [token for token, (until, _) in known.items() if until < now]:
            asked = {token: (now + _CEILINGS_FOR, score) for token, score in zip(unknown, self._best_of(unknown))}
            if len(self._ceiling) > _REMEMBERED:
                self._ceiling.clear()
            self._ceiling.update(asked)
            known.update(asked)
        return [known[token][1] for token in tokens]

    def _best_of(self, tokens: Sequence[str]) -> list[float]:
        steps = [step for token in tokens for step in ({}, {"query": bm25([token], {}), "size": 1, "_source": False})]
        with answering():
            answers = self._client.msearch(index=self._alias, searches=steps)["responses"]
            return [checked(answer)["hits"]["max_score"] or 0.0 for answer in answers]

    def nearest(self, vector: Vectors, limit: int, terms: Terms | None = None) -> list[Hit]:
        """Cosine; `vector` has unit length."""
        if limit < 1:
            return []
        limit = min(limit, MOST)
        near = {
            "field": "vector",
            "query_vector": np.asarray(vector, dtype=np.float32).tolist(),
            "k": limit,
            "num_candidates": min(MOST, max(2 * limit, CANDIDATES)),
            "filter": filters(terms or {}),
        }
        with answering():
            found = self._client.search(index=self._alias, knn=near, size=limit, source=False)
        return hits(found, lambda score: 2 * score - 1)

    def vectors(self, ids: Sequence[str]) -> dict[str, Vectors]:
        """As they went in, float32 of unit length."""
        if not ids:
            return {}
        wanted = {"bool": {"filter": [{"ids": {"values": list(ids)}}, {"exists": {"field": "vector"}}]}}
        with answering():
            found = self._client.search(index=self._alias, query=wanted, size=len(ids), source={"includes": ["vector"]})
        rows = {hit["_id"]: np.asarray(hit["_source"]["vector"], dtype=np.float32) for hit in found["hits"]["hits"]}
        return {id: rows[id] / max(float(np.linalg.norm(rows[id])), 1e-12) for id in ids if id in rows}

    def count(self) -> int:
        """Documents visible."""
        with answering():
            return int(self._client.count(index=self._alias)["count"])

    def close(self) -> None:
        """Make what waits visible to the others, and hang up."""
        try:
            self.refresh()
        except Unavailable:
            log.warning("the search index was gone when it was closed; what waited is seen at the next refresh")
        self._client.close()

    def remove(self) -> None:
        """Delete every index of this alias, and hang up."""
        try:
            with answering():
                self._copies.remove()
        finally:
            self._client.close()

    def _write(self, steps: Steps) -> None:
        """To the index in use, and to the one that is being filled, if there is one."""
        with answering():
            for chunk in chunks(steps):
                # Whatever was swapped away meanwhile: the whole is sent again, to what is there now.
                if not any(self._copies.bulk(self._copies.targets(), chunk) for _ in range(2)):
                    raise gone()
