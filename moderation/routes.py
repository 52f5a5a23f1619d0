"""Moderation over HTTP."""

from __future__ import annotations

from kernel.actor import Actor
from kernel.errors import Conflict, Forbidden, NotFound
from kernel.http import Rate, blueprint, endpoint, find
from kernel.idempotency import Answer
from moderation.notices import Notices
from moderation.queue import CaseQueue
from moderation.schemas import (
    ActionIn,
    ActionOut,
    AuditPage,
    CaseCounts,
    CaseOut,
    CasePage,
    CaseQuery,
    NoticePage,
    PageQuery,
    ReportIn,
    ReportOut,
    StrikesOut,
    UndoIn,
)
from moderation.service import ModerationService
from moderation.strikes import StrikeBook

routes = blueprint("moderation", __name__)
REPORT_RATE = Rate(20, 60)


@routes.post("/reports")
@endpoint(body=ReportIn, returns=ReportOut, status=201, idempotent=True, rate=REPORT_RATE, refuses=(NotFound,))
def report(actor: Actor, body: ReportIn, key: str) -> Answer:
    """Report a note, comment, chat message, product, room or account."""
    return find(ModerationService).report(actor, body, key)


@routes.get("/cases")
@endpoint(query=CaseQuery, returns=CasePage, refuses=(Forbidden,))
def cases(actor: Actor, query: CaseQuery) -> CasePage:
    """The review queue, by risk x reach x age."""
    return find(ModerationService).cases(actor, query)


@routes.get("/cases/counts")
@endpoint(returns=CaseCounts, refuses=(Forbidden,))
def counts(actor: Actor) -> CaseCounts:
    """How many cases are open, claimed and decided."""
    return find(CaseQueue).counts(actor)


@routes.get("/cases/<id:case_id>")
@endpoint(returns=CaseOut, refuses=(Forbidden,))
def case(actor: Actor, case_id: str) -> CaseOut:
    """One case with everything known about it."""
    return find(ModerationService).case(actor, case_id)


@routes.post("/cases/<id:case_id>/claim")
@endpoint(returns=CaseOut, refuses=(Conflict,))
def claim(actor: Actor, case_id: str) -> CaseOut:
    """Take a case for 15 minutes."""
    return find(ModerationService).claim(actor, case_id)


@routes.delete("/cases/<id:case_id>/claim")
@endpoint()
def release(actor: Actor, case_id: str) -> None:
    """Give a case back to the queue."""
    find(CaseQueue).release(actor, case_id)


@routes.post("/cases/<id:case_id>/actions")
@endpoint(body=ActionIn, returns=ActionOut, status=201, idempotent=True)
def act(actor: Actor, case_id: str, body: ActionIn, key: str) -> Answer:
    """Decide a case on the version seen."""
    return find(ModerationService).act(actor, case_id, body, key)


@routes.post("/actions/<id:action_id>/undo")
@endpoint(body=UndoIn, returns=ActionOut, idempotent=True)
def undo(actor: Actor, action_id: str, body: UndoIn, key: str) -> Answer:
    """Take an action back."""
    return find(ModerationService).undo(actor, action_id, body, key)


@routes.get("/notices")
@endpoint(query=PageQuery, returns=NoticePage)
def notices(actor: Actor, query: PageQuery) -> NoticePage:
    """What the house told the caller, newest first."""
    return find(Notices).page(actor, query.cursor, query.limit)


@routes.put("/notices/read")
@endpoint()
def read_notices(actor: Actor) -> None:
    """Mark every notice as read."""
    find(Notices).read_all(actor)


@routes.get("/audit")
@endpoint(query=PageQuery, returns=AuditPage, refuses=(Forbidden,))
def audit(actor: Actor, query: PageQuery) -> AuditPage:
    """Who did what, newest first."""
    return find(ModerationService).audit(actor, query)


@routes.get("/me/strikes")
@endpoint(returns=StrikesOut)
def my_strikes(actor: Actor) -> StrikesOut:
    """The caller's own strikes, and how many still count."""
    return find(StrikeBook).mine(actor)
