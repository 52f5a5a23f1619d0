"""Policies: every number of the rules is a default that can be changed for everybody or for one thing, with an audit trail.

The table only grows: a change is a new row with its author and reason, and its id is the policy's version.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Index, String, Text, bindparam, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.actor import Actor
from kernel.db import Base, Database, Instant, Json, Write
from kernel.errors import FieldError, Invalid
from kernel.ids import new_id

T = TypeVar("T", bound=bool | int | float | str)
KEPT_FOR = 1.0


class PolicyChange(Base):
    """`scope` is empty for everybody, or the id of the one thing the change is limited to."""

    __tablename__ = "policy_changes"
    __table_args__ = (Index("ix_policy_changes_name", "name", "scope", "id"),)

    id: Mapped[str] = mapped_column(String(48), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    scope: Mapped[str] = mapped_column(String(48), default="")
    value: Mapped[Any] = mapped_column(Json)
    set_by: Mapped[str] = mapped_column(String(48))
    reason: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)


# Built once: orders read it on their hot path.
_VALUES = (
    select(PolicyChange.name, PolicyChange.scope, PolicyChange.value, PolicyChange.id)
    .where(PolicyChange.name.in_(bindparam("names", expanding=True)))
    .where(PolicyChange.scope.in_(bindparam("scopes", expanding=True)))
    .order_by(PolicyChange.id)
)


class Policies:
    """Reads policies with their defaults and changes them. `declare` names each policy once, at wiring."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._defaults: dict[str, bool | int | float | str] = {}
        self._bounds: dict[str, tuple[float, float]] = {}
        self._kept: tuple[dict[str, tuple[Any, str]], float] = {}, 0.0
        self._changes = 0

    def declare(self, name: str, default: T, low: float = float("-inf"), high: float = float("inf")) -> None:
        """Name a policy, its default and, for a number, its bounds."""
        self._defaults[name] = default
        self._bounds[name] = (low, high)

    def get(self, session: Session, name: str, scope: str = "") -> Any:
        """The value for `scope`, else for everybody, else the default."""
        table = PolicyChange
        query = (
            select(table.scope, table.value).where(table.name == name, table.scope.in_({scope, ""})).order_by(table.id)
        )
        found: dict[str, Any] = dict(session.execute(query).all())
        return found.get(scope, found.get("", self._defaults[name]))

    def values(self, session: Session, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Any]:
        """Several policies by one statement: (name, scope) -> what `get` would give."""
        return {pair: value for pair, (value, _) in self._versions(session, wanted).items()}

    def _versions(self, session: Session, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[Any, str]]:
        """`values`, each with the id of the change that made it so; "" for a default."""
        pairs = list(wanted)
        asked = {"names": list({name for name, _ in pairs}), "scopes": list({"", *(scope for _, scope in pairs)})}
        found = {(name, scope): (value, id) for name, scope, value, id in session.execute(_VALUES, asked)}
        return {
            (name, scope): found.get((name, scope), found.get((name, ""), (self._defaults[name], "")))
            for name, scope in pairs
        }

    def lately(self, names: Sequence[str]) -> list[Any]:
        """The values for everybody, at most a second old: what a page asks each time. A change made by this process is
        seen at once, another's within that second."""
        return self.edition(names)[0]

    def edition(self, names: Sequence[str], session: Session | None = None) -> tuple[list[Any], str]:
        """What `lately` gives, and the id of the newest change among them: the version of the policy they make up, "" while
        all are defaults. Inside a write with its session."""
        kept = self._lately(names, session)
        return [kept[name][0] for name in names], max((kept[name][1] for name in names), default="")

    def _lately(self, names: Sequence[str], session: Session | None) -> dict[str, tuple[Any, str]]:
        kept, at = self._kept
        if at < time.monotonic() - KEPT_FOR or not kept.keys() >= set(names):
            asked = self._changes
            with nullcontext(session) if session else self.db.read() as reading:
                found = self._versions(reading, [(name, "") for name in self._defaults])
            kept = {name: value for (name, _), value in found.items()}
            if asked == self._changes:  # what was read before a change is not kept after it
                self._kept = kept, time.monotonic()
        return kept

    def declared(self) -> list[dict[str, Any]]:
        """Every policy with its present value for everybody, its default, and its bounds (None where there is none)."""
        with self.db.read() as session:
            current = self.values(session, [(name, "") for name in self._defaults])
        return [
            {
                "name": name,
                "value": current[name, ""],
                "default": default,
                "low": _finite(self._bounds[name][0]),
                "high": _finite(self._bounds[name][1]),
            }
            for name, default in sorted(self._defaults.items())
        ]

    def change(self, actor: Actor, name: str, value: bool | int | float | str, reason: str, scope: str = "") -> str:
        """Set a policy from now on; the version's id. By an admin, with a reason."""
        admin = actor.require("admin")
        self._check(name, value, reason)

        def write(tx: Write) -> str:
            row = PolicyChange(
                id=new_id("pol", tx.now),
                name=name,
                scope=scope,
                value=value,
                set_by=admin,
                reason=reason,
                created_at=tx.now,
            )
            tx.session.add(row)
            return row.id

        version = self.db.write(write)
        self._changes += 1
        self._kept = {}, 0.0
        return version

    def history(self, actor: Actor, limit: int = 100) -> list[dict[str, Any]]:
        """The newest changes first."""
        actor.require("admin", "moderator")
        with self.db.read() as session:
            rows = session.scalars(select(PolicyChange).order_by(PolicyChange.id.desc()).limit(limit))
            return [
                {"id": r.id, "name": r.name, "scope": r.scope, "value": r.value, "set_by": r.set_by, "reason": r.reason}
                for r in rows
            ]

    def _check(self, name: str, value: object, reason: str) -> None:
        default = self._defaults.get(name)
        if default is None:
            raise Invalid(
                "policy.unknown",
                f"There is no policy {name}.",
                [FieldError("name", "policy.unknown", ", ".join(sorted(self._defaults)))],
            )
        number = isinstance(default, int | float) and not isinstance(default, bool)
        fits = type(value) is type(default) or (type(default) is float and type(value) is int)
        if not fits or (number and not self._bounds[name][0] <= value <= self._bounds[name][1]):  # type: ignore[operator]
            raise Invalid(
                "policy.out_of_bounds",
                f"{name} does not take {value!r}.",
                [FieldError("value", "policy.out_of_bounds", str(self._bounds[name]))],
            )
        if not reason.strip():
            raise Invalid(
                "policy.reason_missing",
                "A change of policy needs a reason.",
                [FieldError("reason", "field.missing", "say why")],
            )


def _finite(bound: float) -> float | None:
    return bound if abs(bound) != float("inf") else None
