"""The frames of the live namespace in one table: what may come in, what acks it, what goes out. AsyncAPI is made from it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from live import schemas as s
from shop import Placed, QuoteOut


@dataclass(frozen=True)
class Frame:
    """`ack` is the shape beside `"ok": true`; None when that is all."""

    summary: str
    body: type[BaseModel]
    ack: type[BaseModel] | None = None


IN: dict[str, Frame] = {
    "room.join": Frame("Watch a room: a snapshot, or exactly what was missed.", s.RoomJoin, s.Joined),
    "room.leave": Frame("Stop watching.", s.RoomLeave),
    "chat.send": Frame("Say something, once per key.", s.ChatSend, s.ChatSentAck),
    "offer.quote": Frame("Ask what a product of the shelf costs now.", s.OfferQuote, QuoteOut),
    "order.purchase": Frame("Order what a quote names, once per key.", s.OrderPurchase, Placed),
    "order.result": Frame("Hear again what a key was answered.", s.OrderResult, Placed),
}
OUT: dict[str, Frame] = {
    "room.event": Frame("State and commerce, numbered without gaps.", s.RoomEventOut),
    "presence": Frame("How many watch, at most once a second.", s.PresenceOut),
    "chat.message": Frame("Somebody said something; best effort, `n` may have gaps.", s.ChatOut),
    "chat.deleted": Frame("A message is gone.", s.ChatDeletedOut),
    "room.gone": Frame("This connection is out of the room.", s.RoomGone),
    "chat.muted": Frame("You may not speak in this room.", s.RoomGone),
    "order.changed": Frame("An order of yours changed, or the wait for a unit is over.", s.OrderChanged),
}
