"""Live rooms over HTTP, and the files of their streams."""

from __future__ import annotations

from flask import Blueprint, Response, send_file

from kernel.actor import Actor
from kernel.errors import Conflict, Forbidden
from kernel.http import Rate, blueprint, endpoint, find
from kernel.idempotency import Answer
from live.chat import ChatService
from live.desk import RoomDesk
from live.directory import RoomDirectory
from live.ingest import RoomIngest
from live.schemas import (
    ChatIn,
    ChatPage,
    ChatRef,
    CutIn,
    EventsOut,
    EventsQuery,
    IngestOut,
    NoticeIn,
    PinIn,
    RestrictionIn,
    RoomIn,
    RoomOut,
    RoomPage,
    RoomPatch,
    RoomsQuery,
    ShelfIn,
    SlowIn,
    StreamChoice,
)
from live.service import RoomService
from live.shelf import RoomShelf
from live.streams import RoomStreams

routes = blueprint("live", __name__)
media = Blueprint("live_media", __name__, url_prefix="/media/live")
CATCH_UP = Rate(1200, 60)
TYPES = {"m3u8": "application/vnd.apple.mpegurl", "ts": "video/mp2t", "jpg": "image/jpeg"}


@routes.get("/rooms")
@endpoint(query=RoomsQuery, returns=RoomPage, auth=False)
def rooms(actor: Actor, query: RoomsQuery) -> RoomPage:
    """Rooms on air, newest first."""
    items, next_cursor = find(RoomDirectory).page(actor, query.cursor, query.limit)
    return RoomPage(items=items, next_cursor=next_cursor)


@routes.post("/rooms")
@endpoint(body=RoomIn, returns=RoomOut, status=201, idempotent=True)
def create(actor: Actor, body: RoomIn, key: str) -> Answer:
    """Make a room, not yet on air."""
    return find(RoomService).create(actor, body, key)


@routes.get("/rooms/<id:room_id>")
@endpoint(returns=RoomOut, auth=False, etag="version")
def room(actor: Actor, room_id: str) -> RoomOut:
    """A room with its state and the number of the last event in it."""
    return find(RoomDirectory).get(actor, room_id)


@routes.patch("/rooms/<id:room_id>")
@endpoint(body=RoomPatch, returns=RoomOut, if_match=True, etag="version", refuses=(Conflict,))
def retitle(actor: Actor, room_id: str, body: RoomPatch, if_match: str) -> RoomOut:
    """Give a room that is not on air another title."""
    return find(RoomDesk).retitle_by(actor, room_id, body.title, if_match)


@routes.post("/rooms/<id:room_id>/start")
@endpoint(returns=RoomOut, idempotent=True)
def start(actor: Actor, room_id: str, key: str) -> Answer:
    """Go on air."""
    return find(RoomService).start(actor, room_id, key)


@routes.post("/rooms/<id:room_id>/end")
@endpoint(returns=RoomOut, idempotent=True)
def end(actor: Actor, room_id: str, key: str) -> Answer:
    """Go off air."""
    return find(RoomService).end(actor, room_id, key)


@routes.put("/rooms/<id:room_id>/shelf")
@endpoint(body=ShelfIn, returns=RoomOut)
def shelf(actor: Actor, room_id: str, body: ShelfIn) -> RoomOut:
    """Replace the shelf."""
    return find(RoomShelf).replace(actor, room_id, body.skus)


@routes.put("/rooms/<id:room_id>/stream")
@endpoint(body=StreamChoice, returns=RoomOut, refuses=(Conflict,))
def stream(actor: Actor, room_id: str, body: StreamChoice) -> RoomOut:
    """Choose what the next broadcast shows."""
    return find(RoomStreams).choose(actor, room_id, body)


@routes.get("/rooms/<id:room_id>/ingest")
@endpoint(returns=IngestOut, refuses=(Forbidden,))
def ingest(actor: Actor, room_id: str) -> IngestOut:
    """Where the host's encoder sends the picture, and whether it comes: for the host alone."""
    return find(RoomIngest).show(actor, room_id)


@routes.put("/rooms/<id:room_id>/pin")
@endpoint(body=PinIn, returns=RoomOut, refuses=(Conflict,))
def pin(actor: Actor, room_id: str, body: PinIn) -> RoomOut:
    """Pin a product of the shelf, or none."""
    return find(RoomShelf).pin(actor, room_id, body.sku)


@routes.get("/rooms/<id:room_id>/events")
@endpoint(query=EventsQuery, returns=EventsOut, auth=False, rate=CATCH_UP)
def events(actor: Actor, room_id: str, query: EventsQuery) -> EventsOut:
    """The events that follow a number, without gaps."""
    return find(RoomDirectory).events(actor, room_id, query.after)


@routes.get("/rooms/<id:room_id>/chat")
@endpoint(returns=ChatPage, auth=False)
def recent_chat(actor: Actor, room_id: str) -> dict[str, object]:
    """The last messages, oldest first."""
    find(RoomDirectory).seen(actor, room_id)
    return {"items": find(ChatService).recent(actor, room_id), "next_cursor": None}


@routes.post("/rooms/<id:room_id>/chat")
@endpoint(body=ChatIn, returns=ChatRef, status=201, idempotent=True)
def say(actor: Actor, room_id: str, body: ChatIn, key: str) -> Answer:
    """Say something in a room."""
    return find(ChatService).send(actor, room_id, body.text, key)


@routes.delete("/rooms/<id:room_id>/chat/<id:chat_id>")
@endpoint()
def delete_message(actor: Actor, room_id: str, chat_id: str) -> None:
    """Delete a message, for everybody: its author, the host or a moderator."""
    find(RoomDesk).delete_message_by(actor, room_id, chat_id)


@routes.put("/rooms/<id:room_id>/slow")
@endpoint(body=SlowIn)
def slow(actor: Actor, room_id: str, body: SlowIn) -> None:
    """Slow the chat down, or lift it: the host or a moderator."""
    find(RoomDesk).slow_by(actor, room_id, body.seconds)


@routes.post("/rooms/<id:room_id>/notice")
@endpoint(body=NoticeIn, refuses=(Conflict,))
def notice(actor: Actor, room_id: str, body: NoticeIn) -> None:
    """Show everybody a notice: the host or a moderator."""
    find(RoomDesk).notice_by(actor, room_id, body.text)


@routes.put("/rooms/<id:room_id>/restrictions")
@endpoint(body=RestrictionIn)
def restrict(actor: Actor, room_id: str, body: RestrictionIn) -> None:
    """Mute somebody or ban them from the room: the host or a moderator."""
    find(RoomDesk).restrict_by(actor, room_id, body)


@routes.delete("/rooms/<id:room_id>/restrictions/<id:account_id>")
@endpoint()
def release(actor: Actor, room_id: str, account_id: str) -> None:
    """Lift a mute or ban."""
    find(RoomDesk).release_by(actor, room_id, account_id)


@routes.post("/rooms/<id:room_id>/cut")
@endpoint(body=CutIn, refuses=(Conflict,))
def cut(actor: Actor, room_id: str, body: CutIn) -> None:
    """Cut the stream, as a moderator."""
    find(RoomDesk).cut_by(actor, room_id, body.reason)


@media.get("/<id:room_id>/<name>")
def file(room_id: str, name: str) -> Response:
    """The playlist, a segment or the poster. Nothing is cached for longer than it may be seen."""
    path = find(RoomStreams).file(room_id, name)
    response = send_file(
        path, mimetype=TYPES.get(path.suffix[1:], "application/octet-stream"), conditional=True, max_age=0
    )
    response.headers["Cache-Control"] = "no-store" if name.endswith(".m3u8") else "private, max-age=10"
    response.headers["Accept-Ranges"] = "bytes"
    return response
