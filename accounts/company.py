"""The company of a page: who made what is on it, and how its viewer stands to them. One statement, whatever the page holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import false, or_, select

from accounts.models import Account, Block
from accounts.schemas import AccountRef


@dataclass(frozen=True)
class Company:
    """`hidden`: suspended or removed; `walled_off`: blocked by the viewer or blocking them; `synthetic`: programs."""

    refs: Mapping[str, AccountRef] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    walled_off: frozenset[str] = frozenset()
    synthetic: frozenset[str] = frozenset()


def company(rows: list[Any], live: set[str]) -> Company:
    """From rows of `known_to`; `live` are those on air."""
    return Company(
        {
            row.id: AccountRef(id=row.id, handle=row.handle, name=row.name, avatar=row.avatar, is_live=row.id in live)
            for row in rows
        },
        frozenset(row.id for row in rows if row.status != "active"),
        frozenset(row.id for row in rows if row.walled_off),
        frozenset(row.id for row in rows if row.synthetic),
    )


def known_to(viewer_id: str | None) -> Any:
    """Accounts as `viewer_id` meets them."""
    columns = (Account.id, Account.handle, Account.name, Account.avatar, Account.status, Account.synthetic)
    mine = (Block.blocker_id == viewer_id) & (Block.blocked_id == Account.id)
    theirs = (Block.blocker_id == Account.id) & (Block.blocked_id == viewer_id)
    wall = (
        false() if viewer_id is None else or_(select(Block).where(mine).exists(), select(Block).where(theirs).exists())
    )
    return select(*columns, wall.label("walled_off"))
