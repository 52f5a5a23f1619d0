"""What to look at: the feed, who one follows, why something is shown, search."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from accounts import AccountService
from feed import FeedService
from feed.schemas import FeedbackIn, FeedQuery
from kernel.actor import Actor
from kernel.errors import NotFound
from kernel.http import current_actor, find, parse
from kernel.ids import is_id
from live import RoomDirectory
from notes import NoteService
from search import SearchService
from search.schemas import SearchQuery
from web.pages import phrases
from web.pages.front import acted, attempt, back, blueprint, deliberate, page
from web.pages.words import gettext

routes = blueprint("feed_pages")


@routes.get("/")
def discover() -> Response:
    """The feed. What is fetched ahead of a tap shows nothing, because what is shown is counted."""
    query = parse(FeedQuery, _only("cursor"), strict=False)
    if not deliberate():
        return page("feed.html", items=[], next_cursor=None, first=True, ended=False)
    found = find(FeedService).page(current_actor(), query.cursor, query.limit)
    if query.cursor is None:
        acted("app.opened")
    first, ended = query.cursor is None, len(found.items) < query.limit
    return page("feed.html", items=found.items, next_cursor=found.next_cursor, first=first, ended=ended)


@routes.get("/following")
def following() -> Response:
    """Everything by whom one follows, newest first. What is fetched ahead of a tap shows nothing here either."""
    actor = current_actor()
    if actor.account_id is None or not deliberate():
        return page("following.html", items=[], next_cursor=None, rooms=[], follows=0)
    query = parse(FeedQuery, _only("cursor"), strict=False)
    found = find(FeedService).following(actor, query.cursor, query.limit)
    follows = find(AccountService).me(actor).following
    rooms = [] if query.cursor else _live_among(actor)
    return page("following.html", items=found.items, next_cursor=found.next_cursor, rooms=rooms, follows=follows)


def _live_among(actor: Actor) -> list[dict[str, Any]]:
    """Rooms on air by people whom the caller follows."""
    followed = set(find(AccountService).following_ids(actor.require_account()))
    rooms, _ = find(RoomDirectory).page(actor, None, 100)
    return [room.model_dump(mode="json") for room in rooms if room.host.id in followed]


@routes.get("/why/<id:exposure_id>")
def why(exposure_id: str) -> Response:
    """Why am I seeing this?"""
    actor = current_actor()
    known = find(FeedService).why(actor, exposure_id)
    if known.kind == "room":
        cards: list[Any] = find(RoomDirectory).cards(actor, [known.item_id])
    else:
        cards = find(NoteService).cards(actor, [known.item_id], "note")
    gone = {"kind": known.kind, "id": known.item_id, "title": gettext("No longer to be seen")}
    item = cards[0].model_dump(mode="json") if cards else gone
    return page("why.html", why=phrases.why(known, item), exposure_id=exposure_id)


@routes.post("/feedback")
def feedback() -> Response:
    """Less of this from the very next page on."""
    actor, service = current_actor(), find(FeedService)
    exposure_id = request.form.get("exposure_id", "")
    if not is_id(exposure_id, "expo"):
        raise NotFound("exposure.not_found", "This was not shown to you.")
    shown = service.why(actor, exposure_id)
    form = parse(FeedbackIn, {"kind": request.form.get("kind", ""), "target": shown.item_id})
    return attempt(lambda: service.feedback(actor, form), back("/"), gettext("Noted. You will see less like this."))


@routes.get("/search")
def search() -> Response:
    """Notes, products and rooms by words and by meaning."""
    asked = {name: request.args.get(name, "").strip() for name in ("q", "kind", "sort", "cursor")}
    shown: dict[str, Any] = {name: asked[name] for name in ("q", "kind", "sort")}
    if not asked["q"]:
        return page("search.html", **shown, items=[], next_cursor=None)
    query = parse(SearchQuery, {name: value for name, value in asked.items() if value}, strict=False)
    found = find(SearchService).search(current_actor(), query)
    if query.cursor is None:
        acted("search.made", "search")
    return page(
        "search.html",
        **shown,
        items=[{**item, "placement": "search"} for item in found.items],
        next_cursor=found.next_cursor,
        partial=found.degraded,
    )


def _only(*names: str) -> dict[str, str]:
    """These parts of the query; others (where a link came from) are none of a service's business."""
    return {name: request.args[name] for name in names if request.args.get(name)}
