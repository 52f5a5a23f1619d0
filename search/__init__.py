"""Find notes, products, rooms and people by words and by meaning."""

from __future__ import annotations

from search.cards import Cards
from search.documents import document, meaning
from search.evaluation import evaluate, read_gains
from search.fusion import Ranked
from search.ranking import hybrid
from search.service import FILL, REBUILD, SearchService
from search.shelf import NoteSource, ProductSource, RoomSource
from search.tokens import document_tokens

__all__ = [
    "FILL",
    "REBUILD",
    "Cards",
    "NoteSource",
    "ProductSource",
    "Ranked",
    "RoomSource",
    "SearchService",
    "document",
    "document_tokens",
    "evaluate",
    "hybrid",
    "meaning",
    "read_gains",
]
