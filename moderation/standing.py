"""Which verdict stands for a thing: what is left when moderators act, take back, and authors write another version.

What a moderator decided holds until it is taken back: screening never says something softer of a later version.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moderation.models import Action, Case, ScreeningRow
from moderation.rules import APPROVE, HOLD, LIMIT, harder

WHOLE = ("hide", "remove")
"""Actions on the thing itself, whatever version it has; the others judge one version."""
OUT = (HOLD, "reject", *WHOLE)
"""Verdicts under which nobody but author and staff sees the thing."""
_FLOOR = {"limit": LIMIT, "reject": HOLD, "hide": HOLD, "remove": HOLD}


@dataclass(frozen=True)
class Floor:
    """The softest verdict that screening may give, and the words of the moderator whose decision asks for it."""

    verdict: str = APPROVE
    reason: str = ""


class Standing:
    """What was done to one thing and not taken back, and what follows from it, inside somebody's read or write."""

    def __init__(self, session: Session, kind: str, target_id: str) -> None:
        self.session = session
        self.read = (ScreeningRow.kind == kind, ScreeningRow.target_id == target_id)
        done = select(Action.action, Action.version, Action.reason).join(Case, Case.id == Action.case_id)
        done = done.where(Case.kind == kind, Case.target_id == target_id, Action.undone_at.is_(None))
        self.actions = session.execute(done.order_by(Action.id.desc())).all()

    @property
    def held(self) -> bool:
        """Whether anything holds the whole thing."""
        return any(self.holds(action) for action in WHOLE)

    def holds(self, action: str) -> bool:
        """Whether an action of this name, hide or remove, holds the whole thing."""
        return any(row.action == action for row in self.actions)

    def floor(self, version: int) -> Floor:
        """What was done to the whole thing before this version, else to the newest earlier version that was judged."""
        before = [row for row in self.actions if row.version < version]
        whole = [row for row in before if row.action in WHOLE]
        judged = sorted((row for row in before if row.action not in WHOLE), key=lambda row: -row.version)
        return next((Floor(_FLOOR.get(row.action, APPROVE), row.reason) for row in [*whole, *judged]), Floor())

    def of_version(self, version: int) -> str:
        """The verdict of its words alone: a moderator's, else screening's; `approve` without either."""
        for row in self.actions:
            if row.version == version and row.action not in WHOLE:
                return str(row.action)
        said = self.session.scalar(select(ScreeningRow.verdict).where(*self.read, ScreeningRow.version == version))
        return APPROVE if said is None else harder(said, self.floor(version).verdict)

    @cached_property
    def newest(self) -> str:
        """The verdict of the newest version that anybody judged."""
        screened = self.session.scalar(select(func.max(ScreeningRow.version)).where(*self.read)) or 0
        return self.of_version(max((screened, *(row.version for row in self.actions if row.action not in WHOLE))))

    @property
    def of_thing(self) -> str:
        """The hardest action on the whole of it, else the verdict of its newest version."""
        return next((action for action in reversed(WHOLE) if self.holds(action)), self.newest)

    def left(self, action: str, version: int) -> Iterable[tuple[int, str]]:
        """What holds again of versions, newest first, once an action is taken back: of the one it judged, and of later ones,
        which screening read in its light."""
        later = select(ScreeningRow.version).where(*self.read, ScreeningRow.version > version)
        versions = list(self.session.scalars(later.order_by(ScreeningRow.version.desc())))
        return [(n, self.of_version(n)) for n in [*versions, *([] if action in WHOLE else [version])]]
