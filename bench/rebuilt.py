"""Many notes in SQL, and how fast the real `rebuild` brings them into an index when their vectors cost nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from engines.index import own_index
from kernel.config import Settings
from kernel.db import Write
from kernel.ids import new_id
from kernel.ports import Encoder, Vectors
from notes.models import Note, NoteVersion
from search import SearchService
from web.app import build_services, open_engines
from web.migrate import upgrade

WORDS = 60
"""Of a note, in the mean of the demo's."""
_BATCH = 1_000


class Given:
    """Vectors at next to no cost, no two alike; everything else is the encoder's."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder, self._chance = encoder, np.random.default_rng(1)

    def __getattr__(self, name: str) -> object:
        return getattr(self._encoder, name)

    def documents(self, texts: Sequence[str]) -> Vectors:
        rows = self._chance.standard_normal((len(texts), self._encoder.dimensions), dtype=np.float32)
        unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit


@contextmanager
def notes_in_sql(folder: Path, count: int) -> Iterator[SearchService]:
    """A search service over `count` public notes in SQLite; its index is still empty."""
    settings = Settings(data=folder, encoder="hash", secret="s" * 40)
    upgrade(settings.sql_url)
    engines = open_engines(settings)
    try:
        search = build_services(settings, engines).search
        words, begun = random.Random(1), datetime.now(UTC) - timedelta(days=30)
        for first in range(0, count, _BATCH):
            engines.db.write(lambda tx, first=first: _add(tx, words, begun, range(first, min(first + _BATCH, count))))
        search.encoder = Given(search.encoder)  # type: ignore[assignment]
        yield search
    finally:
        engines.close()


def rebuilt(search: SearchService, url: str, count: int) -> dict[str, float]:
    """Notes per second, and per second of this process's CPU, of one rebuild into an index of its own at `url`."""
    with own_index(url, search.encoder.dimensions, "bench") as index:
        former, search.index = search.index, index
        try:
            began, busy = time.perf_counter(), time.process_time()
            found = search.rebuild()
            took, busy = time.perf_counter() - began, time.process_time() - busy
        finally:
            search.index = former
    if found != count:
        raise SystemExit(f"{found} of {count} notes are in the rebuilt index")
    return {"rebuild_per_second": count / took, "rebuild_per_cpu_second": count / busy}


def _word(number: int) -> str:
    """Letters only, as most words are: qb, qc, ... qacx."""
    return "q" + "".join(chr(ord("a") + number // 26**place % 26) for place in range(3 if number >= 676 else 2))


def _add(tx: Write, words: random.Random, begun: datetime, numbers: range) -> None:
    notes, versions = [], []
    for number in numbers:
        at = begun + timedelta(seconds=number)
        text = " ".join(_word(min(int(words.paretovariate(0.6)), 20_000)) for _ in range(WORDS))
        one = {"id": new_id("note", at), "created_at": at}
        notes.append({**one, "author_id": "acct_1", "status": "public", "served": 1, "published_at": at})
        version = {"title": text[:40], "text": text, "topics": ["home"], "pictures": [], "skus": [], "state": "public"}
        versions.append({**version, "note_id": one["id"], "n": 1, "created_at": at})
    tx.session.execute(Note.__table__.insert(), notes)
    tx.session.execute(NoteVersion.__table__.insert(), versions)
