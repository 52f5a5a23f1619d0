"""Find notes, products, rooms and people by words and by meaning."""

from __future__ import annotations

from search.documents import document, meaning
from search.evaluation import evaluate
from search.fusion import Ranked
from search.ranking import hybrid

__all__ = ["Ranked", "document", "evaluate", "hybrid", "meaning"]
