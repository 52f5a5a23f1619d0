"""What happens to the figures."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.facts import Fact


@dataclass(frozen=True)
class EventsIngested(Fact):
    """A client's batch was counted."""

    person: str
    count: int


@dataclass(frozen=True)
class NoteOpened(Fact):
    """A person, no program, opened a note: its page, or whatever a client shows of it."""

    person: str
    note_id: str
