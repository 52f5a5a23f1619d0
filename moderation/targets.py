"""What moderation must know about a thing it judges; answered from above by whoever owns the thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kernel.actor import Actor
from kernel.db import Write

KINDS = ("note", "comment", "chat", "product", "room", "account")


@dataclass(frozen=True)
class Target:
    """A thing under review. `reach` is how many people it has reached so far; `version` is what acting must name.
    `staff` are accounts that only an admin may judge."""

    kind: str
    id: str
    author_id: str
    title: str
    text: str
    version: int
    url: str
    reach: int = 0
    staff: bool = False


class Targets(Protocol):
    """Looks things up across services."""

    def describe(self, viewer: Actor, kind: str, target_id: str) -> Target | None:
        """The thing as `viewer` may see it (staff sees all), or None."""
        ...

    def served(self, tx: Write, kind: str, target_id: str) -> int | None:
        """Inside a write, the version that others get while a later one is judged; None when they get none, or when the
        kind has no versions side by side."""
        ...
