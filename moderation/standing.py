"""Which verdict stands for a thing: what is left when moderators act, take back, and authors write another version."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.models import Action, Case, ScreeningRow
from moderation.rules import APPROVE

WHOLE = ("hide", "remove")
"""Actions on the thing itself, whatever version it has; the others judge one version."""


def standing(session: Session, kind: str, target_id: str) -> str:
    """The newest action that was not taken back, or what screening said of a later version; `approve` without either."""
    actions = select(Action.action, Action.version).join(Case, Case.id == Action.case_id)
    mine = actions.where(Case.kind == kind, Case.target_id == target_id, Action.undone_at.is_(None))
    acted = session.execute(mine.order_by(Action.id.desc()).limit(1)).first()
    read = select(ScreeningRow.verdict, ScreeningRow.version).where(
        ScreeningRow.kind == kind, ScreeningRow.target_id == target_id
    )
    screened = session.execute(read.order_by(ScreeningRow.version.desc()).limit(1)).first()
    if acted is not None and (acted.action in WHOLE or screened is None or screened.version <= acted.version):
        return str(acted.action)
    return APPROVE if screened is None else str(screened.verdict)
