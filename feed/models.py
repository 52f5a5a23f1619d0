"""The tables of the feed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Float, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, Instant, Json

_ID = String(48)
_WAITING, _WAITING_1 = text("waiting"), text("waiting = 1")


class Candidate(Base):
    """What recall knows of a public note. No price, discount, payment or follower count has a column here.

    `public`: everybody may see it; `eligible`: and it is good enough to be recommended; `waiting`: and in the queue of the
    guarantee (`feed.guarantee`)."""

    __tablename__ = "feed_candidates"
    __table_args__ = (
        Index("ix_feed_candidates_quality", "eligible", "quality"),
        Index("ix_feed_candidates_waiting", "published_at", sqlite_where=_WAITING_1, postgresql_where=_WAITING),
        Index("ix_feed_candidates_author", "author_id", "published_at"),
    )

    note_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    author_id: Mapped[str] = mapped_column(_ID)
    published_at: Mapped[datetime] = mapped_column(Instant)
    topics: Mapped[list[str]] = mapped_column(Json)
    commercial: Mapped[bool]
    fingerprint: Mapped[str] = mapped_column(String(32))
    content: Mapped[float] = mapped_column(Float)
    parts: Mapped[dict[str, float]] = mapped_column(Json)
    quality: Mapped[float] = mapped_column(Float)
    public: Mapped[bool] = mapped_column(default=True)
    eligible: Mapped[bool]
    waiting: Mapped[bool] = mapped_column(default=False)
    exposures: Mapped[int] = mapped_column(Integer, default=0)
    examined: Mapped[float] = mapped_column(Float, default=0.0)
    responses: Mapped[float] = mapped_column(Float, default=0.0)


class CandidateTopic(Base):
    """From a topic to its best notes."""

    __tablename__ = "feed_topics"
    __table_args__ = (Index("ix_feed_topics_best", "topic", "quality"),)

    topic: Mapped[str] = mapped_column(String(80), primary_key=True)
    note_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    quality: Mapped[float] = mapped_column(Float)


class Taste(Base):
    """What a person has shown to like: `topic:...` or `author:...`, decaying with a half-life."""

    __tablename__ = "tastes"
    __table_args__ = (Index("ix_tastes_person", "person", "weight"),)

    person: Mapped[str] = mapped_column(_ID, primary_key=True)
    about: Mapped[str] = mapped_column(String(100), primary_key=True)
    weight: Mapped[float] = mapped_column(Float)
    updated_at: Mapped[datetime] = mapped_column(Instant)


class Feedback(Base):
    """What a person wants less of."""

    __tablename__ = "feedback"

    person: Mapped[str] = mapped_column(_ID, primary_key=True)
    kind: Mapped[str] = mapped_column(String(24), primary_key=True)
    target: Mapped[str] = mapped_column(String(100), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Instant)


class Exposure(Base):
    """One item really shown to one person at one position, and how it was chosen. Cannot be recovered later.

    `counts`: it was counted as examined, so that what follows counts as a response."""

    __tablename__ = "exposures"
    __table_args__ = (Index("ix_exposures_person", "person", "shown_at"), Index("ix_exposures_item", "item_id"))

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    person: Mapped[str | None] = mapped_column(_ID)
    placement: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(8))
    item_id: Mapped[str] = mapped_column(_ID)
    author_id: Mapped[str] = mapped_column(_ID)
    state: Mapped[str] = mapped_column(_ID)
    position: Mapped[int] = mapped_column(Integer)
    commercial: Mapped[bool]
    counts: Mapped[bool] = mapped_column(default=False)
    policy_version: Mapped[str] = mapped_column(String(64))
    propensity: Mapped[float] = mapped_column(Float)
    why: Mapped[dict[str, Any]] = mapped_column(Json)
    shown_at: Mapped[datetime] = mapped_column(Instant)


class Responded(Base):
    """What a person did with a note or in a room, each act once. `counted`: it followed an exposure that counts."""

    __tablename__ = "feed_responses"
    __table_args__ = (Index("ix_feed_responses_item", "item_id"),)

    person: Mapped[str] = mapped_column(_ID, primary_key=True)
    item_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    act: Mapped[str] = mapped_column(String(16), primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)
    counted: Mapped[bool]


class Broadcast(Base):
    """What the feed knows of a room on air: its host's standing, and how this broadcast was responded to."""

    __tablename__ = "feed_broadcasts"

    room_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    since: Mapped[datetime] = mapped_column(Instant)
    content: Mapped[float] = mapped_column(Float)
    quality: Mapped[float] = mapped_column(Float)
    exposures: Mapped[int] = mapped_column(Integer, default=0)
    examined: Mapped[float] = mapped_column(Float, default=0.0)
    responses: Mapped[float] = mapped_column(Float, default=0.0)


class ResponseRate(Base):
    """Responses per examined exposure in this community: what an average note gets. One row."""

    __tablename__ = "feed_response_rate"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    rate: Mapped[float] = mapped_column(Float)
