"""Vectors in a folder: an append-only file of half floats, searched exactly while small and by HNSW when large.

`keys-G.u64` and `rows-G.f16` grow together (G is a generation, named by `vectors.json`); the last row of a key counts.
A row is on disk before the words that need it are committed, so a torn tail belongs to nobody and is cut off.
The graph beside them is a cache: it is checked against the rows and made again when it does not fit.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import IO

import numpy as np

# Before usearch: that loads NumKong's symbols for the whole process (RTLD_GLOBAL), and an ONNX Runtime that is loaded after
# them crashes on its first instruction.
import onnxruntime  # noqa: F401
from numpy.typing import NDArray
from pyroaring import BitMap
from usearch.compiled import MetricKind
from usearch.index import Index, search

from engines.disk import synced
from engines.offloop import native_lock
from kernel.ports import Vectors

log = logging.getLogger("offshelf.index")
EXACT_BELOW = 50_000
"""Rows up to which every vector is compared: 10 ms on one slow core at 384 dimensions, and nothing is missed."""
EXPANSION_SEARCH = 256
"""HNSW candidates per query: usearch's default loses 6 % of the exact top 100, 256 keeps 98 %."""
_CHUNK = 256

Half = NDArray[np.float16]


def key_of(document_id: str) -> int:
    """64 bits of BLAKE2b; among a million ids two collide with a probability of 3e-8."""
    return int.from_bytes(blake2b(document_id.encode(), digest_size=8).digest(), "little")


class VectorRows:
    """Row numbers are stable while open; which rows are alive is the caller's to say."""

    def __init__(self, folder: Path, dimensions: int, exact_below: int = EXACT_BELOW) -> None:
        """Raises ValueError when the folder's files were made for other dimensions or cannot be read."""
        self._folder, self._dimensions, self._exact_below = folder, dimensions, exact_below
        self._lock = native_lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._generation = self._opened_generation()
        self._count = 0
        self._open_files()
        self._graph, self._grown = self._opened_graph()

    @property
    def count(self) -> int:
        """Rows in the file, dead ones included."""
        return int(self._count)

    def newest(self) -> dict[int, int]:
        """Key -> its last row."""
        return {int(key): row for row, key in enumerate(np.fromfile(self._path("keys", "u64"), "<u8", self._count))}

    def append(self, ids: Sequence[str], vectors: Sequence[Vectors]) -> range:
        """Write rows at the end, durable after `sync`. ValueError for a wrong shape or a value that is not finite."""
        if not ids:
            return range(0)
        rows = np.asarray(vectors, dtype=np.float32)
        if rows.shape != (len(ids), self._dimensions):
            raise ValueError(f"vectors of shape {rows.shape}, expected {(len(ids), self._dimensions)}")
        if not np.isfinite(rows).all():
            raise ValueError("a vector holds a value that is not finite")
        # At their place, not at the end: what a full disk cut short is written over by whoever comes next.
        _write_at(self._rows, rows.astype("<f2").tobytes(), self._count * 2 * self._dimensions)
        _write_at(self._keys, np.array([key_of(i) for i in ids], dtype="<u8").tobytes(), self._count * 8)
        first, self._count = self._count, self._count + len(ids)
        return range(first, self._count)

    def sync(self) -> None:
        """Rows first, then their keys: a key on disk always has its row."""
        for file in (self._rows, self._keys):
            os.fsync(file.fileno())
        self._map()

    def take(self, rows: Sequence[int]) -> Vectors:
        """Rows as float32 of unit length."""
        found = np.asarray(self._matrix[np.asarray(rows, dtype=np.int64)], dtype=np.float32)
        unit: Vectors = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        return unit

    def nearest(self, vector: Vectors, limit: int, allowed: BitMap) -> list[tuple[int, float]]:
        """(row, cosine) of the allowed rows, best first. Exact for few allowed rows and for rows not in the graph yet."""
        query = np.asarray(vector, dtype=np.float16)
        if len(allowed) <= self._exact_below or not self._grown:
            return self._exact(query, limit, allowed)
        found = self._by_graph(query, limit, allowed)
        tail = allowed & BitMap(range(self._grown, self._count))
        if tail:
            found = sorted(found + self._exact(query, limit, tail), key=lambda pair: -pair[1])
        return found[:limit]

    def grow(self, budget: int | None = None) -> None:
        """Bring up to `budget` rows into the graph (None = all); below the exact limit there is none to grow."""
        target = self._count if budget is None else min(self._count, self._grown + budget)
        if self._count <= self._exact_below or target <= self._grown:
            return
        graph = self._graph = self._graph or self._new_graph()
        while self._grown < target:
            chunk = np.arange(self._grown, min(self._grown + _CHUNK, target))
            with self._lock:
                graph.add(chunk.astype(np.uint64), np.ascontiguousarray(self._matrix[chunk]))
                self._grown = int(chunk[-1]) + 1

    def save_graph(self) -> None:
        """Keep the graph for the next start (a cache: nothing is lost without it)."""
        if self._graph is not None and self._grown:
            part = self._path("graph", "part")
            try:
                with self._lock:
                    self._graph.save(str(part))
                part.replace(self._path("graph", "usearch"))
            except (RuntimeError, OSError) as problem:
                log.warning("the graph of vectors was not kept (%s); the next start makes it anew", problem)
                part.unlink(missing_ok=True)

    def rewrite(self, alive: Sequence[int]) -> None:
        """Drop dead rows: new files under the next generation, then one atomic rename. Row numbers change."""
        keys, rows = np.fromfile(self._path("keys", "u64"), "<u8", self._count)[list(alive)], self._matrix[list(alive)]
        self._generation += 1
        write_whole(self._path("keys", "u64"), keys.tobytes())
        write_whole(self._path("rows", "f16"), np.asarray(rows).tobytes())
        self._swap()

    def close(self) -> None:
        """Let the files go."""
        self._keys.close()
        self._rows.close()

    def _exact(self, query: Half, limit: int, allowed: BitMap) -> list[tuple[int, float]]:
        if not allowed or limit < 1:
            return []
        rows = np.frombuffer(allowed.to_array(), dtype=np.uint32)
        first, last = int(rows[0]), int(rows[-1])
        dense = self._matrix[first : last + 1] if last - first + 1 == len(rows) else self._matrix[rows]
        found = search(np.asarray(dense), query, min(limit, len(rows)), MetricKind.IP, exact=True, threads=1)
        return [(int(rows[at]), 1 - float(far)) for at, far in zip(found.keys, found.distances, strict=True)]

    def _by_graph(self, query: Half, limit: int, allowed: BitMap) -> list[tuple[int, float]]:
        """Ask for more until enough of them are allowed: a filter never shortens the answer."""
        graph, wanted = self._graph, limit
        assert graph is not None
        while True:
            wanted = min(self._grown, wanted * 2)
            with self._lock:
                found = graph.search(query, wanted, threads=1)
            pairs = [
                (int(k), 1 - float(d)) for k, d in zip(found.keys, found.distances, strict=True) if int(k) in allowed
            ]
            if len(pairs) >= limit or wanted >= self._grown:
                return pairs[:limit]

    def _new_graph(self) -> Index:
        return Index(
            ndim=self._dimensions,
            metric=MetricKind.IP,
            dtype="f16",
            connectivity=16,
            expansion_add=128,
            expansion_search=EXPANSION_SEARCH,
        )

    def _opened_graph(self) -> tuple[Index | None, int]:
        path = self._path("graph", "usearch")
        if not path.exists():
            return None, 0
        graph = self._new_graph()
        try:
            graph.load(str(path))
        except (RuntimeError, ValueError):
            return None, 0
        return (graph, len(graph)) if graph.ndim == self._dimensions and len(graph) <= self._count else (None, 0)

    def _opened_generation(self) -> int:
        state = self._folder / "vectors.json"
        if not state.exists():
            write_whole(state, json.dumps({"dimensions": self._dimensions, "generation": 0}).encode())
        found = json.loads(state.read_text())
        if found["dimensions"] != self._dimensions:
            raise ValueError(f"the vectors have {found['dimensions']} dimensions, expected {self._dimensions}")
        return int(found["generation"])

    def _open_files(self) -> None:
        keys, rows = self._path("keys", "u64"), self._path("rows", "f16")
        keys.touch()
        rows.touch()
        self._count = min(keys.stat().st_size // 8, rows.stat().st_size // (2 * self._dimensions))
        os.truncate(keys, self._count * 8)
        os.truncate(rows, self._count * 2 * self._dimensions)
        self._keys: IO[bytes] = keys.open("r+b", buffering=0)
        self._rows: IO[bytes] = rows.open("r+b", buffering=0)
        self._map()

    def _map(self) -> None:
        shape = (self._count, self._dimensions)
        self._matrix: Half = (
            np.memmap(self._path("rows", "f16"), "<f2", "r", shape=shape) if self._count else np.zeros(shape, "<f2")
        )

    def _swap(self) -> None:
        self.close()
        write_whole(
            self._folder / "vectors.json",
            json.dumps({"dimensions": self._dimensions, "generation": self._generation}).encode(),
        )
        for path in self._folder.iterdir():
            if path.suffix in (".u64", ".f16", ".usearch", ".part") and not path.stem.endswith(f"-{self._generation}"):
                path.unlink()
        self._open_files()
        self._graph, self._grown = None, 0

    def _path(self, name: str, kind: str) -> Path:
        return self._folder / f"{name}-{self._generation}.{kind}"


def _write_at(file: IO[bytes], content: bytes, place: int) -> None:
    left = memoryview(content)
    while left:
        written = os.pwrite(file.fileno(), left, place)
        left, place = left[written:], place + written


def write_whole(path: Path, content: bytes) -> None:
    """Whole or not at all: a temporary file, fsync, rename, fsync of the folder."""
    temporary = path.with_suffix(path.suffix + ".tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    synced(path.parent)
