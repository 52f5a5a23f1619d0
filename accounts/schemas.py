"""What comes in and goes out of accounts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from kernel.schema import Schema
from kernel.text import Line, Prose

Handle = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z0-9_]{3,30}$")]
Password = Annotated[str, StringConstraints(strict=True, min_length=10, max_length=200)]


class Registration(Schema):
    handle: Handle
    password: Password
    name: Annotated[Line, StringConstraints(max_length=50)] | None = None


class Credentials(Schema):
    handle: Annotated[Line, StringConstraints(max_length=64)]
    password: Annotated[str, StringConstraints(strict=True, max_length=200)]


class DeviceIn(Schema):
    """A bot, tour or simulation says so of itself, and stays out of the headline figures."""

    synthetic: bool = False


class DeviceOut(Schema):
    device: str


class AccountRef(Schema):
    """A person as a card shows them."""

    id: str
    handle: str
    name: str
    avatar: str | None = None
    is_live: bool = False


class Profile(AccountRef):
    bio: str = ""
    followers: int
    following: int
    roles: list[str]
    followed_by_me: bool = False
    blocked_by_me: bool = False
    created_at: str


class Me(Profile):
    """One's own words; while moderation has the profile `veiled`, nobody else is shown them."""

    veiled: bool = False
    synthetic: bool = False
    version: int = 1


class ProfileEdit(Schema):
    """What is absent stays; `avatar` is the address of an uploaded picture, null takes it away."""

    name: Annotated[Line, StringConstraints(max_length=50)] | None = None
    bio: Annotated[Prose, StringConstraints(max_length=500)] | None = None
    avatar: Annotated[str, StringConstraints(strict=True, pattern=r"^/media/images/[0-9a-f]{64}\.webp$")] | None = None


class SessionOut(Schema):
    token: str
    expires_at: str
    account: AccountRef


class Relation(Schema):
    """How the caller stands to an account after the command; `followers` is null where its profile is not there for them."""

    following: bool
    blocked: bool
    followers: int | None


class ApplicationIn(Schema):
    statement: Annotated[Prose, StringConstraints(max_length=1000)] = ""


class Decision(Schema):
    verdict: Literal["approve", "refuse"]
    reason: Annotated[Prose, StringConstraints(max_length=500)] = ""


class Withdrawal(Schema):
    reason: Annotated[Prose, StringConstraints(max_length=500)] = ""


class ApplicationOut(Schema):
    id: str
    account_id: str
    statement: str
    status: Literal["open", "approved", "refused", "withdrawn"]
    followers_at_application: int
    followers_at_decision: int | None
    reason: str | None
    created_at: str
    decided_at: str | None
    withdrawn_at: str | None = None
