"""Who: people, roles, sessions, anonymous devices, follows, blocks, creator applications."""

from accounts.applications import Application, ApplicationService, Strikes
from accounts.company import Company
from accounts.facts import (
    AccountRegistered,
    AccountReinstated,
    AccountSuspended,
    Blocked,
    CreatorApplied,
    CreatorApproved,
    CreatorRefused,
    CreatorWithdrawn,
    DeviceMerged,
    Followed,
    LoggedIn,
    ProfileChanged,
    Unblocked,
    Unfollowed,
)
from accounts.schemas import AccountRef, ApplicationIn, Decision, Profile
from accounts.service import AccountService, Session

__all__ = [
    "AccountRef",
    "AccountRegistered",
    "AccountReinstated",
    "AccountService",
    "AccountSuspended",
    "Application",
    "ApplicationIn",
    "ApplicationService",
    "Blocked",
    "Company",
    "CreatorApplied",
    "CreatorApproved",
    "CreatorRefused",
    "CreatorWithdrawn",
    "Decision",
    "DeviceMerged",
    "Followed",
    "LoggedIn",
    "Profile",
    "ProfileChanged",
    "Session",
    "Strikes",
    "Unblocked",
    "Unfollowed",
]
