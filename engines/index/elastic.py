"""The index on a server: Elasticsearch 9 through elasticsearch-py, for n web processes and m workers.

An alias names the index in use; an index is made once, filled, and replaced by swapping the alias, never changed in
kind. Elasticsearch keeps the factor (k1 + 1) that Lucene's BM25 dropped, so scores are those of the embedded engine.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from hashlib import blake2b
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from elastic_transport import TransportError
from elasticsearch import (
    ApiError,
    AuthenticationException,
    AuthorizationException,
    BadRequestError,
    Elasticsearch,
    NotFoundError,
    UnsupportedProductError,
)
from elasticsearch.serializer import NdjsonSerializer, OrjsonSerializer

from engines.index import ACCEPTED
from engines.index.labels import Terms, labels
from engines.index.look import IndexLook
from engines.vitals import round_trip
from kernel.errors import Conflict, SettingError, Unavailable
from kernel.ports import Hit, IndexDocument, Vectors

MAJOR = 9
log = logging.getLogger("offshelf.index")
FORMAT = 1
"""Changes with the mapping: an index of an older format is replaced by an empty one and filled anew."""
CANDIDATES = 512
"""HNSW candidates per query at least; Elasticsearch's default (1.5 k) loses several % of the exact top 100."""
MOST = 10_000
"""Elasticsearch's own limit for candidates and for the depth of an answer."""
_REFUSED = (
    "OFFSHELF_INDEX_URL: Elasticsearch refuses this user or password; name a user that may make and fill indices."
)
_AWAY = (404, 429, 502, 503, 504)
Steps = list[dict[str, Any]]
_BULK = 500
_LANES = 2
"""Requests of a filling at once: a graph of vectors grows in one thread for each, about 1 ms a document."""
_CEILINGS_FOR = 5.0
"""Seconds for which a token's ceiling is remembered: other processes write, too, and it is an estimate anyway."""
_REMEMBERED = 10_000
"""Ceilings that are remembered at most."""
_ABANDONED = 120.0
"""Seconds without a sign of life after which somebody else's filling is taken for dead."""


class OrjsonLines(OrjsonSerializer, NdjsonSerializer):
    """The lines of a bulk by orjson, which writes a row of numpy as it is: json took a third of a rebuild."""


class ElasticIndex:
    """Any number of processes at a time. Whatever the server cannot answer is `Unavailable`, never an empty page."""

    def __init__(self, url: str, dimensions: int, name: str = "", suffix: str = "") -> None:
        """Raises SettingError when there is no Elasticsearch 9 at `url`, or it does not let us in.

        `suffix` is put behind the URL's alias: an index of one's own beside the one in use there.
        """
        self._client, alias = _client(url)
        self._alias = alias + suffix
        self._slow = self._client.options(request_timeout=30)  # what changes the cluster's state takes its time
        self._dimensions = dimensions
        self._stamp = {"format": FORMAT, "dimensions": dimensions, "name": name}
        self._ceiling: dict[str, tuple[float, float]] = {}
        self._filled, self._former = f"{self._alias}-filling", f"{self._alias}-former"
        try:
            _check(self._client)
            self._ensure()
        except AuthorizationException:
            self._client.close()
            raise SettingError(_REFUSED) from None
        except BaseException:
            self._client.close()
            raise

    @property
    def fresh(self) -> bool:
        """False until a filling has ended: this copy was never filled, or was lost, or another encoder filled it."""
        with _answering():
            found = self._current()
            return found is not None and found[1] == {**self._stamp, "fresh": True}

    @contextmanager
    def filling(self) -> Iterator[ElasticFilling]:
        """Fill an index of its own, which every process writes to as well, then swap the alias in one step."""
        with _answering():
            self._ensure()
            name = self._begin_filling()
        try:
            with ThreadPoolExecutor(_LANES, "filling") as lanes:
                yield ElasticFilling(self, name, lanes)
            with _answering():
                self._slow.indices.refresh(index=name)
                self._say(name, fresh=True)
                self._swap_in(name)
        except BaseException:
            self._drop(name)
            raise
        self._ceiling.clear()

    def put(self, documents: Sequence[IndexDocument]) -> None:
        """Insert or replace by id; of two with the same id the later counts. ValueError for a vector of a wrong shape."""
        self._write(self._puts(documents))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove by id."""
        self._write(_deletes(ids))

    def refresh(self) -> None:
        """Make what was put and deleted visible, in every process."""
        with _answering():
            self._client.indices.refresh(index=self._alias)
        self._ceiling.clear()

    def lexical(self, tokens: Sequence[str], limit: int, terms: Terms | None = None) -> list[Hit]:
        """BM25; a token that is asked for twice counts twice."""
        if not tokens or limit < 1:
            return []
        with _answering():
            found = self._client.search(
                index=self._alias, query=_bm25(tokens, terms or {}), size=min(limit, MOST), source=False
            )
        return _hits(found, lambda score: score)

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
        steps = [step for token in tokens for step in ({}, {"query": _bm25([token], {}), "size": 1, "_source": False})]
        with _answering():
            answers = self._client.msearch(index=self._alias, searches=steps)["responses"]
            return [_checked(answer)["hits"]["max_score"] or 0.0 for answer in answers]

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
            "filter": _filters(terms or {}),
        }
        with _answering():
            found = self._client.search(index=self._alias, knn=near, size=limit, source=False)
        return _hits(found, lambda score: 2 * score - 1)

    def vectors(self, ids: Sequence[str]) -> dict[str, Vectors]:
        """As they went in, float32 of unit length."""
        if not ids:
            return {}
        wanted = {"bool": {"filter": [{"ids": {"values": list(ids)}}, {"exists": {"field": "vector"}}]}}
        with _answering():
            found = self._client.search(index=self._alias, query=wanted, size=len(ids), source={"includes": ["vector"]})
        rows = {hit["_id"]: np.asarray(hit["_source"]["vector"], dtype=np.float32) for hit in found["hits"]["hits"]}
        return {id: rows[id] / max(float(np.linalg.norm(rows[id])), 1e-12) for id in ids if id in rows}

    def count(self) -> int:
        """Documents visible."""
        with _answering():
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
            with _answering():
                found = self._slow.indices.get(index=f"{self._alias}-*").body
                if ours := [name for name, said in found.items() if self._ours(said)]:
                    self._slow.indices.delete(index=ours)
        finally:
            self._client.close()

    # -- writing ----------------------------------------------------------------------------------------------------

    def _puts(self, documents: Sequence[IndexDocument]) -> Steps:
        rows = {document.id: self._row(document) for document in documents}
        return [step for id, row in rows.items() for step in ({"index": {"_id": id}}, row)]

    def _row(self, document: IndexDocument) -> dict[str, Any]:
        row: dict[str, Any] = {"tokens": " ".join(document.tokens), "terms": list(labels(document.terms))}
        if document.vector is not None:
            if np.shape(document.vector) != (self._dimensions,):
                raise ValueError(f"a vector of shape {np.shape(document.vector)}, expected {(self._dimensions,)}")
            if not np.isfinite(document.vector).all():
                raise ValueError("a vector holds a value that is not finite")
            row["vector"] = np.asarray(document.vector, dtype=np.float32)
        return row

    def _write(self, steps: Steps) -> None:
        """To the index in use, and to the one that is being filled, if there is one."""
        with _answering():
            for chunk in _chunks(steps):
                # Whatever was swapped away meanwhile: the whole is sent again, to what is there now.
                if not self._bulk(self._targets(), chunk) and not self._bulk(self._targets(), chunk):
                    raise _gone()

    def _targets(self) -> list[str]:
        known = self._client.indices.get_alias(index=f"{self._alias}-*", name=f"{self._alias}*").body
        names = {name for found in known.values() for name in found["aliases"]}
        if self._alias not in names:
            self._ensure()
        return [self._alias, *({self._filled} & names)]

    def _bulk(self, targets: Sequence[str], steps: Steps) -> bool:
        """False when a target is not there any more."""
        for target in targets:
            answer = self._client.bulk(index=target, operations=steps, require_alias=True)
            if answer["errors"]:
                problems = [item["error"] for entry in answer["items"] for item in entry.values() if "error" in item]
                if all(problem["type"] == "index_not_found_exception" for problem in problems):
                    return False
                raise _refused(problems)
        return True

    # -- the index behind the alias ---------------------------------------------------------------------------------

    def _current(self) -> tuple[str, dict[str, Any]] | None:
        """The index in use and what it says of itself."""
        try:
            found = self._client.indices.get_mapping(index=self._alias).body
        except NotFoundError:
            return None
        name, mapping = next(iter(found.items()))
        return name, mapping["mappings"].get("_meta", {})

    def _ensure(self) -> None:
        """There is an index in use, made for this encoder; an empty one that is not fresh if there was none."""
        with _answering():
            if not self._in_use():
                # The name follows from the stamp: two processes that start at once make the same one, alias and all, and
                # the second takes nothing away that the first may be filling already.
                self._create(self._first_name(), *(() if self._current() else (self._alias,)))
                if not self._in_use():
                    self._swap_in(self._first_name())

    def _in_use(self) -> bool:
        """Whether the alias names an index made for this encoder."""
        found = self._current()
        return found is not None and self._stamp.items() <= found[1].items()

    def _first_name(self) -> str:
        digest = blake2b(repr(sorted(self._stamp.items())).encode(), digest_size=5).hexdigest()
        return f"{self._alias}-{digest}-1"

    def _begin_filling(self) -> str:
        """Make the next index, under the alias that every process writes to. Whoever makes it is the one who fills."""
        in_use = self._current()
        stem, _, generation = (in_use[0] if in_use else self._first_name()).rpartition("-")
        name = f"{stem}-{int(generation) + 1}"
        if not self._create(name, self._filled):
            beat = self._client.indices.get_mapping(index=name).body[name]["mappings"]["_meta"].get("beat", 0)
            if time.time() - beat < _ABANDONED:
                raise Conflict("index.filling", "The index is being filled already.")
            self._slow.indices.delete(index=name, ignore_unavailable=True)
            if not self._create(name, self._filled):
                raise Conflict("index.filling", "The index is being filled already.")
        return name

    def _create(self, name: str, *aliases: str) -> bool:
        """Make an empty index; False when there is one of this name."""
        named: dict[str, Any] = {alias: {} for alias in aliases}
        mapping = _mapping({**self._stamp, "fresh": False, "beat": time.time()}, self._dimensions)
        try:
            self._slow.indices.create(index=name, settings=SETTINGS, mappings=mapping, aliases=named)
        except BadRequestError as problem:
            if problem.error != "resource_already_exists_exception":
                raise
            return False
        return True

    def _swap_in(self, name: str) -> None:
        """From here on the alias names `name`, in one step of the cluster; what it named before is deleted afterwards.

        Not in the same step: a node closes what is removed before it knows the new alias, and whoever asks then gets 503.
        """
        found = self._client.indices.get(index=f"{self._alias}-*").body
        others = [other for other, said in found.items() if other != name and self._ours(said)]
        steps = [{"add": {"index": name, "alias": self._alias}}]
        steps += [{"add": {"index": other, "alias": self._former}} for other in others]
        for index in (name, *others):
            for alias in {self._alias, self._filled} & set(found.get(index, {}).get("aliases", ())):
                if (index, alias) != (name, self._alias):
                    steps.append({"remove": {"index": index, "alias": alias}})
        self._slow.indices.update_aliases(actions=steps)
        if others:
            with suppress(ApiError, TransportError):  # the next swap deletes what this one cannot
                self._slow.indices.delete(index=others, ignore_unavailable=True)

    def _drop(self, name: str) -> None:
        """Delete a filling that failed, unless it was put in use after all; the next one clears up what cannot be deleted."""
        with suppress(ApiError, TransportError):
            said = self._slow.indices.get(index=name, ignore_unavailable=True).body.get(name, {"aliases": {}})
            if self._alias not in said["aliases"]:
                self._slow.indices.delete(index=name, ignore_unavailable=True)

    def _ours(self, said: Mapping[str, Any]) -> bool:
        """An index that this alias or a filling for it names or named; somebody else's with a longer name stays."""
        return bool({self._alias, self._filled, self._former} & set(said["aliases"]))

    def _say(self, index: str, **more: Any) -> None:
        self._slow.indices.put_mapping(index=index, meta={**self._stamp, **more})


def look(url: str, dimensions: int, name: str) -> IndexLook | None:
    """The index as it is; makes none. Raises SettingError as `ElasticIndex` does, and `Unavailable`."""
    client, alias = _client(url)
    with closing(client):
        _check(client)
        with _answering():
            said = client.indices.get(index=f"{alias}-*").body
            latency = round_trip(client.ping)
            version = str(client.info()["version"]["number"])
            in_use = next((one for one, its in said.items() if alias in its["aliases"]), None)
            if in_use is None:
                return None
            stamp = {"format": FORMAT, "dimensions": dimensions, "name": name, "fresh": True}
            return IndexLook(
                f"Elasticsearch {version}",
                latency,
                int(client.count(index=alias)["count"]),
                said[in_use]["mappings"].get("_meta") == stamp,
                sorted(one for one, its in said.items() if _left_over(alias, one, its)),
            )


def _left_over(alias: str, index: str, said: Mapping[str, Any]) -> bool:
    """An index of this alias that nobody uses, or a filling whose process is dead."""
    if alias in said["aliases"] or not re.fullmatch(rf"{alias}-[0-9a-f]{{10}}-\d+", index):
        return False
    return bool(time.time() - said["mappings"].get("_meta", {}).get("beat", 0) > _ABANDONED)


class ElasticFilling:
    """The index that is being filled; nobody searches it yet."""

    def __init__(self, index: ElasticIndex, name: str, lanes: Executor) -> None:
        self._index, self._name, self._lanes, self._beat = index, name, lanes, time.monotonic()

    def put(self, documents: Sequence[IndexDocument]) -> None:
        """Insert or replace by id, in this index only."""
        self._write(self._index._puts(documents))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove by id, in this index only."""
        self._write(_deletes(ids))

    def _write(self, steps: Steps) -> None:
        """All of it, before it returns; no id comes twice, so the order among the requests says nothing."""
        with _answering():
            chunks = _chunks(steps, max(1, -(-len(steps) // (2 * _LANES))))
            if not all(self._lanes.map(lambda chunk: self._index._bulk([self._index._filled], chunk), chunks)):
                raise Conflict("index.filling", "Somebody else took this filling for dead and began anew.")
            if time.monotonic() - self._beat > _ABANDONED / 6:
                self._index._say(self._name, fresh=False, beat=time.time())
                self._beat = time.monotonic()


SETTINGS = {
    "number_of_shards": 1,  # BM25 counts documents per shard; one shard is what makes scores the same everywhere
    "auto_expand_replicas": "0-1",
    "refresh_interval": -1,  # `refresh` says when
    "mapping.exclude_source_vectors": False,
}


def _mapping(meta: Mapping[str, Any], dimensions: int) -> dict[str, Any]:
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


def _deletes(ids: Sequence[str]) -> Steps:
    return [{"delete": {"_id": id}} for id in ids]


def _chunks(steps: Steps, pairs: int = _BULK) -> Iterator[Steps]:
    """Requests of a few MB; an even number of steps, so that no document is cut from its action."""
    size = 2 * min(pairs, _BULK)
    for start in range(0, len(steps), size):
        yield steps[start : start + size]


def _bm25(tokens: Sequence[str], terms: Terms) -> dict[str, Any]:
    words = {"match": {"tokens": {"query": " ".join(tokens), "operator": "or"}}}
    return {"bool": {"must": [words], "filter": _filters(terms)}}


def _filters(terms: Terms) -> list[dict[str, Any]]:
    return [{"terms": {"terms": list(labels({name: values}))}} for name, values in terms.items()]


def _hits(answer: Any, scale: Callable[[float], float]) -> list[Hit]:
    found = [Hit(hit["_id"], scale(hit["_score"])) for hit in answer["hits"]["hits"]]
    return sorted(found, key=lambda hit: (-hit.score, hit.id))


def _checked(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    if answer.get("status") in _AWAY:
        raise _gone()
    if "error" in answer:
        raise _refused([answer["error"]])
    return answer


def _refused(problems: Sequence[Mapping[str, Any]]) -> Exception:
    """What the server could not do now is `Unavailable`; what it will never do is a fault of ours."""
    said = f"{problems[0].get('type')}: {problems[0].get('reason')}"
    if any("rejected" in problem.get("type", "") or "unavailable" in problem.get("type", "") for problem in problems):
        return Unavailable("index.unavailable", "The search index is overloaded.", retry_after=2)
    return RuntimeError(f"Elasticsearch refused a step: {said}")


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except TransportError as error:
        raise _gone() from error
    except ApiError as error:
        if error.status_code in _AWAY:
            raise _gone() from error
        raise


def _gone() -> Unavailable:
    return Unavailable("index.unavailable", "The search index does not answer.", retry_after=5)


def _client(url: str) -> tuple[Elasticsearch, str]:
    """The client and the alias; nothing of the URL is repeated in an error, it may hold a password."""
    try:
        parts = urlsplit(url)
        alias = parts.path.strip("/") or "offshelf"
        if not parts.hostname or parts.query or parts.fragment:
            raise ValueError
        port = parts.port or (443 if parts.scheme == "https" else 9200)
    except ValueError:
        raise SettingError(f"OFFSHELF_INDEX_URL cannot be used; it takes {ACCEPTED}.") from None
    if not (alias.isascii() and alias.replace("-", "").replace("_", "").isalnum() and alias == alias.lower()):
        raise SettingError("OFFSHELF_INDEX_URL: the alias after the host takes small letters, digits, - and _.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    login = (parts.username, parts.password or "") if parts.username else None
    client = Elasticsearch(
        f"{parts.scheme}://{host}:{port}",
        basic_auth=login,
        request_timeout=5,
        max_retries=1,
        retry_on_timeout=False,
        serializers={
            "application/vnd.elasticsearch+json": OrjsonSerializer(),
            "application/vnd.elasticsearch+x-ndjson": OrjsonLines(),
        },
    )
    return client, alias


def _check(client: Elasticsearch) -> None:
    """There is an Elasticsearch of our major version that lets us in. Raises SettingError with the cure."""
    try:
        version = str(client.info()["version"]["number"])
    except (AuthenticationException, AuthorizationException):
        raise SettingError(_REFUSED) from None
    except (UnsupportedProductError, KeyError, TypeError):
        raise SettingError(
            "OFFSHELF_INDEX_URL: what answers there is not Elasticsearch; correct the address."
        ) from None
    except ApiError as error:
        raise SettingError(
            f"OFFSHELF_INDEX_URL: what answers there says {error.status_code}; name an Elasticsearch {MAJOR}."
        ) from None
    except TransportError as error:
        raise SettingError(
            f"OFFSHELF_INDEX_URL: no Elasticsearch answers there ({type(error).__name__}); start it or correct the address."
        ) from None
    if version.partition(".")[0] != str(MAJOR):
        raise SettingError(f"OFFSHELF_INDEX_URL: this is Elasticsearch {version}; name an Elasticsearch {MAJOR}.")
