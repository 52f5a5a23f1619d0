"""What comes in and goes out of the feed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from kernel.schema import Schema
from kernel.text import Id
from live import RoomCard
from notes import NoteCard


class FeedQuery(Schema):
    limit: Annotated[int, Field(ge=1, le=50)] = 20
    cursor: Annotated[str, StringConstraints(max_length=1024)] | None = None


class FeedPage(Schema):
    """Note cards and room cards, each with `exposure_id`, `placement`, `position` and `recommended` beside its own fields.

    `exposure_id` is null while nothing can be written down (a full disk): what is shown then counts as shown to nobody.
    """

    items: list[dict[str, Any]]
    next_cursor: str | None


class FeedNote(NoteCard):
    model_config = ConfigDict(extra="forbid")

    exposure_id: str | None
    placement: Literal["feed"]
    position: int
    recommended: bool


class FeedRoom(RoomCard):
    exposure_id: str | None
    placement: Literal["feed"]
    position: int
    recommended: bool


class FeedAnswer(Schema):
    """`FeedPage` from outside. Cards are made by their owners and not validated a second time on their way."""

    items: list[Annotated[FeedNote | FeedRoom, Field(discriminator="kind")]]
    next_cursor: str | None


class FollowedNote(NoteCard):
    model_config = ConfigDict(extra="forbid")

    exposure_id: str | None
    placement: Literal["following"]
    position: int
    recommended: Literal[False]


class FollowingAnswer(Schema):
    """The following feed from outside."""

    items: list[FollowedNote]
    next_cursor: str | None


class Why(Schema):
    """Why this person saw this item: the source that recalled it, what that was about, and the parts of its score."""

    exposure_id: str
    kind: Literal["note", "room"]
    item_id: str
    placement: str
    position: int
    reason: str
    about: str
    score: float
    parts: dict[str, float]
    commercial: bool
    policy_version: str
    propensity: float
    shown_at: str


class FeedbackIn(Schema):
    """`not_interested` hides an item and its topics weigh less; `hide_author`; `fewer_products` lowers the commercial cap."""

    kind: Literal["not_interested", "hide_author", "fewer_products"]
    target: Id | None = None


class QualityOut(Schema):
    """What a note's score is made of, for its author, and what would move it."""

    note_id: str
    quality: float
    floor: float
    recommended: bool
    tier: Literal["guaranteed", "earning", "stopped", "below_floor"]
    content: float
    parts: dict[str, float]
    exposures: int
    examined: float
    responses: float
    guarantee: int
    advice: list[str]


class RankingInputs(Schema):
    """Everything ranking may see, and what it must not."""

    policy_version: str
    inputs: list[str]
    weights: dict[str, float]
    content_parts: list[str]
    response_weights: dict[str, float]
    forbidden: list[str]
