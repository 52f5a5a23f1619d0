"""People: their pages, following, blocking, and reporting whatever is wrong."""

from __future__ import annotations

from flask import Response, request

from accounts import AccountService
from kernel.http import current_actor, find, parse
from live import RoomDirectory
from moderation import ModerationService
from moderation.schemas import ReportIn
from notes import NoteService
from web.pages import touch
from web.pages.front import acted, attempt, back, blueprint, key, page
from web.pages.words import gettext

routes = blueprint("people_pages")


@routes.get("/profiles/<id:account_id>")
def profile(account_id: str) -> Response:
    """Somebody's page with what they published."""
    actor, rooms = current_actor(), find(RoomDirectory)
    person = find(AccountService).profile(actor, account_id)
    found = find(NoteService).by_author(actor, account_id, request.args.get("cursor"), 20)
    on_air = (
        [room.id for room in rooms.by_host(actor, account_id, 5) if room.status == "live"] if person.is_live else []
    )
    acted("profile.opened", touch.via()[0], account_id)
    return page(
        "profile.html",
        person=person.model_dump(mode="json"),
        is_me=actor.account_id == account_id,
        room=next((room.model_dump(mode="json") for room in rooms.cards(actor, on_air)), None),
        items=[{**card.model_dump(mode="json"), "placement": "profile"} for card in found.items],
        next_cursor=found.next_cursor,
    )


@routes.post("/profiles/<id:account_id>/<any(follow, block):relation>")
def relate(account_id: str, relation: str) -> Response:
    """Follow or block somebody, or stop it."""
    accounts, actor = find(AccountService), current_actor()
    acts = {
        "follow1": accounts.follow,
        "follow0": accounts.unfollow,
        "block1": accounts.block,
        "block0": accounts.unblock,
    }
    act = acts[relation + ("0" if request.form.get("on") == "0" else "1")]
    return attempt(lambda: act(actor, account_id), back(f"/profiles/{account_id}"))


@routes.post("/report")
def report() -> Response:
    """Report a note, comment, product, room or profile."""
    actor = current_actor()
    actor.require_account()
    fields = request.form
    target = {"kind": fields.get("target_kind", ""), "id": fields.get("target_id", "")}

    def send() -> None:
        form = parse(ReportIn, {"target": target, "reason": fields.get("reason", ""), "text": fields.get("text", "")})
        find(ModerationService).report(actor, form, key())

    return attempt(send, back("/"), gettext("Thank you. A moderator will read your report, and you will be told."))
