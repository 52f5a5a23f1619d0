"""Who may see a room: one rule for cards, the room page, the playlist and the sockets."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Protocol

DRAIN = timedelta(seconds=30)  # players finish an ended stream; one that was cut goes dark at once


class Seen(Protocol):
    """What the rule looks at."""

    id: str
    host_id: str
    status: str
    hidden: bool
    cut: bool
    ended_at: datetime | None


def visible(room: Seen, walled_off: Collection[str], hidden_hosts: Collection[str]) -> bool:
    """Not hidden by moderation, host active, nobody blocked the other."""
    return not room.hidden and room.host_id not in hidden_hosts and room.host_id not in walled_off


def listed(room: Seen, walled_off: Collection[str], hidden_hosts: Collection[str]) -> bool:
    """Visible and on air: what feed, search and profile show."""
    return room.status == "live" and visible(room, walled_off, hidden_hosts)


def playable(room: Seen, hidden_hosts: Collection[str], now: datetime) -> bool:
    """Whether the stream's files may be fetched."""
    if not visible(room, (), hidden_hosts):
        return False
    draining = room.status == "ended" and not room.cut and room.ended_at is not None and now - room.ended_at < DRAIN
    return room.status == "live" or draining


def over(room: Seen | None, now: datetime) -> bool:
    """Whether nobody may fetch the stream's files any more, whoever asks: off air, and players have finished."""
    return room is None or (room.status != "live" and (room.ended_at is None or now - room.ended_at >= DRAIN))
