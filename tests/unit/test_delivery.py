"""What a bus that loses, repeats and reorders makes of a room: nothing. Every viewer gets every event once, in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from kernel.clock import FrozenClock
from live.delivery import CHAT_PER_SECOND, Delivery, channel

ROOM = "room_1"


class Log:
    """A log as long as it was grown."""

    def __init__(self) -> None:
        self.seq = 0

    def events_after(self, room_id: str, seq: int, limit: int = 500) -> list[dict[str, Any]]:
        return [{"room": room_id, "seq": number} for number in range(seq + 1, self.seq + 1)][:limit]

    def heads(self, room_ids: Collection[str]) -> dict[str, int]:
        return dict.fromkeys(room_ids, self.seq)


class Sockets:
    """What each connection got, and who is in which channel."""

    def __init__(self) -> None:
        self.channels: dict[str, set[str]] = defaultdict(set)
        self.got: dict[str, list[Any]] = defaultdict(list)

    def emit(self, event: str, data: dict[str, Any], to: str, skip: Collection[str] = ()) -> None:
        for sid in self.channels.get(to, {to}) - set(skip):
            self.got[sid].append(data["seq"] if event == "room.event" else data["n"])

    def enter(self, sid: str, room: str) -> None:
        self.channels[room].add(sid)


def started() -> tuple[Log, Sockets, Delivery, FrozenClock]:
    log, sockets, clock = Log(), Sockets(), FrozenClock(datetime(2026, 11, 22, tzinfo=UTC))
    return log, sockets, Delivery(log, clock, sockets.emit, sockets.enter), clock  # type: ignore[arg-type]


# grow the log; the bus tells of some event that is in it; a viewer joins knowing what it was told; what the bus lost is read
steps = st.lists(st.sampled_from(["grow", "hear", "join", "catch_up", "leave"]) | st.integers(0, 8), max_size=40)


@example(["join", "grow", "join"])
@given(steps)
def test_every_viewer_gets_every_event_once_and_in_order(walk: list[str | int]) -> None:
    log, sockets, delivery, _ = started()
    joined: dict[str, int] = {}
    here: list[str] = []
    for step in walk:
        if step == "grow":
            log.seq += 1
        elif step == "hear":
            delivery.event(ROOM, {"room": ROOM, "seq": log.seq})
        elif step == "join":
            sid = f"s{len(joined)}"
            joined[sid] = log.seq
            here.append(sid)
            log.seq += 1  # something happens between the snapshot and the admission
            delivery.admit(sid, ROOM, joined[sid], lambda: True)
        elif step == "catch_up":
            delivery.catch_up()
        elif step == "leave" and here:
            gone = here.pop()
            sockets.channels[channel(ROOM)].discard(gone)
            delivery.dismiss(gone, ROOM)
        elif isinstance(step, int) and 0 < step <= log.seq:
            delivery.event(ROOM, {"room": ROOM, "seq": step})  # late, or again
    delivery.catch_up()
    for sid, seq in joined.items():
        assert sockets.got[sid] == list(range(seq + 1, seq + 1 + len(sockets.got[sid])))
    for sid in here:
        assert sockets.got[sid] == list(range(joined[sid] + 1, log.seq + 1))


def test_a_viewer_who_left_before_being_admitted_is_not() -> None:
    log, sockets, delivery, _ = started()
    delivery.admit("s1", ROOM, 0, lambda: False)
    log.seq = 1
    delivery.event(ROOM, {"room": ROOM, "seq": 1})
    assert (sockets.got, delivery.rooms()) == ({}, [])


def test_chat_is_thinned_when_nobody_could_read_it_and_events_are_not() -> None:
    log, sockets, delivery, clock = started()
    delivery.admit("s1", ROOM, 0, lambda: True)
    for number in range(CHAT_PER_SECOND * 2):
        delivery.chat(ROOM, "chat.message", {"n": number, "from": {"id": "a"}})
    assert sockets.got["s1"] == list(range(CHAT_PER_SECOND))
    log.seq = 1
    delivery.event(ROOM, {"room": ROOM, "seq": 1})
    clock.advance(seconds=1)
    delivery.chat(ROOM, "chat.message", {"n": 99, "from": {"id": "a"}})
    assert sockets.got["s1"][-2:] == [1, 99]


def test_who_is_behind_a_wall_is_not_heard() -> None:
    _, sockets, delivery, _ = started()
    for sid in ("s1", "s2"):
        delivery.admit(sid, ROOM, 0, lambda: True)
    delivery.wall("s1", (), {"troll"})
    delivery.chat(ROOM, "chat.message", {"n": 1, "from": {"id": "troll"}})
    delivery.wall("s1", {"troll"}, ())
    delivery.chat(ROOM, "chat.message", {"n": 2, "from": {"id": "troll"}})
    assert (sockets.got["s1"], sockets.got["s2"]) == ([2], [1, 2])
