"""From a thing with a title and texts to what the index takes: the same for notes, products, rooms and evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kernel.ports import IndexDocument, Vectors
from search.tokens import document_tokens, script

TITLE_WEIGHT = 3
"""How often a title's tokens are counted. There is one field of tokens: BM25 summed over fields ranks worse."""


def document(
    id: str,
    kind: str,
    title: str,
    texts: Sequence[str],
    terms: Mapping[str, str | Sequence[str]] | None = None,
    vector: Vectors | None = None,
) -> IndexDocument:
    """The document that goes into the index. `kind` and `script` are added to its terms (`search.ranking` asks both)."""
    tokens = document_tokens(title) * TITLE_WEIGHT + document_tokens(*texts)
    return IndexDocument(id, kind, tokens, vector, {**(terms or {}), "kind": kind, "script": script(tokens)})


def meaning(title: str, texts: Sequence[str]) -> str:
    """The text an encoder reads for a document. What matters most comes first: long texts are cut at its window."""
    return "\n".join(text for text in (title, *texts) if text)
