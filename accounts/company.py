"""The company of a page: who made what is on it, and how its viewer stands to them. One statement, whatever the page holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.orm import aliased

from accounts.models import Account, AccountRole, Block
from accounts.schemas import AccountRef

STAFF = ("moderator", "admin")


def is_staff(account_id: Any) -> ColumnElement[bool]:
    """In SQL: whether the account of this column has a role of the house. Such are no persons in the figures, and nobody escapes
    them by a block."""
    return select(AccountRole.role).where(AccountRole.account_id == account_id, AccountRole.role.in_(STAFF)).exists()


@dataclass(frozen=True)
class Company:
    """`hidden`: suspended; `walled_off`: blocked by the viewer or blocking them; `synthetic`: programs."""

    refs: Mapping[str, AccountRef] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    walled_off: frozenset[str] = frozenset()
    synthetic: frozenset[str] = frozenset()


def ref_of(account: Any, live: bool = False) -> AccountRef:
    """The card of an account, or of a row of `known_to`. Behind the veil neither name nor handle is shown, but a word that
    says nothing and, for its hyphen, is nobody's handle. A suspended one shows no picture."""
    handle, name, avatar = account.handle, account.name, account.avatar if account.status == "active" else None
    if account.veiled:
        handle, name, avatar = *[f"user-{account.id[-8:]}"] * 2, None
    return AccountRef(id=account.id, handle=handle, name=name, avatar=avatar, is_live=live)


def company(rows: list[Any], live: set[str]) -> Company:
    """From rows of `known_to`; `live` are those on air."""
    return Company(
        {row.id: ref_of(row, row.id in live) for row in rows},
        frozenset(row.id for row in rows if row.status != "active"),
        frozenset(row.id for row in rows if row.walled_off),
        frozenset(row.id for row in rows if row.synthetic),
    )


def known_to(viewer_id: str | None) -> Any:
    """Accounts as `viewer_id` meets them."""
    columns = (
        Account.id,
        Account.handle,
        Account.name,
        Account.avatar,
        Account.veiled,
        Account.status,
        Account.synthetic,
    )
    return select(*columns, (false() if viewer_id is None else wall(Account.id, viewer_id)).label("walled_off"))


def wall(account_id: Any, viewer_id: Any) -> ColumnElement[bool]:
    """In SQL, for whoever reads rows of their own: the viewer has blocked this account, or it has blocked the viewer, who is not
    of the house. Of a viewer who is NULL nobody has blocked anything."""
    mine = (Block.blocker_id == viewer_id) & (Block.blocked_id == account_id)
    theirs = (Block.blocker_id == account_id) & (Block.blocked_id == viewer_id)
    return or_(select(Block).where(mine).exists(), and_(select(Block).where(theirs).exists(), ~is_staff(viewer_id)))


def out_of_sight(account_id: Any, viewer_id: Any) -> ColumnElement[bool]:
    """In SQL, as `wall`: what this account publishes is not there for the viewer, for it is suspended or behind a block."""
    return or_(suspended(account_id), wall(account_id, viewer_id))


def suspended(account_id: Any) -> ColumnElement[bool]:
    """In SQL, as `wall`: what this account publishes is there for nobody."""
    owner = aliased(Account)
    return select(owner.id).where(owner.id == account_id, owner.status != "active").exists()
