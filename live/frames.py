"""The frames of the live namespace: what may come in, what acks it, what goes out. AsyncAPI is made from the tables below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from accounts import AccountRef
from kernel.schema import Schema
from kernel.text import Id
from live.schemas import ChatOut, ChatText, RoomEventOut, Seq
from shop import Placed, QuoteOut

Key = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=128, pattern=r"^[\x20-\x7e]+$")]


# -- what a socket may send --------------------------------------------------------------------------------------------


class RoomJoin(Schema):
    """With `after`, the events that followed it; without, a snapshot."""

    room: Id
    after: Seq | None = None


class RoomLeave(Schema):
    room: Id


class ChatSend(Schema):
    room: Id
    text: ChatText
    key: Key


class OfferQuote(Schema):
    """Without `address` the one used last."""

    room: Id
    sku: Id
    qty: Annotated[int, Field(ge=1, le=99)] = 1
    address: dict[str, Any] | None = None


class OrderPurchase(Schema):
    """The total was confirmed by the person: the frame names the quote."""

    key: Key
    quote: Id


class OrderResult(Schema):
    key: Key


# -- what acks and events carry ----------------------------------------------------------------------------------------


class Joined(Schema):
    """`snapshot` (the state after event `seq`), or `events` that lead from `after` to `seq`. Beside it what is best effort:
    `viewers` is null while nobody can know, `degraded` is what the event `degraded` last said of `realtime`."""

    snapshot: dict[str, Any] | None = None
    events: list[RoomEventOut] | None = None
    seq: int
    viewers: int | None
    host: AccountRef
    playlist: str | None
    chat: list[dict[str, Any]]
    degraded: bool


class ChatSentAck(Schema):
    id: str
    n: int


class Degraded(Schema):
    """`realtime`: what happens in other processes comes late (numbered events) or not at all (chat) until this is false."""

    realtime: bool


class PresenceOut(Schema):
    """`viewers` is null while nobody can know."""

    room: str
    viewers: int | None


class ChatDeletedOut(Schema):
    room: str
    id: str
    n: int


class RoomGone(Schema):
    """This connection is out of the room: hidden, banned, or behind a block. After any code but `room.not_found` and `room.banned`,
    which say that something failed on our side, one may join again."""

    room: str
    code: str


class SessionEnded(Schema):
    """The log-in of this connection is over, and so is the connection: logged out (`session.invalid`; `session.required` for a
    page), expired, or suspended. After any other code nobody could say; one may connect again."""

    code: str


class OrderChanged(Schema):
    """To the buyer only. `status` of an order, or for somebody who waits under `key`: `unit_freed` or `sold_out`."""

    order: str | None = None
    status: str
    key: str | None = None
    sku: str | None = None


# -- the tables ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Frame:
    """`ack` is the shape beside `"ok": true`; None when that is all."""

    summary: str
    body: type[BaseModel]
    ack: type[BaseModel] | None = None


IN: dict[str, Frame] = {
    "room.join": Frame("Watch a room: a snapshot, or exactly what was missed.", RoomJoin, Joined),
    "room.leave": Frame("Stop watching.", RoomLeave),
    "chat.send": Frame("Say something, once per key.", ChatSend, ChatSentAck),
    "offer.quote": Frame("Ask what a product of the shelf costs now.", OfferQuote, QuoteOut),
    "order.purchase": Frame("Order what a quote names, once per key.", OrderPurchase, Placed),
    "order.result": Frame("Hear again what a key was answered.", OrderResult, Placed),
}
OUT: dict[str, Frame] = {
    "room.event": Frame("State and commerce, numbered without gaps.", RoomEventOut),
    "presence": Frame("How many watch, at most once a second.", PresenceOut),
    "chat.message": Frame("Somebody said something; best effort, `n` may have gaps.", ChatOut),
    "chat.deleted": Frame("A message is gone.", ChatDeletedOut),
    "room.gone": Frame("This connection is out of the room.", RoomGone),
    "chat.muted": Frame("You may not speak in this room.", RoomGone),
    "degraded": Frame("Something this connection leans on went away or came back.", Degraded),
    "session.ended": Frame("The last this connection hears: its log-in is over.", SessionEnded),
    "order.changed": Frame("An order of yours changed, or the wait for a unit is over.", OrderChanged),
}
