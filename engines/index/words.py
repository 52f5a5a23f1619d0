"""Words in a folder, by tantivy, on tokens that come ready-made.

tantivy scores BM25 with k1 = 1.2 and b = .75, idf = ln(1 + (N - n + .5) / (n + .5)) and the factor (k1 + 1), as Lucene
before version 8; it offers no other parameters. Lengths are rounded to one byte, and N and n still count a deleted
document until its segment is merged: scores of the same documents may differ by a few % with their history.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import tantivy

from engines.index.labels import Terms, labels
from kernel.errors import Unavailable
from kernel.ports import Hit, IndexDocument

_HEAP = 50_000_000
"""Bytes of documents tantivy gathers before it writes a segment by itself."""


class WordIndex:
    """One writer at a time, tantivy's lock sees to it; queries from any thread."""

    def __init__(self, folder: Path) -> None:
        """Raises ValueError: `LockBusy` in its text when another process writes here, else the folder is damaged."""
        folder.mkdir(parents=True, exist_ok=True)
        self._schema = _schema()
        self._index = tantivy.Index(self._schema, path=str(folder))
        self._index.config_reader("manual")
        self._writer: tantivy.IndexWriter | None = self._index.writer(_HEAP, 1)
        self._look()

    def count(self) -> int:
        """Documents committed."""
        return self._searcher.num_docs

    def write(self, changes: Mapping[str, IndexDocument | None]) -> None:
        """Replace by id, or remove (None): durable and visible when this returns, or nothing of it is."""
        writer = self._writer = self._writer or self._index.writer(_HEAP, 1)
        try:
            for id, document in changes.items():
                writer.delete_documents_by_term("id", id)
                if document is not None:
                    writer.add_document(_stored(document))
            writer.commit()
        except BaseException as error:
            self._writer = None  # tantivy's writer is of no use after an error; another begins at the last commit
            if "writer was killed" in str(
                error
            ):  # by the file system: what it said, it said to a thread that has ended
                raise Unavailable("index.unavailable", "The search index could not be written just now.") from error
            raise
        self._look()

    def close(self) -> None:
        """Wait for merges; the folder is free afterwards."""
        if self._writer is not None:
            self._writer.wait_merging_threads()

    def best(self, tokens: Sequence[str], limit: int, terms: Terms) -> list[Hit]:
        """BM25, any token, filtered exactly; ties by id."""
        searcher = self._searcher
        any_token = tantivy.Query.boolean_query([(tantivy.Occur.Should, self._token(token)) for token in tokens])
        query = tantivy.Query.boolean_query([(tantivy.Occur.Must, any_token), *self._filters(terms)])
        found = searcher.search(query, limit, count=False).hits
        hits = [Hit(searcher.doc(address)["id"][0], score) for score, address in found]
        return sorted(hits, key=lambda hit: (-hit.score, hit.id))

    def ceilings(self, tokens: Sequence[str]) -> list[float]:
        """Each token's best score, remembered until the next commit."""
        searcher, known = self._searcher, self._ceiling
        for token in tokens:
            if token not in known:
                found = searcher.search(self._token(token), 1, count=False).hits
                known[token] = found[0][0] if found else 0.0
        return [known[token] for token in tokens]

    def everything(self) -> Iterator[tuple[str, bool, list[str]]]:
        """(id, has a vector, labels) of every document."""
        searcher = self._searcher
        for _, address in searcher.search(tantivy.Query.all_query(), max(1, self.count()), count=False).hits:
            document = searcher.doc(address)
            yield document["id"][0], bool(document["has_vector"][0]), document.get_all("terms")

    def _token(self, token: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, "tokens", token, index_option="freq")

    def _filters(self, terms: Terms) -> Iterator[tuple[tantivy.Occur, tantivy.Query]]:
        for name, values in terms.items():
            wanted = [
                tantivy.Query.term_query(self._schema, "terms", label, index_option="basic")
                for label in labels({name: values})
            ]
            any_of = tantivy.Query.boolean_query(
                [(tantivy.Occur.Should, one) for one in wanted]
            )  # half of a set's cost
            yield tantivy.Occur.Must, tantivy.Query.const_score_query(any_of, 0.0)

    def _look(self) -> None:
        self._index.reload()
        self._searcher = self._index.searcher()
        self._ceiling: dict[str, float] = {}


def _stored(document: IndexDocument) -> tantivy.Document:
    stored = tantivy.Document()
    stored.add_text("id", document.id)
    stored.add_text("tokens", " ".join(document.tokens))
    stored.add_unsigned("has_vector", int(document.vector is not None))
    for label in labels(document.terms):
        stored.add_text("terms", label)
    return stored


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("tokens", tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field("terms", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("has_vector", stored=True)
    return builder.build()
