"""The rules of a page: pure, no I/O, asked at every position with what was placed before (the last page's end included)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from feed.ranking import Item

WINDOW = 10
PER_AUTHOR = 2


@dataclass(frozen=True)
class Shown:
    """What a rule must know of an item already shown."""

    author_id: str
    commercial: bool


def page_rules(
    before: Sequence[Shown], commercial_cap: int, author_cap: int = PER_AUTHOR
) -> Callable[[Item, Sequence[Item]], bool]:
    """`allowed(item, placed)`: at most `commercial_cap` commercial items of any 10 consecutive, never two in a row,
    at most `author_cap` of one author in 10. `before` is the end of what this person saw last, oldest first."""

    def allowed(item: Item, placed: Sequence[Item]) -> bool:
        recent = [*before, *(Shown(other.author_id, other.commercial) for other in placed)][-(WINDOW - 1) :]
        if sum(shown.author_id == item.author_id for shown in recent) >= author_cap:
            return False
        if not item.commercial:
            return True
        last_was_commercial = bool(recent) and recent[-1].commercial
        return not last_was_commercial and sum(shown.commercial for shown in recent) < commercial_cap

    return allowed
