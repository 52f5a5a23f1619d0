"""Policies over HTTP: every number of the rules, who changed it and why."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import StrictBool, StrictFloat, StrictInt, StringConstraints

from kernel.actor import Actor
from kernel.errors import Forbidden
from kernel.http import blueprint, endpoint, find
from kernel.policy import Policies
from kernel.schema import Schema
from kernel.text import Line, Prose

routes = blueprint("policies", __name__)
Value = StrictBool | StrictInt | StrictFloat | Line


class PolicyIn(Schema):
    """`scope` is empty for everybody, or the id of the one thing the change is limited to."""

    name: Annotated[Line, StringConstraints(max_length=64)]
    value: Value
    reason: Annotated[Prose, StringConstraints(max_length=500)]
    scope: Annotated[str, StringConstraints(strict=True, pattern=r"^$|^[a-z]{2,12}_[0-9a-z]{26}$")] = ""


class PolicyOut(Schema):
    """`value` is what holds for everybody; `low` and `high` are the bounds of a number."""

    name: str
    value: Any
    default: Any
    low: float | None
    high: float | None


class ChangeOut(Schema):
    id: str
    name: str
    scope: str
    value: Any
    set_by: str
    reason: str


class PoliciesOut(Schema):
    items: list[PolicyOut]
    changes: list[ChangeOut]


class Changed(Schema):
    id: str
    name: str
    scope: str
    value: Any


@routes.get("/policies")
@endpoint(returns=PoliciesOut, refuses=(Forbidden,))
def policies(actor: Actor) -> dict[str, Any]:
    """Every policy, and the newest changes; for staff."""
    changes = find(Policies).history(actor)
    return {"items": find(Policies).declared(), "changes": changes}


@routes.put("/policies")
@endpoint(body=PolicyIn, returns=Changed)
def change_policy(actor: Actor, body: PolicyIn) -> Changed:
    """Set a policy from now on, for everybody or for one thing, with a reason; by an admin."""
    version = find(Policies).change(actor, body.name, body.value, body.reason, body.scope)
    return Changed(id=version, name=body.name, scope=body.scope, value=body.value)
