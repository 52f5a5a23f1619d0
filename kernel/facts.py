"""Facts: what has happened, in the past tense, with ids instead of objects; and the table of what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernel.db import Write


@dataclass(frozen=True)
class Fact:
    """Base of all facts. Recorded in a write, told after its commit."""


@dataclass(frozen=True)
class Later:
    """A job row written with the fact: `args(fact)` must be JSON."""

    job: str
    args: Callable[[Any], dict[str, Any]]


@dataclass(frozen=True)
class Reaction:
    """What follows from one kind of fact.

    `within`: same commit, its failure fails the command. `later`: a job row in the same commit, at least once.
    `now`: after the commit, may be lost, may never fail the request.
    """

    within: Sequence[Callable[[Write, Any], None]] = ()
    now: Sequence[Callable[[Any], None]] = ()
    later: Sequence[Later] = ()


@dataclass
class Reactions:
    """The table of consequences. Filled once, in `web/reactions.py`."""

    table: Mapping[type[Fact], Reaction] = field(default_factory=dict)

    def of(self, fact: Fact) -> Reaction:
        return self.table.get(type(fact), _NOTHING)


_NOTHING = Reaction()
