"""Who acts: an account, an anonymous device, or the system itself."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.errors import Forbidden, Unauthenticated

ROLES = ("viewer", "creator", "merchant", "moderator", "admin")


@dataclass(frozen=True)
class Actor:
    """`synthetic` marks staff, bots, tours and simulations: they are not persons in the headline figures. `merged_into` is
    the account that logged in last on a device on which nobody is logged in: it looks with their eyes (what was
    seen, what is of no interest), and may do nothing in their name."""

    account_id: str | None = None
    device_id: str | None = None
    roles: frozenset[str] = frozenset()
    synthetic: bool = False
    merged_into: str | None = None

    @property
    def person(self) -> str | None:
        """The account, the one that its device merged into, or the device that has not yet merged into one."""
        return self.account_id or self.merged_into or self.device_id

    @property
    def kind(self) -> str:
        """`account`, `device` or `nobody`: all that a log line says of who asked."""
        return "account" if self.account_id else "device" if self.device_id else "nobody"

    def has(self, *roles: str) -> bool:
        return not self.roles.isdisjoint(roles)

    def require_account(self) -> str:
        """The account's id, else `Unauthenticated`."""
        if self.account_id is None:
            raise Unauthenticated("session.required", "Log in first.")
        return self.account_id

    def require(self, *roles: str) -> str:
        """The account's id when it has one of the roles, else `Forbidden`."""
        account_id = self.require_account()
        if not self.has(*roles):
            raise Forbidden("role.required", f"This needs the role {' or '.join(roles)}.", roles=list(roles))
        return account_id


ANONYMOUS = Actor()
SYSTEM = Actor(account_id="system", roles=frozenset({"admin", "moderator"}), synthetic=True)
