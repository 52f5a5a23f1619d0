"""The numbers of the feed's rules: defaults of a versioned policy, changed by an admin with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from feed import quality, ranking, rules
from kernel.policy import Policies

COMMERCIAL_CAP, AUTHOR_CAP, SEEN_DAYS = "feed.commercial_cap", "feed.author_cap", "feed.seen_days"
GUARANTEE, SHARE, ROOMS = "feed.guarantee", "feed.guarantee_share", "feed.room_share"
_NAMES = (COMMERCIAL_CAP, AUTHOR_CAP, SEEN_DAYS, GUARANTEE, SHARE, ROOMS)


@dataclass(frozen=True)
class FeedPolicy:
    """What holds now. `version` names the scoring and, where a number is not its default, the latest change of one."""

    commercial_cap: int
    author_cap: int
    seen_for: timedelta
    guarantee: int
    shares: dict[str, float]
    version: str


class FeedPolicies:
    """Declares the feed's policies and reads them."""

    def __init__(self, policies: Policies) -> None:
        self.policies = policies
        policies.declare(COMMERCIAL_CAP, 2, low=0, high=5)
        policies.declare(AUTHOR_CAP, rules.PER_AUTHOR, low=1, high=rules.WINDOW)
        policies.declare(SEEN_DAYS, 7, low=1, high=30)
        policies.declare(GUARANTEE, quality.GUARANTEE, low=0, high=100_000)
        policies.declare(SHARE, 0.2, low=0.0, high=0.5)
        policies.declare(ROOMS, 0.1, low=0.0, high=0.3)

    def lately(self, session: Session | None = None) -> FeedPolicy:
        """At most a second old. Inside a write: with its session."""
        values, change = self.policies.edition(_NAMES, session)
        commercial, author, days, guarantee, share, rooms = values
        version = f"{ranking.POLICY}+{change}" if change else ranking.POLICY
        return FeedPolicy(commercial, author, timedelta(days=days), guarantee, {"note": share, "room": rooms}, version)
