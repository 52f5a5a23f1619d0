"""What comes in and goes out of metrics."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from kernel.schema import Schema

Channel = Literal["app", "feed", "following", "search", "note", "room", "profile", "product", "share"]
# Deliberate acts make a person active; the rest are kept and counted for nothing (DESIGN.md: a background poll does not).
Deliberate = Literal[
    "app.opened", "page.opened", "note.opened", "room.opened", "product.opened", "profile.opened", "search.made"
]
Passive = Literal["impression", "poll", "video.progress"]


class EventIn(Schema):
    """`id` is the client's own, so that a batch may be sent again; `at` may lie up to 24 h back. What lies
    before the account or device was made counts as when it was made."""

    id: Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_-]{8,64}$")]
    name: Deliberate | Passive
    at: datetime
    channel: Channel = "app"
    target: Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z]{2,12}_[0-9a-z]{26}$")] | None = None


class EventBatch(Schema):
    events: Annotated[list[EventIn], Field(min_length=1, max_length=500)]


class Ingested(Schema):
    accepted: int
    repeated: int


class DailyQuery(Schema):
    metrics: Annotated[str, StringConstraints(pattern=r"^[a-z_]+(,[a-z_]+)*$", max_length=100)] = "dau,dab,gmv"
    from_: Annotated[date, Field(alias="from")]
    to: date
    by: Literal["day", "channel"] = "day"
    population: Literal["people", "synthetic", "all"] = "people"


class RecountIn(Schema):
    """Business days, both included."""

    from_: Annotated[date, Field(alias="from")]
    to: date


class Difference(Schema):
    """A figure that is stored otherwise than the raw events say."""

    day: date
    metric: str
    channel: str
    population: str
    stored: int
    counted: int


class Recount(Schema):
    """`differences` is empty when every stored figure is right; `events` is how many were counted."""

    days: int
    events: int
    differences: list[Difference]


class Day(Schema):
    """One business day; `channel` is null for the distinct total over channels. Amounts in minor units."""

    day: date
    channel: str | None = None
    figures: dict[str, int]


class Daily(Schema):
    """Days in order, and the period: DAU and DAB are means of the daily counts, GMV is a sum."""

    population: str
    time_zone: str
    currency: str
    days: list[Day]
    period: dict[str, float]
