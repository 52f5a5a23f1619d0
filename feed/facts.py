"""What happens in the feed."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.facts import Fact


@dataclass(frozen=True)
class FeedbackGiven(Fact):
    """A person said what they want less of."""

    person: str
    kind: str
    target_id: str


@dataclass(frozen=True)
class PlaceFreed(Fact):
    """A note of this author waits for its guarantee no longer, so that the next one may."""

    author_id: str
