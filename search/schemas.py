"""What comes in and goes out of search."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from kernel.schema import Schema
from kernel.text import check_line, not_empty
from live import RoomCard
from notes import NoteCard
from shop import ProductCard

Kind = Literal["note", "product", "room"]
KINDS: tuple[Kind, ...] = ("note", "product", "room")
Query = Annotated[str, StringConstraints(max_length=200), AfterValidator(check_line), AfterValidator(not_empty)]


class SearchQuery(Schema):
    q: Query
    kind: Kind | None = None
    sort: Literal["relevance", "newest"] = "relevance"
    limit: Annotated[int, Field(ge=1, le=50)] = 20
    cursor: Annotated[str, StringConstraints(max_length=2048)] | None = None


class SearchPage(BaseModel):
    """Cards of mixed kind, each with `score` (0..1 within this answer) and `matched_by` (`words`, `meaning`).

    `facets` counts what was found by kind, whatever `kind` was asked for. `degraded`: less may be found
    than there is, because the encoder is away (by words alone) or the index is being filled.
    """

    items: list[dict[str, Any]]
    next_cursor: str | None
    facets: dict[str, dict[str, int]]
    degraded: bool


MatchedBy = list[Literal["words", "meaning"]]


class FoundNote(NoteCard):
    model_config = ConfigDict(extra="forbid")

    score: float
    matched_by: MatchedBy


class FoundProduct(ProductCard):
    score: float
    matched_by: MatchedBy


class FoundRoom(RoomCard):
    score: float
    matched_by: MatchedBy


class SearchAnswer(Schema):
    """`SearchPage` from outside. Cards are made by their owners and not validated a second time on their way."""

    items: list[Annotated[FoundNote | FoundProduct | FoundRoom, Field(discriminator="kind")]]
    next_cursor: str | None
    facets: dict[str, dict[str, int]]
    degraded: bool


class SuggestQuery(Schema):
    q: Query
    limit: Annotated[int, Field(ge=1, le=20)] = 8


class Suggestion(BaseModel):
    text: str
    kind: Literal["topic", "note", "product", "room"]


class Suggestions(BaseModel):
    items: list[Suggestion]
