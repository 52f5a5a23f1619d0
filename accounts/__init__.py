"""Who: people, roles, sessions, anonymous devices, follows, blocks, creator applications."""

from accounts.applications import Application, ApplicationService, Strikes
from accounts.company import STAFF, Company, out_of_sight, suspended, wall
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
    LoggedOut,
    ProfileChanged,
    ProfileWorded,
    Unblocked,
    Unfollowed,
)
from accounts.schemas import AccountRef, ApplicationIn, Decision, Profile
from accounts.service import AccountService, Session

__all__ = [
    "STAFF",
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
    "LoggedOut",
    "Profile",
    "ProfileChanged",
    "ProfileWorded",
    "Session",
    "Strikes",
    "Unblocked",
    "Unfollowed",
    "out_of_sight",
    "suspended",
    "wall",
]
