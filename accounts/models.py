"""The tables of accounts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, Instant

_ID = String(48)


class Account(Base):
    """`synthetic` accounts (staff, bots, tours, simulations) stay out of the headline figures; a `veiled` one shows
    nothing of its handle, name, bio and picture, which moderation took away. `status` is active or suspended."""

    __tablename__ = "accounts"
    __table_args__ = (CheckConstraint("followers >= 0", name="followers"),)

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    handle: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(64))
    bio: Mapped[str] = mapped_column(Text, default="")
    avatar: Mapped[str | None] = mapped_column(String(200), index=True)
    password_hash: Mapped[str | None] = mapped_column(String(200))
    status: Mapped[str] = mapped_column(String(16), default="active")
    synthetic: Mapped[bool] = mapped_column(default=False)
    veiled: Mapped[bool] = mapped_column(default=False)
    followers: Mapped[int] = mapped_column(default=0)
    following: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    created_at: Mapped[datetime] = mapped_column(Instant)


class AccountRole(Base):
    __tablename__ = "account_roles"

    account_id: Mapped[str] = mapped_column(_ID, ForeignKey("accounts.id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(16), primary_key=True)


class Device(Base):
    """A browser or phone before, and after, somebody logs in on it: `account_id` did so last, at `merged_at`."""

    __tablename__ = "devices"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    account_id: Mapped[str | None] = mapped_column(_ID, ForeignKey("accounts.id"), index=True)
    synthetic: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(Instant)
    merged_at: Mapped[datetime | None] = mapped_column(Instant)


class Token(Base):
    """A bearer token or a page session, kept as a SHA-256 of the secret: a stolen table opens nothing."""

    __tablename__ = "tokens"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[str] = mapped_column(_ID, ForeignKey("accounts.id"), index=True)
    device_id: Mapped[str | None] = mapped_column(_ID)
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)


class Follow(Base):
    __tablename__ = "follows"
    __table_args__ = (Index("ix_follows_followee", "followee_id", "follower_id"),)

    follower_id: Mapped[str] = mapped_column(_ID, ForeignKey("accounts.id"), primary_key=True)
    followee_id: Mapped[str] = mapped_column(_ID, ForeignKey("accounts.id"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Instant)


class Block(Base):
    __tablename__ = "blocks"
    __table_args__ = (Index("ix_blocks_blocked", "blocked_id", "blocker_id"),)

    blocker_id: Mapped[str] = mapped_column(_ID, ForeignKey("accounts.id"), primary_key=True)
    blocked_id: Mapped[str] = mapped_column(_ID, ForeignKey("accounts.id"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Instant)


class CreatorApplication(Base):
    """Followers are counted when applying and when deciding, never after."""

    __tablename__ = "creator_applications"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    account_id: Mapped[str] = mapped_column(_ID, ForeignKey("accounts.id"), index=True)
    statement: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    followers_at_application: Mapped[int]
    followers_at_decision: Mapped[int | None]
    decided_by: Mapped[str | None] = mapped_column(_ID)
    reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    withdrawn_by: Mapped[str | None] = mapped_column(_ID)
    withdrawn_at: Mapped[datetime | None] = mapped_column(Instant)
    withdrawal_reason: Mapped[str | None] = mapped_column(Text)
