"""The review desk: the queue beside one case, decisions on the version seen, applications."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from flask import Response, request

from accounts import AccountService, ApplicationService
from accounts.schemas import Decision
from kernel.actor import Actor
from kernel.errors import NotFound
from kernel.http import current_actor, find, parse
from kernel.ids import is_id
from moderation import CaseQueue, ModerationService, StrikeBook
from moderation.schemas import ActionIn, CaseOut, CaseQuery, UndoIn
from notes import NoteService
from web.pages.front import attempt, back, blueprint, key, page, typed
from web.pages.words import gettext

routes = blueprint("moderation_pages")


@routes.get("/moderation")
def desk() -> Response:
    """The queue by risk, reach and age; `case` opens one of it."""
    actor = current_actor()
    wanted = {name: request.args[name] for name in ("status", "kind", "cursor") if request.args.get(name)}
    query = parse(CaseQuery, wanted, strict=False)
    found = find(ModerationService).cases(actor, query)
    opened = _case(actor, request.args.get("case"))
    applications = [one.model_dump(mode="json") for one in find(ApplicationService).open_ones(actor)]
    return page(
        "moderation.html",
        cases=[one.model_dump(mode="json") for one in found.items],
        next_cursor=found.next_cursor,
        status=query.status,
        kind=query.kind or "",
        open_count=find(CaseQueue).counts(actor).open,
        case=opened,
        people=_people([*found.items, *([opened] if opened else []), *applications]),
        applications=applications,
    )


def _case(actor: Actor, case_id: str | None) -> dict[str, Any] | None:
    if not case_id:
        return None
    if not is_id(case_id, "case"):
        raise NotFound("case.not_found", "There is no such case.")
    case = find(ModerationService).case(actor, case_id)
    until = datetime.fromisoformat(case.claimed_until) if case.claimed_until else None
    mine = case.claimed_by == actor.account_id and until is not None and until > find(ModerationService).db.clock.now()
    return {
        **case.model_dump(mode="json"),
        "mine": mine,
        "strikes": find(StrikeBook).active_strikes(case.author_id),
        "pictures": _pictures(actor, case),
    }


def _pictures(actor: Actor, case: CaseOut) -> list[dict[str, Any]]:
    """The pictures of the version that is judged."""
    if case.kind != "note" or case.target is None:
        return []
    try:
        note = find(NoteService).get(actor, case.target_id, case.target.version)
    except NotFound:
        return []
    return [one.small.model_dump() for one in note.pictures]


def _people(shown: Iterable[Any]) -> dict[str, Any]:
    """Authors, claimers and actors of what is shown, by id."""
    plain = [one if isinstance(one, dict) else one.model_dump() for one in shown]
    ids = [one.get(name) for one in plain for name in ("author_id", "claimed_by", "account_id")]
    ids += [act["actor_id"] for one in plain for act in one.get("actions", ())]
    return {id: ref.model_dump() for id, ref in find(AccountService).refs([id for id in ids if id]).items()}


@routes.post("/moderation/cases/<id:case_id>/claim")
def claim(case_id: str) -> Response:
    """Take a case for 15 minutes."""
    actor = current_actor()
    return attempt(lambda: find(ModerationService).claim(actor, case_id), back("/moderation"))


@routes.post("/moderation/cases/<id:case_id>/actions")
def act(case_id: str) -> Response:
    """Decide a case on the version seen."""
    actor, fields = current_actor(), typed("action", "version", "reason")
    asked = {**fields, "strike": request.form.get("strike") == "1"}

    def decide() -> None:
        find(ModerationService).act(actor, case_id, parse(ActionIn, asked, strict=False), key())

    return attempt(decide, back("/moderation"), gettext("Decided. Author and reporters are told."))


@routes.post("/moderation/actions/<id:action_id>/undo")
def undo(action_id: str) -> Response:
    """Take an action back."""
    actor = current_actor()

    def take_back() -> None:
        find(ModerationService).undo(actor, action_id, parse(UndoIn, typed("reason")), key())

    return attempt(take_back, back("/moderation"), gettext("Taken back."))


@routes.post("/moderation/applications/<id:application_id>")
def decide(application_id: str) -> Response:
    """Approve or decline a creator application."""
    actor = current_actor()

    def judge() -> None:
        find(ApplicationService).decide(actor, application_id, parse(Decision, typed("verdict", "reason")), key())

    return attempt(judge, back("/moderation"), gettext("Decided. The applicant sees it in the studio."))
