"""The host's desk: open a room, go on air, fill the shelf, explain a product."""

from __future__ import annotations

from flask import Response, request

from kernel.actor import Actor
from kernel.errors import AppError, NotFound, Unauthenticated
from kernel.http import current_actor, find, parse
from live import RoomDirectory, RoomIn, RoomIngest, RoomOut, RoomService, RoomShelf, RoomStreams
from live.schemas import ShelfIn, StreamChoice
from web.errors import status_of
from web.pages import phrases
from web.pages.front import attempt, blueprint, go, key, page, typed
from web.pages.live import shelf_of
from web.pages.studio import desk, goods_for
from web.pages.words import gettext

routes = blueprint("studio_room_pages")


@routes.post("/studio/rooms")
def create() -> Response:
    """Make a room, not yet on air."""
    actor = current_actor()
    try:
        form = {**typed("title"), "stream": _chosen()}
        made = find(RoomService).create(actor, parse(RoomIn, form), key())
    except Unauthenticated:
        raise
    except AppError as refused:
        errors = phrases.fields(refused) or {"title": phrases.refusal(refused)}
        return desk(actor, status_of(refused), errors=errors, values=typed("title", "stream"), path="/studio")
    return go(f"/studio/rooms/{made.value['id']}")


@routes.get("/studio/rooms/<id:room_id>")
def room(room_id: str) -> Response:
    """One's own room on the desk."""
    actor, rooms = current_actor(), find(RoomDirectory)
    rooms.hosted(actor, room_id)
    shown = rooms.get(actor, room_id)
    wanted = request.args.get("product_q", "").strip()
    return page(
        "studio_room.html",
        room=shown.model_dump(mode="json"),
        shelf=shelf_of(actor, shown),
        pinned=shown.pinned,
        ingest=_ingest(actor, shown),
        product_q=wanted,
        found=goods_for(actor, wanted, set(shown.shelf)),
    )


@routes.post("/studio/rooms/<id:room_id>/<any(start, end):act>")
def go_on_or_off_air(room_id: str, act: str) -> Response:
    """Start or end the broadcast."""
    actor, rooms = current_actor(), find(RoomService)
    done = gettext("You are on air.") if act == "start" else gettext("The broadcast has ended.")
    command = rooms.start if act == "start" else rooms.end
    return attempt(lambda: command(actor, room_id, key()), f"/studio/rooms/{room_id}", done)


@routes.post("/studio/rooms/<id:room_id>/stream")
def stream(room_id: str) -> Response:
    """Choose what the next broadcast shows."""
    actor, streams = current_actor(), find(RoomStreams)
    choice = parse(StreamChoice, _chosen())
    return attempt(lambda: streams.choose(actor, room_id, choice), f"/studio/rooms/{room_id}", gettext("Saved."))


def _chosen() -> dict[str, str]:
    return {"kind": request.form.get("stream") or "test_picture"}


def _ingest(actor: Actor, shown: RoomOut) -> dict[str, str] | None:
    """Where the host's encoder calls, while it may."""
    if shown.status != "live" or shown.stream.kind == "test_picture":
        return None
    try:
        return find(RoomIngest).show(actor, shown.id).model_dump()
    except NotFound:  # it ended meanwhile
        return None


@routes.post("/studio/rooms/<id:room_id>/shelf")
def shelf(room_id: str) -> Response:
    """Replace the shelf."""
    actor, shelf = current_actor(), find(RoomShelf)
    form = parse(ShelfIn, {"skus": list(dict.fromkeys(request.form.getlist("sku")))})
    return attempt(lambda: shelf.replace(actor, room_id, form.skus), f"/studio/rooms/{room_id}", gettext("Saved."))


@routes.post("/studio/rooms/<id:room_id>/pin")
def pin(room_id: str) -> Response:
    """Explain a product of the shelf, or none."""
    actor, shelf, sku = current_actor(), find(RoomShelf), request.form.get("sku") or None
    return attempt(lambda: shelf.pin(actor, room_id, sku), f"/studio/rooms/{room_id}")
