"""What comes in and goes out of live rooms, over HTTP and over sockets alike."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from accounts import AccountRef
from kernel.schema import Schema
from kernel.text import Id, Line

Seq = Annotated[int, Field(ge=0, lt=2**53)]
ChatText = Annotated[Line, StringConstraints(max_length=200)]


# -- rooms ------------------------------------------------------------------------------------------------------------


class StreamChoice(Schema):
    """`test_picture`: a picture with a clock; `srt`: what the host's encoder sends."""

    kind: Literal["test_picture", "srt"]


class RoomIn(Schema):
    title: Annotated[Line, StringConstraints(max_length=120)]
    shelf: Annotated[list[Id], Field(max_length=50)] = []
    stream: StreamChoice = StreamChoice(kind="test_picture")


class IngestOut(Schema):
    """For the host's eyes. `full_url` is `url` and `passphrase` in one line, for encoders that take only that."""

    url: str
    passphrase: str
    full_url: str
    state: Literal["waiting", "receiving"]


class RoomPatch(Schema):
    title: Annotated[Line, StringConstraints(max_length=120)]


class ShelfIn(Schema):
    """The whole shelf, in order."""

    skus: Annotated[list[Id], Field(max_length=50)]


class PinIn(Schema):
    """Null takes the pin away."""

    sku: Id | None


class SlowIn(Schema):
    """At most one message per person in `seconds`; 0 for no limit."""

    seconds: Annotated[int, Field(ge=0, le=600)]


class NoticeIn(Schema):
    text: ChatText


class RestrictionIn(Schema):
    """`mute`: may not speak; `ban`: may not be here. Without `seconds` for good."""

    account: Id
    kind: Literal["mute", "ban"] = "mute"
    seconds: Annotated[int, Field(ge=1, le=31_536_000)] | None = None


class CutIn(Schema):
    reason: Annotated[Line, StringConstraints(max_length=200)]


class EventsQuery(Schema):
    after: Seq = 0


class RoomsQuery(Schema):
    cursor: Annotated[str, StringConstraints(max_length=1024)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class Cover(Schema):
    url: str
    width: int
    height: int
    alt: str


class Disclosure(Schema):
    """A label that cannot be taken away; `kind`: product, own_product, synthetic_host."""

    kind: str
    label: str


class RoomCard(Schema):
    kind: Literal["room"] = "room"
    id: str
    title: str
    cover: Cover | None
    host: AccountRef
    viewers: int | None
    commercial: bool
    disclosure: Disclosure | None
    started_at: str | None


class RoomPage(Schema):
    items: list[RoomCard]
    next_cursor: str | None


class RoomOut(RoomCard):
    """`state` is the state after event `seq`; `playlist` is null unless the room is live.

    `version` counts its titles; a room is `hidden` while moderation, or the screening of its title, keeps it off the site.
    While `state.stream` is `waiting`, no picture comes in, and the playlist may not be there yet.
    """

    status: Literal["created", "live", "ended"]
    shelf: list[str]
    pinned: str | None
    slow: int
    stream: StreamChoice
    playlist: str | None
    ended_at: str | None
    created_at: str
    hidden: bool
    version: int
    state: dict[str, Any]
    seq: int


class RoomEventOut(Schema):
    """`media_at`: the programme time at the live edge of the stream when the event got its number."""

    room: str
    seq: int
    kind: str
    at: str
    media_at: str | None
    data: dict[str, Any]


class EventsOut(Schema):
    """`seq`: the number of the last event of the room; `more`: ask again after the last of `events`."""

    events: list[RoomEventOut]
    seq: int
    more: bool


class ChatIn(Schema):
    text: ChatText


class ChatRef(Schema):
    """`n` counts the messages of the room."""

    id: str
    n: int


class ChatOut(Schema):
    """`from` is who wrote it."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)

    room: str
    id: str
    n: int
    sender: Annotated[AccountRef, Field(alias="from")]
    text: str
    at: str


class ChatPage(Schema):
    items: list[ChatOut]
    next_cursor: str | None
