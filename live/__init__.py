"""Rooms in real time: stream, log of events, chat, presence, shelf, purchases over sockets."""

from live import frames
from live.audience import Authenticate
from live.audit import broadcasting, known_rooms, outbox_waiting
from live.chat import ChatRate, ChatService
from live.counter import ShopCounter
from live.desk import RoomDesk
from live.directory import RoomDirectory
from live.facts import (
    ChatDeleted,
    ChatSent,
    ProductPinned,
    RoomCreated,
    RoomEnded,
    RoomEventQueued,
    RoomHidden,
    RoomRestored,
    RoomStarted,
    RoomTitled,
    ShelfChanged,
    ViewerReleased,
    ViewerRestricted,
)
from live.ingest import RoomIngest
from live.jobs import LiveJobs
from live.listing import RoomContent, RoomRows
from live.log import RoomLog
from live.presence import Presence
from live.schemas import RestrictionIn, RoomCard, RoomIn, RoomOut
from live.selling import Selling
from live.service import RoomService
from live.shelf import RoomShelf
from live.sockets import LiveNamespace
from live.streams import RoomStreams

__all__ = [
    "Authenticate",
    "ChatDeleted",
    "ChatRate",
    "ChatSent",
    "ChatService",
    "LiveJobs",
    "LiveNamespace",
    "Presence",
    "ProductPinned",
    "RestrictionIn",
    "RoomCard",
    "RoomContent",
    "RoomCreated",
    "RoomDesk",
    "RoomDirectory",
    "RoomEnded",
    "RoomEventQueued",
    "RoomHidden",
    "RoomIn",
    "RoomIngest",
    "RoomLog",
    "RoomOut",
    "RoomRestored",
    "RoomRows",
    "RoomService",
    "RoomShelf",
    "RoomStarted",
    "RoomStreams",
    "RoomTitled",
    "Selling",
    "ShelfChanged",
    "ShopCounter",
    "ViewerReleased",
    "ViewerRestricted",
    "broadcasting",
    "frames",
    "known_rooms",
    "outbox_waiting",
]
