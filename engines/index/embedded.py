"""The index inside this process: `words.py` (tantivy) and `vectors.py` (usearch) together, in one folder.

Writes wait in memory until `refresh`, which is one commit: a killed process reopens at its last refresh. What was lost,
half filled or made for another encoder is noticed at open: the index is then empty and `fresh` is False.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pyroaring import BitMap

from engines.index.labels import Terms, labels
from engines.index.vectors import EXACT_BELOW, VectorRows, key_of, native_lock, write_whole
from engines.index.words import WordIndex
from kernel.errors import SettingError
from kernel.ports import Hit, IndexDocument, Vectors

FORMAT = 1
"""Changes with the schema or the meaning of a file: an older folder is filled anew."""
_LONG = 5_000
"""Documents from which a query is worth a hop to a native thread (below, it is over in less than a millisecond)."""
_GROWTH = 2_000
"""Rows a refresh may bring into the graph, about a second's work; what is left is still compared exactly."""


class EmbeddedIndex:
    """One process at a time; within it any thread may call."""

    def __init__(
        self,
        folder: Path,
        dimensions: int,
        off_loop: Callable[..., Any] | None = None,
        name: str = "",
        exact_below: int = EXACT_BELOW,
    ) -> None:
        """`name` is the encoder's. Raises SettingError when another process has the folder open."""
        self._folder, self._dimensions, self._exact_below = folder, dimensions, exact_below
        self._off_loop = off_loop or _direct
        self._stamp = {"format": FORMAT, "dimensions": dimensions, "name": name}
        self._writing, self._state = native_lock(), native_lock()
        self._waiting: list[tuple[str, int | None, Sequence[str]]] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._fresh = self._opened()
        if not self._fresh:
            self._begin_anew()

    @property
    def fresh(self) -> bool:
        """False until `mark_fresh`: this copy was never filled, or was lost, and has to be filled from SQL."""
        return self._fresh

    def mark_fresh(self) -> None:
        """The copy is whole from here on, called at the end of a filling; it is so at the next open, too."""
        self.refresh()
        self._off_loop(self._vectors.grow, None)
        self._say_fresh(True)

    def put(self, documents: Sequence[IndexDocument]) -> None:
        """Insert or replace by id; of two with the same id the later counts. ValueError for a vector of a wrong shape."""
        self._off_loop(self._put, list({document.id: document for document in documents}.values()))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove by id."""
        self._off_loop(self._delete, list(ids))

    def refresh(self) -> None:
        """Commit: durable and visible when this returns, also what another thread is just committing."""
        self._off_loop(self._refresh)

    def lexical(self, tokens: Sequence[str], limit: int, terms: Terms | None = None) -> list[Hit]:
        """BM25; a token that is asked for twice counts twice."""
        return self._query(self._words.best, tokens, limit, terms or {}) if tokens and limit > 0 else []

    def ceilings(self, tokens: Sequence[str]) -> list[float]:
        """Each token's best score; remembered until the next refresh."""
        return list(self._query(self._words.ceilings, tokens))

    def nearest(self, vector: Vectors, limit: int, terms: Terms | None = None) -> list[Hit]:
        """Cosine; `vector` has unit length."""
        return self._query(self._nearest, vector, limit, terms or {}) if limit > 0 else []

    def vectors(self, ids: Sequence[str]) -> dict[str, Vectors]:
        """Half floats as stored, as float32 of unit length."""
        with self._state:
            rows = {id: self._row[id] for id in ids if id in self._row}
        return dict(zip(rows, self._vectors.take(list(rows.values())), strict=True)) if rows else {}

    def count(self) -> int:
        """Documents visible."""
        return self._words.count()

    def clear(self) -> None:
        """Forget everything; `fresh` is False again, so that a filling that dies half way is begun anew."""
        self._off_loop(self._clear)

    def close(self) -> None:
        """Commit what waits and let the folder go."""
        self.refresh()
        with self._writing:
            self._vectors.save_graph()
            self._vectors.close()
            self._words.close()

    def _query(self, query: Callable[..., Any], *args: Any) -> Any:
        return self._off_loop(query, *args) if self.count() > _LONG else query(*args)

    def _nearest(self, vector: Vectors, limit: int, terms: Terms) -> list[Hit]:
        with self._state:
            allowed, ids = self._allowed(terms), self._ids
        found = self._vectors.nearest(vector, limit, allowed)
        return sorted((Hit(ids[row], score) for row, score in found), key=lambda hit: (-hit.score, hit.id))

    def _allowed(self, terms: Terms) -> BitMap:
        allowed = self._alive.copy()
        for name, values in terms.items():
            allowed &= BitMap.union(BitMap(), *(self._having.get(label, BitMap()) for label in labels({name: values})))
        return allowed

    def _put(self, documents: list[IndexDocument]) -> None:
        vectors = {document.id: document.vector for document in documents if document.vector is not None}
        with self._writing:
            row_of = dict(zip(vectors, self._vectors.append(list(vectors), list(vectors.values())), strict=True))
            for document in documents:
                self._words.put(document)
                self._waiting.append((document.id, row_of.get(document.id), list(labels(document.terms))))

    def _delete(self, ids: list[str]) -> None:
        with self._writing:
            for id in ids:
                self._words.delete(id)
                self._waiting.append((id, None, ()))

    def _refresh(self) -> None:
        with self._writing:
            if not self._waiting:
                return
            self._vectors.sync()  # before the words: a committed document always finds its row
            self._words.commit()
            with self._state:
                for id, row, its_labels in self._waiting:
                    self._note(id, row, its_labels)
            self._waiting = []
            self._vectors.grow(_GROWTH)

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

    def _clear(self) -> None:
        with self._writing:
            self._say_fresh(False)
            self._words.clear()
            self._vectors.clear()
            self._forget()

    def _forget(self) -> None:
        self._waiting = []
        self._ids: list[str] = []
        self._row: dict[str, int] = {}
        self._alive = BitMap()
        self._having: dict[str, BitMap] = {}

    def _opened(self) -> bool:
        """Whether the folder holds a whole index for this encoder; then it is open. What is left over is harmless."""
        try:
            if not self._said_fresh():
                return False
            words = WordIndex(self._folder / "words")
            vectors = VectorRows(self._folder / "vectors", self._dimensions, self._exact_below)
        except (ValueError, KeyError, OSError) as problem:
            self._refuse_if_in_use(problem)
            return False
        self._words, self._vectors = words, vectors
        return self._recalled()

    def _recalled(self) -> bool:
        """Which rows are alive, from the documents; False when one of them misses its row."""
        self._forget()
        if self._vectors.count > 2 * self.count() + 1000:
            self._vectors.rewrite(sorted(self._vectors.newest().values()))
        newest = self._vectors.newest()
        for id, has_vector, its_labels in self._words.everything():
            if not has_vector:
                continue
            if key_of(id) not in newest:
                self._words.close()
                self._vectors.close()
                return False
            self._note(id, newest[key_of(id)], its_labels)
        return True

    def _begin_anew(self) -> None:
        """An empty index in a clean folder, whatever it held."""
        try:
            WordIndex(self._folder / "words").close()  # only whoever gets the lock may clean up
        except (ValueError, OSError) as problem:
            self._refuse_if_in_use(problem)
        for part in ("words", "vectors"):
            shutil.rmtree(self._folder / part, ignore_errors=True)
        self._say_fresh(False)
        self._words = WordIndex(self._folder / "words")
        self._vectors = VectorRows(self._folder / "vectors", self._dimensions, self._exact_below)
        self._forget()

    def _refuse_if_in_use(self, problem: Exception) -> None:
        if "LockBusy" in str(problem):
            sentence = f"OFFSHELF_DATA: the search index in {self._folder} is in use by another process"
            raise SettingError(sentence) from None

    def _said_fresh(self) -> bool:
        said, parts = self._folder / "index.json", ("words/meta.json", "vectors/vectors.json")
        whole = said.exists() and all((self._folder / part).exists() for part in parts)
        return bool(whole and json.loads(said.read_text()) == {**self._stamp, "fresh": True})

    def _say_fresh(self, fresh: bool) -> None:
        write_whole(self._folder / "index.json", json.dumps({**self._stamp, "fresh": fresh}).encode())
        self._fresh = fresh


def _direct(fn: Callable[..., Any], *args: Any) -> Any:
    return fn(*args)
