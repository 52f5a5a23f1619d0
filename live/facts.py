"""What happens in live rooms."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.facts import Fact


@dataclass(frozen=True)
class RoomCreated(Fact):
    room_id: str
    host_id: str


@dataclass(frozen=True)
class RoomTitled(Fact):
    """A room got its title, or another one."""

    room_id: str
    host_id: str
    title: str
    version: int


@dataclass(frozen=True)
class RoomStarted(Fact):
    room_id: str
    session_id: str
    host_id: str


@dataclass(frozen=True)
class RoomEnded(Fact):
    """`reason` is `host`, or `cut` when moderation ended it."""

    room_id: str
    session_id: str
    host_id: str
    reason: str


@dataclass(frozen=True)
class RoomHidden(Fact):
    room_id: str
    host_id: str


@dataclass(frozen=True)
class RoomRestored(Fact):
    room_id: str
    host_id: str


@dataclass(frozen=True)
class ShelfChanged(Fact):
    room_id: str
    sku_ids: tuple[str, ...]


@dataclass(frozen=True)
class ProductPinned(Fact):
    """`sku_id` is None when the pin was taken away."""

    room_id: str
    sku_id: str | None


@dataclass(frozen=True)
class RoomEventQueued(Fact):
    """An event lies in the outbox of this room and waits for its number."""

    room_id: str


@dataclass(frozen=True)
class ChatSent(Fact):
    room_id: str
    chat_id: str
    account_id: str


@dataclass(frozen=True)
class ChatDeleted(Fact):
    room_id: str
    chat_id: str
    account_id: str


@dataclass(frozen=True)
class ViewerRestricted(Fact):
    """`kind` is `mute` or `ban`."""

    room_id: str
    account_id: str
    kind: str


@dataclass(frozen=True)
class ViewerReleased(Fact):
    room_id: str
    account_id: str
