"""What happens to the figures."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.facts import Fact


@dataclass(frozen=True)
class EventsIngested(Fact):
    """A client's batch was counted."""

    person: str
    count: int
