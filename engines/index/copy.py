"""One whole copy of the index in a folder: `words.py` (tantivy) and `vectors.py` (usearch) together.

Writes wait in memory until `refresh`, which is one commit: a killed process reopens at its last refresh. What a refresh
cannot write down (a full disk) goes on waiting for the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyroaring import BitMap

from engines.index.labels import Terms, labels
from engines.index.vectors import VectorRows, key_of
from engines.index.words import WordIndex
from engines.offloop import native_lock
from kernel.ports import Hit, IndexDocument, Vectors

GROWTH = 2_000
"""Rows a refresh may bring into the graph, about a second's work; what is left is still compared exactly."""


class Copy:
    """Writes come one at a time (the owner sees to it); queries from any thread."""

    def __init__(self, folder: Path, dimensions: int, exact_below: int) -> None:
        """Open what lies in `folder`, or begin. Raises ValueError or OSError when it is damaged, `LockBusy` when in use."""
        self.folder = folder
        self._state = native_lock()
        self._waiting: dict[str, tuple[IndexDocument | None, int | None]] = {}
        self.words = WordIndex(folder / "words")
        try:
            self.rows = VectorRows(folder / "vectors", dimensions, exact_below)
            self._recall()
        except BaseException:
            self.words.close()
            raise

    @property
    def waiting(self) -> int:
        """Changes since the last `refresh`."""
        return len(self._waiting)

    def put(self, documents: Sequence[IndexDocument]) -> None:
        vectors = {document.id: document.vector for document in documents if document.vector is not None}
        row_of = dict(zip(vectors, self.rows.append(list(vectors), list(vectors.values())), strict=True))
        self._waiting.update((document.id, (document, row_of.get(document.id))) for document in documents)

    def delete(self, ids: Sequence[str]) -> None:
        self._waiting.update(dict.fromkeys(ids, (None, None)))

    def refresh(self) -> None:
        """Commit."""
        if not self._waiting:
            return
        self.rows.sync()  # before the words: a committed document always finds its row
        self.words.write({id: document for id, (document, _) in self._waiting.items()})
        with self._state:
            for id, (document, row) in self._waiting.items():
                self._note(id, row, list(labels(document.terms)) if document else ())
        self._waiting = {}
        self.rows.grow(GROWTH)

    def nearest(self, vector: Vectors, limit: int, terms: Terms) -> list[Hit]:
        with self._state:
            allowed, ids = self._allowed(terms), self._ids
        found = self.rows.nearest(vector, limit, allowed)
        return sorted((Hit(ids[row], score) for row, score in found), key=lambda hit: (-hit.score, hit.id))

    def vectors(self, ids: Sequence[str]) -> dict[str, Vectors]:
        with self._state:
            rows = {id: self._row[id] for id in ids if id in self._row}
        return dict(zip(rows, self.rows.take(list(rows.values())), strict=True)) if rows else {}

    def close(self) -> None:
        self.rows.save_graph()
        self.rows.close()
        self.words.close()

    def _allowed(self, terms: Terms) -> BitMap:
        allowed = self._alive.copy()
        for name, values in terms.items():
            allowed &= BitMap.union(BitMap(), *(self._having.get(label, BitMap()) for label in labels({name: values})))
        return allowed

    def _note(self, id: str, row: int | None, its_labels: Sequence[str]) -> None:
        """Row `row` now speaks for the document, and its former row for nobody."""
        former = self._row.pop(id, None)
        if former is not None:
            self._alive.discard(former)
        if row is None:
            return
        self._ids.extend([""] * (row + 1 - len(self._ids)))
        self._ids[row], self._row[id] = id, row
        self._alive.add(row)
        for label in its_labels:
            self._having.setdefault(label, BitMap()).add(row)

    def _recall(self) -> None:
        """Which rows are alive, from the documents; ValueError when one of them misses its row."""
        self._ids: list[str] = []
        self._row: dict[str, int] = {}
        self._alive = BitMap()
        self._having: dict[str, BitMap] = {}
        documents = list(self.words.everything())
        newest = self.rows.newest()
        if self.rows.count > 2 * self.words.count() + 1000:
            alive = {key_of(id) for id, has_vector, _ in documents if has_vector}
            self.rows.rewrite(sorted(row for key, row in newest.items() if key in alive))
            newest = self.rows.newest()
        for id, has_vector, its_labels in documents:
            if not has_vector:
                continue
            if key_of(id) not in newest:
                self.rows.close()
                raise ValueError(f"the vector of {id} is not there")
            self._note(id, newest[key_of(id)], its_labels)
