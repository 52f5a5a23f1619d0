"""Rooms in real time: stream, log of events, chat, presence, shelf, purchases over sockets."""

from live import frames
from live.chat import ChatRate, ChatService
from live.counter import ShopCounter
from live.desk import RoomDesk
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
    ShelfChanged,
    ViewerReleased,
    ViewerRestricted,
)
from live.jobs import LiveJobs
from live.log import RoomLog
from live.presence import Presence
from live.schemas import RestrictionIn, RoomCard, RoomIn, RoomOut
from live.service import RoomContent, RoomService
from live.sockets import Authenticate, LiveNamespace

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
    "RoomEnded",
    "RoomEventQueued",
    "RoomHidden",
    "RoomIn",
    "RoomLog",
    "RoomOut",
    "RoomRestored",
    "RoomService",
    "RoomStarted",
    "ShelfChanged",
    "ShopCounter",
    "ViewerReleased",
    "ViewerRestricted",
    "frames",
]
