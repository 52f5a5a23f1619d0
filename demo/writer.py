"""What every part of the load shares: the services, a clock that stands where the plan says, and the ids given so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, TypeVar

from demo.content import Account, Plan
from demo.posts import DAYS, ZONE
from demo.progress import Progress
from kernel.actor import Actor
from kernel.clock import FrozenClock
from kernel.db import Database, Write

if TYPE_CHECKING:
    from demo.load_pictures import Pictures
    from web.services import Services

T = TypeVar("T")


@dataclass
class Writer:
    """Writes many things in few commits. The maps give the id of a plan's key once it is written.

    ``notes`` holds the notes that screening let through; ``limited`` are those of them that are not recommended.
    """

    plan: Plan
    services: Services
    db: Database
    clock: FrozenClock
    pictures: Pictures
    progress: Progress
    people: dict[str, str] = field(default_factory=dict)
    products: dict[str, str] = field(default_factory=dict)
    skus: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    limited: set[str] = field(default_factory=set)
    rooms: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._accounts = {account.handle: account for account in self.plan.accounts}

    def account(self, handle: str) -> Account:
        return self._accounts[handle]

    def actor(self, handle: str) -> Actor:
        """The account as the services see it when it does something."""
        account = self._accounts[handle]
        return Actor(self.people[handle], None, frozenset(account.roles), account.synthetic)

    def move(self, tx: Write, at: datetime) -> None:
        """Inside a write, it is ``at`` from now on: rows of one commit may lie days apart."""
        self.clock.move_to(at)
        tx.now = self.clock.now()

    def write_each(
        self,
        stage: str,
        things: Sequence[T],
        at: Callable[[T], datetime],
        write_one: Callable[[Write, T], None],
        size: int = 200,
    ) -> None:
        """Write things in order, ``size`` in a commit, each at its own time."""
        for start in range(0, len(things), size):
            chunk = things[start : start + size]

            def write(tx: Write, chunk: Sequence[T] = chunk) -> None:
                for thing in chunk:
                    self.move(tx, at(thing))
                    write_one(tx, thing)

            self.db.write(write)
            self.progress.step(stage, len(chunk))

    def before_all(self, hours: float) -> datetime:
        """That long before the first of the 30 days."""
        return local(self.plan.today - timedelta(days=DAYS)) - timedelta(hours=hours)


def local(day: date, hour: int = 0) -> datetime:
    """An hour of a business day."""
    return datetime.combine(day, time(hour), ZONE)
