"""`offshelf roles`: who sells, moderates and administers. The first admin comes from whoever has the machine."""

from __future__ import annotations

from typing import Any, Literal

from accounts import AccountService
from engines.offloop import off_loop
from kernel.config import Settings
from kernel.db import Write
from kernel.errors import SettingError
from moderation import OPERATOR, witness
from web.errands import database_beside

GIVEN = ("merchant", "moderator", "admin")
"""A creator's role comes with an approved application, and a viewer's with the account."""


def change_role(settings: Settings, what: Literal["grant", "revoke"], handle: str, role: str) -> dict[str, Any]:
    """Give an account a role, or take it away, beside a running server or without; audited. Twice is once.

    `{"account", "handle", "role", "changed"}`. Raises SettingError for a handle that nobody has.
    """
    with database_beside(settings) as db:
        accounts = AccountService(db, off_loop)
        account_id = accounts.find_by_handle(handle)
        if account_id is None:
            raise SettingError(
                f"Nobody has the handle {handle}; register it first, at /register or POST /api/v1/accounts."
            )

        def write(tx: Write) -> bool:
            change = accounts.add_role if what == "grant" else accounts.drop_role
            if changed := change(tx, account_id, role):
                witness(tx, OPERATOR, f"role.{what}", account_id, {"role": role})
            return changed

        return {"account": account_id, "handle": handle.lower(), "role": role, "changed": db.write(write)}
