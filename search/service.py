"""Search: recall ids by words and meaning, load cards in batches, show only what the viewer may see."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kernel.actor import Actor
from kernel.db import in_chunks
from kernel.errors import Conflict, Unavailable
from kernel.ports import Encoder, Filling, IndexDocument, SearchIndex, Vectors
from search import pages
from search.cards import Cards
from search.documents import document, meaning
from search.ranking import hybrid
from search.schemas import KINDS, SearchPage, SearchQuery, Suggestion, Suggestions, SuggestQuery
from search.shelf import Source, Text

log = logging.getLogger("offshelf.search")
REBUILD = "search.rebuild"
"""The job that fills the index anew."""
FILL = "search.fill_if_lost"
"""The job that fills it when it is not whole."""
DEPTH = 200
"""How deep an answer goes; what lies below is not worth a page."""
BATCH = 256
"""Things that a rebuild reads, encodes and writes at a time: two statements and one request each."""
BELIEVED = 5.0


class WordsOnly(Unavailable):
    """Written down without vectors."""


class SearchService:
    """`sources` by kind say what there is to find, `cards` what a viewer may see of it; the index is a copy that can be filled again at any time."""

    def __init__(
        self,
        index: SearchIndex,
        encoder: Encoder,
        sources: Mapping[str, Source],
        cards: Cards,
        off_loop: Callable[..., Any],
    ) -> None:
        self.index = index
        self.encoder = encoder
        self.sources = sources
        self.cards = cards
        self._off_loop = off_loop
        self._believed_until = 0.0

    # -- asking ---------------------------------------------------------------------------------------------------

    def search(self, viewer: Actor, query: SearchQuery) -> SearchPage:
        """Things that match by words or by meaning, best first, as cards; what holds between pages says `search.pages`."""
        encoder = self.encoder if self._encodes(query.q) else None
        degraded = encoder is None or not self._whole()
        ranked = hybrid(self.index, encoder, query.q, DEPTH, {"kind": list(KINDS)})
        # Of one kind as deep as of all: among many notes the best 200 may hold three products of a thousand that match.
        asked = ranked if query.kind is None else hybrid(self.index, encoder, query.q, DEPTH, {"kind": query.kind})
        cards = self._cards(viewer, dict.fromkeys(entry.id for entry in (*ranked, *asked)))
        found = Counter(cards[entry.id]["kind"] for entry in ranked if entry.id in cards)
        wanted = [(entry, cards[entry.id]) for entry in asked if entry.id in cards]
        if query.kind is not None:
            found[query.kind] = len(wanted)
        if query.sort == "newest":
            page, more = pages.by_time(wanted, query.cursor, query.limit)
        else:
            page, more = pages.by_relevance(wanted, query.cursor, query.limit, DEPTH)
        items = [{**card, "score": round(e.score, 6), "matched_by": list(e.matched_by)} for e, card in page]
        facets = {"kind": {str(kind): found[kind] for kind in KINDS}}
        return SearchPage(items=items, next_cursor=more, facets=facets, degraded=degraded)

    def suggest(self, viewer: Actor, query: SuggestQuery) -> Suggestions:
        """Topics with the query in them, then titles, of what its words find: whole words, or stems."""
        ranked = hybrid(self.index, None, query.q, 30, {"kind": list(KINDS)}, weight=0.0)
        cards = self._cards(viewer, [entry.id for entry in ranked])
        typed = query.q.casefold()
        topics = [t for e in ranked if e.id in cards for t in cards[e.id].get("topics", ()) if typed in t.casefold()]
        titles = [(cards[e.id]["title"], cards[e.id]["kind"]) for e in ranked if e.id in cards]
        offered = [(topic, "topic") for topic in topics] + titles
        unique = {text.casefold(): (text, kind) for text, kind in reversed(offered) if text}
        items = [Suggestion(text=text, kind=kind) for text, kind in reversed(unique.values())]
        return Suggestions(items=items[: query.limit])

    def _encodes(self, text: str) -> bool:
        """Have the query's vector made off the loop (the encoder remembers it); False while it is away."""
        try:
            self._off_loop(self.encoder.queries, [text])
        except Unavailable:
            return False
        return True

    def _whole(self) -> bool:
        """Whether the index holds everything; one that was is believed for a few seconds, because asking may cost a request."""
        if time.monotonic() >= self._believed_until and self.index.fresh:
            self._believed_until = time.monotonic() + BELIEVED
        return time.monotonic() < self._believed_until

    def _cards(self, viewer: Actor, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Cards as JSON, by id, re-read from SQL: what was hidden meanwhile is not there."""
        cards = self.cards.of(viewer, list(ids), "search")
        return {thing: card.model_dump(mode="json") for thing, card in cards.items()}

    # -- keeping the copy true ------------------------------------------------------------------------------------

    def index_things(self, kind: str, ids: Sequence[str]) -> None:
        """Make the index say of these things what SQL says now: put, replace or remove. A job; idempotent.

        Without the encoder they are found by their words, and the job is tried again until they are found by meaning.
        """
        try:
            self._copy(self.index, kind, ids)
        finally:
            self.index.refresh()

    def rebuild(self, progress: Callable[[str, int], None] = lambda kind, done: None) -> int:
        """Fill a new copy from SQL while the one in use goes on, then swap; how many documents it holds.

        Raises Conflict (`index.filling`) while another filling is under way, Unavailable while an engine is away.
        """
        done = Counter[str]()
        with self.index.filling() as copy:
            for kind, batch in self._batches():
                done[kind] += self._copy(copy, kind, batch)
                progress(kind, done[kind])
        return self.index.count()

    def rebuild_asked(self, args: dict[str, Any]) -> None:
        """The job that `offshelf rebuild` leaves for a running server."""
        self.rebuild()

    def fill_if_lost(self) -> None:
        """Fill the index when it was lost, half written, or made by another encoder; never twice at a time. A job.

        Without the encoder it is filled with words, and is not whole before the job is tried again.
        """
        if self.index.fresh:
            return
        try:
            log.info("the search index is not whole; filling it from SQL")
            log.info("the search index is whole again, with %s documents", self.rebuild())
        except Conflict:
            log.info("somebody else fills it")
        except WordsOnly:
            self._fill_with_words()
            raise

    def _fill_with_words(self) -> None:
        if self.index.count():
            return
        for kind, batch in self._batches():
            with suppress(WordsOnly):
                self._copy(self.index, kind, batch)
        self.index.refresh()

    def _batches(self) -> Iterator[tuple[str, Sequence[str]]]:
        for kind, source in self.sources.items():
            for ids in source.all_ids():
                for batch in in_chunks(ids, BATCH):
                    yield kind, batch

    def _copy(self, into: Filling, kind: str, ids: Sequence[str]) -> int:
        """Write down what SQL says, and look again: of two writers at once, the one that read later has the last word.

        Raises `WordsOnly` when that is done, and was done without the encoder.
        """
        source = self.sources[kind]
        written: dict[str, Text] | None = None
        whole = True
        while (texts := source.texts(ids)) != written:
            known = written or {}
            into.delete([thing for thing in ids if thing not in texts])
            documents = self._documents(kind, [text for text in texts.values() if known.get(text.id) != text])
            into.put(documents)
            whole = whole and all(document.vector is not None for document in documents)
            written = texts
        if not whole:
            raise WordsOnly("encoder.unavailable", "The encoder is away: found by words alone meanwhile.")
        return len(texts)

    def _documents(self, kind: str, texts: Sequence[Text]) -> list[IndexDocument]:
        vectors = self._vectors([meaning(text.title, text.texts) for text in texts])
        return [
            document(text.id, kind, text.title, text.texts, text.terms, vector)
            for text, vector in zip(texts, vectors, strict=True)
        ]

    def _vectors(self, texts: Sequence[str]) -> Sequence[Vectors | None]:
        if not texts:
            return []
        try:
            return list(self._off_loop(self.encoder.documents, texts))
        except Unavailable:
            return [None] * len(texts)
