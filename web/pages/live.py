"""Rooms: which are on air, one of them, and its chat without script."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from kernel.actor import Actor
from kernel.http import current_actor, find, parse
from live import ChatService, RoomDirectory, RoomOut
from live.schemas import ChatIn, RoomsQuery
from shop import ProductService
from web.pages import touch
from web.pages.front import acted, attempt, blueprint, key, page, typed

routes = blueprint("live_pages")


@routes.get("/live")
def rooms() -> Response:
    """Rooms on air, newest first."""
    cursor = {"cursor": request.args["cursor"]} if request.args.get("cursor") else {}
    query = parse(RoomsQuery, cursor, strict=False)
    items, more = find(RoomDirectory).page(current_actor(), query.cursor, query.limit)
    return page("live.html", items=[room.model_dump(mode="json") for room in items], next_cursor=more)


@routes.get("/rooms/<id:room_id>")
def room(room_id: str) -> Response:
    """One room: video, chat, what is explained, the shelf."""
    actor = current_actor()
    shown = find(RoomDirectory).get(actor, room_id)
    channel, exposure = touch.via()
    acted("room.opened", channel, room_id)
    return page(
        "room.html",
        room=shown.model_dump(mode="json"),
        shelf=shelf_of(actor, shown),
        chat=find(ChatService).recent(actor, room_id),
        can_chat=actor.account_id is not None and shown.status == "live",
        touchpoint=touch.pack("room", room_id, exposure),
        exposure_id=exposure,
    )


def shelf_of(actor: Actor, room: RoomOut) -> list[dict[str, Any]]:
    """The shelf with its stock as the last event left it; before the first broadcast as the shop knows it."""
    if room.status == "live":
        return list(room.state["shelf"])
    chips = find(ProductService).chips(actor.account_id, room.shelf)
    return [chips[sku].model_dump(mode="json") for sku in room.shelf if sku in chips]


@routes.post("/rooms/<id:room_id>/chat")
def chat(room_id: str) -> Response:
    """Say something, where no script does it."""
    actor, service = current_actor(), find(ChatService)
    return attempt(lambda: service.send(actor, room_id, parse(ChatIn, typed("text")).text, key()), f"/rooms/{room_id}")
