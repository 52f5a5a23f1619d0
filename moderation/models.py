"""The tables of moderation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, Instant, Json

_ID = String(48)


class ScreeningRow(Base):
    """What the rules said of one version of one thing."""

    __tablename__ = "screenings"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    target_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    verdict: Mapped[str] = mapped_column(String(16))
    hits: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    rules_version: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(Instant)


class Case(Base):
    """One per target, reopened by a new report."""

    __tablename__ = "cases"
    __table_args__ = (UniqueConstraint("kind", "target_id"), Index("ix_cases_status", "status", "opened_at"))

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    target_id: Mapped[str] = mapped_column(_ID)
    author_id: Mapped[str] = mapped_column(_ID)
    status: Mapped[str] = mapped_column(String(16), default="open")
    risk: Mapped[float] = mapped_column(Float, default=0.0)
    reach: Mapped[int] = mapped_column(Integer, default=0)
    reports: Mapped[int] = mapped_column(Integer, default=0)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    claimed_by: Mapped[str | None] = mapped_column(_ID)
    claimed_until: Mapped[datetime | None] = mapped_column(Instant)


class Report(Base):
    """One person's report in one case, of the version they saw; `answered_by` is the action its reporter was told of."""

    __tablename__ = "reports"
    __table_args__ = (UniqueConstraint("case_id", "reporter_id"),)

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    case_id: Mapped[str] = mapped_column(_ID, ForeignKey("cases.id"))
    reporter_id: Mapped[str] = mapped_column(_ID, index=True)
    reason: Mapped[str] = mapped_column(String(32))
    text: Mapped[str] = mapped_column(Text, default="")
    version: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    answered_by: Mapped[str | None] = mapped_column(_ID)
    created_at: Mapped[datetime] = mapped_column(Instant)


class Action(Base):
    """What a moderator did, on which version, and whether it was taken back."""

    __tablename__ = "moderation_actions"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    case_id: Mapped[str] = mapped_column(_ID, ForeignKey("cases.id"), index=True)
    action: Mapped[str] = mapped_column(String(16))
    version: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(Text)
    actor_id: Mapped[str] = mapped_column(_ID)
    created_at: Mapped[datetime] = mapped_column(Instant)
    undone_at: Mapped[datetime | None] = mapped_column(Instant)
    undone_by: Mapped[str | None] = mapped_column(_ID)
    undo_reason: Mapped[str | None] = mapped_column(Text)


class Strike(Base):
    """Counts against an account until it decays or is revoked."""

    __tablename__ = "strikes"
    __table_args__ = (Index("ix_strikes_account", "account_id", "decays_at"),)

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    account_id: Mapped[str] = mapped_column(_ID)
    action_id: Mapped[str] = mapped_column(_ID, unique=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    decays_at: Mapped[datetime] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)


class Notice(Base):
    """Something the house tells one person. `kind` names the sentence, `data` fills it in."""

    __tablename__ = "notices"
    __table_args__ = (Index("ix_notices_account", "account_id", "id"),)

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    account_id: Mapped[str] = mapped_column(_ID)
    kind: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(Instant)
    read_at: Mapped[datetime | None] = mapped_column(Instant)


class AuditEntry(Base):
    """Who did what to what, and why; only ever appended."""

    __tablename__ = "audit_entries"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    actor_id: Mapped[str] = mapped_column(_ID, index=True)
    what: Mapped[str] = mapped_column(String(48))
    target_id: Mapped[str] = mapped_column(_ID, index=True)
    data: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(Instant)
