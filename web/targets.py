"""What moderation may judge, looked up in the service that owns it."""

from __future__ import annotations

from accounts import AccountService
from kernel.actor import Actor
from kernel.errors import NotFound
from moderation import Target


class ServiceTargets:
    """Answers moderation's `Targets` port from the services above it."""

    def __init__(self, accounts: AccountService) -> None:
        self.accounts = accounts

    def describe(self, viewer: Actor, kind: str, target_id: str) -> Target | None:
        """The thing as `viewer` may see it, or None."""
        try:
            return self._account(viewer, target_id) if kind == "account" else None
        except NotFound:
            return None

    def _account(self, viewer: Actor, account_id: str) -> Target:
        profile = self.accounts.profile(viewer, account_id)
        return Target(
            "account",
            account_id,
            account_id,
            profile.name,
            profile.bio,
            0,
            f"/profiles/{account_id}",
            profile.followers,
        )
