"""What happens to people and between them."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.facts import Fact


@dataclass(frozen=True)
class AccountRegistered(Fact):
    account_id: str


@dataclass(frozen=True)
class LoggedIn(Fact):
    account_id: str


@dataclass(frozen=True)
class LoggedOut(Fact):
    account_id: str


@dataclass(frozen=True)
class DeviceMerged(Fact):
    """Somebody logged in on a device: what it did as nobody is the account's from now on, and was all along."""

    device_id: str
    account_id: str


@dataclass(frozen=True)
class Followed(Fact):
    follower_id: str
    followee_id: str


@dataclass(frozen=True)
class Unfollowed(Fact):
    """`by_id` is the follower, or whoever of the two blocked the other."""

    follower_id: str
    followee_id: str
    by_id: str


@dataclass(frozen=True)
class Blocked(Fact):
    blocker_id: str
    blocked_id: str


@dataclass(frozen=True)
class Unblocked(Fact):
    blocker_id: str
    blocked_id: str


@dataclass(frozen=True)
class AccountSuspended(Fact):
    account_id: str


@dataclass(frozen=True)
class AccountReinstated(Fact):
    account_id: str


@dataclass(frozen=True)
class ProfileChanged(Fact):
    account_id: str


@dataclass(frozen=True)
class ProfileWorded(Fact):
    """A profile says this of itself from now on, at first or after an edit."""

    account_id: str
    version: int
    words: str


@dataclass(frozen=True)
class CreatorApplied(Fact):
    application_id: str
    account_id: str


@dataclass(frozen=True)
class CreatorApproved(Fact):
    application_id: str
    account_id: str


@dataclass(frozen=True)
class CreatorRefused(Fact):
    application_id: str
    account_id: str


@dataclass(frozen=True)
class CreatorWithdrawn(Fact):
    """`by_id` is the applicant, or the admin who took the application back."""

    application_id: str
    account_id: str
    by_id: str
