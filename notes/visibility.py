"""Who may see a note where: the one rule, asked at every door. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Placement = Literal["feed", "following", "search", "profile", "note"]


@dataclass(frozen=True)
class Standing:
    """What the rule needs to know of a note. `hold` is moderation's; `author_hidden`: suspended."""

    author_id: str
    status: str
    hold: str = ""
    deleted: bool = False
    author_hidden: bool = False


@dataclass(frozen=True)
class Viewer:
    """What the rule needs to know of who looks. `walled_off`: accounts that blocked them or that they blocked."""

    account_id: str | None = None
    staff: bool = False
    walled_off: frozenset[str] = frozenset()


def may_see(note: Standing, viewer: Viewer, placement: Placement) -> bool:
    """Whether `note` may be shown to `viewer` at `placement`.

    A limited note reaches followers, search, the profile and its own page, but no recommendation. On its own page an
    author sees their note in every state, and staff see what was submitted; nobody sees what was deleted.
    """
    if note.deleted:
        return False
    if placement == "note" and viewer.account_id is not None and viewer.account_id == note.author_id:
        return True
    if placement == "note" and viewer.staff:
        return note.status != "draft"
    if note.hold or note.author_hidden or note.author_id in viewer.walled_off:
        return False
    return note.status == "public" or (note.status == "limited" and placement != "feed")
