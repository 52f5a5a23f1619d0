"""The index inside this process: one `Copy` in use, and while it is rebuilt a second one that takes its place.

What was lost, half filled or made for another encoder is noticed at open: the index is then empty and `fresh` is False.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tantivy

from engines.disk import needs_room
from engines.index.copy import GROWTH, Copy
from engines.index.labels import Terms
from engines.index.look import IndexLook
from engines.index.vectors import EXACT_BELOW, write_whole
from engines.index.words import WordIndex
from engines.offloop import native_lock
from engines.vitals import round_trip
from kernel.errors import Conflict, SettingError, Unavailable
from kernel.ports import Hit, IndexDocument, Vectors

log = logging.getLogger("offshelf.index")
FORMAT = 2
"""Changes with the schema or the meaning of a file: an older folder is filled anew."""
_LONG = 5_000
"""Documents from which a query is worth a hop to a native thread (below, it is over in less than a millisecond)."""


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
        self._writing = native_lock()
        self._filled: Copy | None = None
        folder.mkdir(parents=True, exist_ok=True)
        said = self._said()
        self._number = said.get("copy", 0)
        self._live, self._fresh = self._opened(said)

    @property
    def fresh(self) -> bool:
        """False until a filling has ended: this copy was never filled, or was lost."""
        return self._fresh

    @contextmanager
    def filling(self) -> Iterator[Filling]:
        """Fill a new copy in a folder of its own; it is put in use by one rename, after its last commit."""
        with needs_room():
            copy = self._off_loop(self._begin_filling)
            try:
                yield Filling(copy, self._locked)
                self._off_loop(self._put_in_use, copy)
            except BaseException:
                self._off_loop(self._drop, copy)
                raise

    def put(self, documents: Sequence[IndexDocument]) -> None:
        """Insert or replace by id; of two with the same id the later counts. ValueError for a vector of a wrong shape."""
        last = list({document.id: document for document in documents}.values())
        self._locked(lambda: self._to_all(lambda copy: copy.put(last)))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove by id."""
        self._locked(lambda: self._to_all(lambda copy: copy.delete(ids)))

    def refresh(self) -> None:
        """Commit: durable and visible when this returns, also what another thread is just committing."""
        self._locked(lambda: self._live.refresh())

    def lexical(self, tokens: Sequence[str], limit: int, terms: Terms | None = None) -> list[Hit]:
        """BM25; a token that is asked for twice counts twice."""
        return self._query(self._live.words.best, tokens, limit, terms or {}) if tokens and limit > 0 else []

    def ceilings(self, tokens: Sequence[str]) -> list[float]:
        """Each token's best score; remembered until the next refresh."""
        return list(self._query(self._live.words.ceilings, tokens))

    def nearest(self, vector: Vectors, limit: int, terms: Terms | None = None) -> list[Hit]:
        """Cosine; `vector` has unit length."""
        return self._query(self._live.nearest, vector, limit, terms or {}) if limit > 0 else []

    def vectors(self, ids: Sequence[str]) -> dict[str, Vectors]:
        """Half floats as stored, as float32 of unit length."""
        return self._live.vectors(ids)

    def count(self) -> int:
        """Documents visible."""
        return self._live.words.count()

    def close(self) -> None:
        """Commit what waits and let the folder go."""
        try:
            self.refresh()
        except Unavailable:
            log.warning("the search index was not written down when it was closed; the jobs that wait do it again")
        with self._writing:
            self._live.close()

    def _query(self, query: Callable[..., Any], *args: Any) -> Any:
        return self._off_loop(query, *args) if self.count() > _LONG else query(*args)

    def _locked(self, change: Callable[[], object]) -> None:
        def run() -> None:
            with self._writing, needs_room():
                change()

        self._off_loop(run)

    def _to_all(self, change: Callable[[Copy], None]) -> None:
        change(self._live)
        if self._filled is not None:
            change(self._filled)

    # -- which copy ---------------------------------------------------------------------------------------------------

    def _begin_filling(self) -> Copy:
        with self._writing:
            if self._filled is not None:
                raise Conflict("index.filling", "The index is being filled already.")
            folder = self._folder / str(self._number + 1)
            shutil.rmtree(folder, ignore_errors=True)
            self._filled = Copy(folder, self._dimensions, self._exact_below)
            return self._filled

    def _put_in_use(self, copy: Copy) -> None:
        with self._writing:
            copy.refresh()
            copy.rows.grow(None)
            self._say(self._number + 1, True)
            former, self._live, self._filled = self._live, copy, None
            former.close()
        shutil.rmtree(former.folder, ignore_errors=True)

    def _drop(self, copy: Copy) -> None:
        with self._writing:
            if self._filled is copy:
                self._filled = None
                copy.close()
                shutil.rmtree(copy.folder, ignore_errors=True)

    def _opened(self, said: dict[str, Any]) -> tuple[Copy, bool]:
        """The copy in use, and whether it is whole; an empty one where there is none, or not for this encoder."""
        folder = self._folder / str(self._number)
        fresh = bool(said) and all((folder / part).exists() for part in ("words/meta.json", "vectors/vectors.json"))
        if fresh and said == {**self._stamp, "copy": self._number, "fresh": True}:
            try:
                return self._only(Copy(folder, self._dimensions, self._exact_below)), True
            except (ValueError, KeyError, OSError) as problem:
                self._refuse_if_in_use(problem)
        return self._only(self._begun(folder)), False

    def _begun(self, folder: Path) -> Copy:
        """An empty copy in a clean folder, whatever it held."""
        try:
            folder.mkdir(exist_ok=True)
            WordIndex(folder / "words").close()  # only whoever gets the lock may clean up
        except (ValueError, OSError) as problem:
            self._refuse_if_in_use(problem)
        shutil.rmtree(folder, ignore_errors=True)
        self._say(self._number, False)
        return Copy(folder, self._dimensions, self._exact_below)

    def _only(self, copy: Copy) -> Copy:
        """Without what a killed filling, or another format, left behind."""
        for path in self._folder.iterdir():
            if path.is_dir() and path != copy.folder:
                shutil.rmtree(path, ignore_errors=True)
        return copy

    def _refuse_if_in_use(self, problem: Exception) -> None:
        if "LockBusy" in str(problem):
            sentence = f"OFFSHELF_DATA: the search index in {self._folder} is in use by another process"
            raise SettingError(sentence) from None

    def _said(self) -> dict[str, Any]:
        return _said(self._folder)

    def _say(self, number: int, fresh: bool) -> None:
        said = {**self._stamp, "copy": number, "fresh": fresh}
        write_whole(self._folder / "index.json", json.dumps(said).encode())
        self._number, self._fresh = number, fresh


class Filling:
    """The copy that is being filled; nobody searches it yet."""

    def __init__(self, copy: Copy, locked: Callable[[Callable[[], object]], None]) -> None:
        self._copy, self._locked = copy, locked

    def put(self, documents: Sequence[IndexDocument]) -> None:
        """Insert or replace by id, in this copy only."""
        self._locked(lambda: self._put(documents))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove by id, in this copy only."""
        self._locked(lambda: self._copy.delete(ids))

    def _put(self, documents: Sequence[IndexDocument]) -> None:
        self._copy.put(documents)
        if self._copy.waiting >= GROWTH:
            self._copy.refresh()  # the graph grows along, so that the swap at the end holds nobody up


def look(folder: Path, dimensions: int, name: str) -> IndexLook | None:
    """The index as another process has it open, or as it lies there; changes nothing. Raises ValueError when damaged."""
    said = _said(folder)
    if not said:
        return None
    copy = folder / str(said["copy"])
    words = tantivy.Index.open(str(copy / "words"))
    words.reload()
    everything = tantivy.Query.all_query()
    return IndexLook(
        f"tantivy {version('tantivy')}, usearch {version('usearch')}",
        round_trip(lambda: words.searcher().search(everything, 1, count=False)),
        words.searcher().num_docs,
        said == {"format": FORMAT, "dimensions": dimensions, "name": name, "copy": said["copy"], "fresh": True},
        sorted(str(path) for path in folder.iterdir() if path.is_dir() and path != copy),
    )


def _said(folder: Path) -> dict[str, Any]:
    try:
        said = json.loads((folder / "index.json").read_text())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) and isinstance(said.get("copy"), int) else {}


def _direct(fn: Callable[..., Any], *args: Any) -> Any:
    return fn(*args)
