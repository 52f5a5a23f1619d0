"""From the bus to the sockets of this process: every room event once and in order to each of its viewers; chat by filter.

The bus may lose or reorder (several processes number in turn), the log does not: a gap is read from the log before
anything later goes out. `emit(event, data, to, skip)` sends to a Socket.IO room or one connection.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import contextmanager
from typing import Any, Protocol

from kernel.ports import Clock
from live.log import PAGE, RoomLog

CHAT_PER_SECOND = 40  # above this a room's chat is thinned: nobody reads faster, and events must get through


class Emit(Protocol):
    def __call__(self, event: str, data: dict[str, Any], to: str, skip: Collection[str] = ()) -> None: ...


class Delivery:
    """`cursors` is the number of the last event that this process gave to the viewers of each room."""

    def __init__(self, log: RoomLog, clock: Clock, emit: Emit, enter: Callable[[str, str], None]) -> None:
        self.log = log
        self.clock = clock
        self.emit = emit
        self._enter = enter
        self._cursors: dict[str, int] = {}
        self._members: dict[str, set[str]] = defaultdict(set)
        self._walls: dict[str, set[str]] = defaultdict(set)  # account -> connections that must not hear it
        self._locks: dict[str, threading.RLock] = {}
        self._chat_window: dict[str, tuple[int, int]] = {}

    # -- who is there ---------------------------------------------------------------------------------------------

    def admit(self, sid: str, room_id: str, seq: int, wanted: Callable[[], bool]) -> None:
        """Let a connection that knows everything up to `seq` into the room: what happened since, then all that follows."""
        with self._room(room_id):
            # One read serves both: who joins may know more than this process has given to those who are here already.
            cursor = self._cursors.get(room_id, seq)
            events = self._after(room_id, min(seq, cursor))
            if not wanted():
                return
            self._cursors[room_id] = cursor
            self._send(events, room_id)
            self._cursors[room_id] = max(seq, self._cursors[room_id])
            for event in events:
                if event["seq"] > seq:
                    self.emit("room.event", event, to=sid)
            self._members[room_id].add(sid)
            self._enter(sid, channel(room_id))

    def dismiss(self, sid: str, room_id: str) -> None:
        """A connection left the room."""
        members = self._members.get(room_id)
        if members is None:
            return
        members.discard(sid)
        if not members:
            del self._members[room_id]
            self._cursors.pop(room_id, None)
            self._chat_window.pop(room_id, None)

    def members(self, room_id: str) -> set[str]:
        """The connections of this process in the room."""
        return set(self._members.get(room_id, ()))

    def rooms(self) -> list[str]:
        """Rooms with viewers in this process."""
        return list(self._members)

    def wall(self, sid: str, before: Collection[str], after: Collection[str]) -> None:
        """From now on this connection does not hear the accounts in `after`."""
        for account in before:
            self._walls[account].discard(sid)
            if not self._walls[account]:
                del self._walls[account]
        for account in after:
            self._walls[account].add(sid)

    # -- what goes out --------------------------------------------------------------------------------------------

    def event(self, room_id: str, event: dict[str, Any]) -> None:
        """A numbered event from the bus."""
        if room_id not in self._members:
            return
        with self._room(room_id):
            cursor = self._cursors.get(room_id)
            if cursor is None or event["seq"] <= cursor:
                return
            if event["seq"] == cursor + 1:
                self._send([event], room_id)
            else:
                self._fill(room_id)

    def catch_up(self) -> None:
        """Read from the log what the bus lost, for every room with viewers here."""
        watched = self.rooms()
        for room_id, head in self.log.heads(watched).items() if watched else ():
            if head > self._cursors.get(room_id, head):
                with self._room(room_id):
                    self._fill(room_id)

    def chat(self, room_id: str, event: str, data: dict[str, Any]) -> None:
        """A chat message, to everybody who is not behind a block, thinned when more come than anybody reads."""
        if room_id not in self._members or (event == "chat.message" and self._too_much(room_id)):
            return
        sender = data.get("from", {}).get("id")
        self.emit(event, data, to=channel(room_id), skip=list(self._walls.get(sender, ())))

    def _fill(self, room_id: str) -> None:
        """Read what is missing. Where the last viewer left meanwhile, no cursor stays behind to be read from later."""
        cursor = self._cursors.get(room_id)
        events = [] if cursor is None else self._after(room_id, cursor)
        if room_id in self._members:
            self._send(events, room_id)

    def _send(self, events: list[dict[str, Any]], room_id: str) -> None:
        for event in events:
            if event["seq"] > self._cursors.get(room_id, 0):
                self._cursors[room_id] = event["seq"]
                self.emit("room.event", event, to=channel(room_id))

    def _after(self, room_id: str, seq: int) -> list[dict[str, Any]]:
        found = page = self.log.events_after(room_id, seq)
        while len(page) == PAGE:
            page = self.log.events_after(room_id, page[-1]["seq"])
            found = found + page
        return found

    def _too_much(self, room_id: str) -> bool:
        second = int(self.clock.now().timestamp())
        window, count = self._chat_window.get(room_id, (second, 0))
        count = count + 1 if window == second else 1
        self._chat_window[room_id] = (second, count)
        return count > CHAT_PER_SECOND

    @contextmanager
    def _room(self, room_id: str) -> Any:
        with self._locks.setdefault(room_id, threading.RLock()):
            yield


def channel(room_id: str) -> str:
    """The Socket.IO room of a room's viewers."""
    return f"room:{room_id}"
