"""Who did what to what, and why: written in the commit that does it, and never changed."""

from __future__ import annotations

from typing import Any

from kernel.db import Write
from kernel.ids import new_id
from moderation.models import AuditEntry

OPERATOR = "operator"
"""Who has the machine, and no account."""


def witness(tx: Write, actor_id: str, what: str, target_id: str, data: dict[str, Any]) -> None:
    """Write down what somebody did, here or in another service."""
    row = {"id": new_id("audit", tx.now), "actor_id": actor_id, "what": what, "target_id": target_id, "data": data}
    tx.session.add(AuditEntry(**row, created_at=tx.now))
