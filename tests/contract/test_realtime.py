"""What every bus promises (`kernel.ports.Realtime`), run against each engine."""

from __future__ import annotations

import json
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis

from engines.kv import open_kv
from engines.realtime import SILENCE, InProcessRealtime, RedisRealtime, open_realtime
from kernel.ports import Realtime
from tests.conftest import on, require
from tests.contract.test_kv import REDIS_URL, eventually, url_of

pytestmark = pytest.mark.engine("redis-bus")
Heard = list[tuple[str, str, dict[str, Any]]]
Opener = Callable[[], Realtime]


@pytest.fixture(params=[on("in-process-bus"), on("redis-bus"), on("redis-tls-bus")])
def opener(request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Each call is another process's end of one bus; in process there is only one end."""
    channel, opened = f"test:{secrets.token_hex(6)}", []
    url = "embedded://" if request.param == "in-process-bus" else url_of(request.param, request)

    def another() -> Realtime:
        if request.param == "in-process-bus":
            opened[:] = opened or [InProcessRealtime()]
        else:
            opened.append(open_realtime(url, channel))
        return opened[-1]

    yield another
    for bus in opened:
        bus.close()


def ear(bus: Realtime) -> Heard:
    heard: Heard = []
    bus.subscribe(lambda *item: heard.append(item))
    return heard


def test_every_process_hears_everything_of_a_publisher_in_order(opener: Opener) -> None:
    here, there = opener(), opener()
    mine, theirs = ear(here), ear(there)
    said = [("room:1", "room.event", {"seq": number, "text": "你好"}) for number in range(200)]
    for item in said:
        here.publish(*item)
    assert eventually(lambda: len(mine) == len(theirs) == 200)
    assert mine == theirs == said


def test_two_databases_of_one_redis_are_two_buses() -> None:
    require("redis", bool(REDIS_URL), "OFFSHELF_TEST_REDIS_URL names no Redis")
    parts, channel = urlsplit(REDIS_URL), f"test:{secrets.token_hex(6)}"
    ends = [open_realtime(urlunsplit(parts._replace(path=f"/{number}")), channel) for number in (0, 1, 1)]
    try:
        zero, one = ear(ends[0]), ear(ends[1])
        ends[0].publish("t", "said", {"n": 0})
        ends[2].publish("t", "said", {"n": 1})
        assert eventually(lambda: bool(zero and one))
        assert (zero, one) == ([("t", "said", {"n": 0})], [("t", "said", {"n": 1})])
    finally:
        for end in ends:
            end.close()


def test_who_only_publishes_is_heard_and_hears_nothing(opener: Opener) -> None:
    speaker, listener = opener(), opener()
    heard = ear(listener)
    speaker.publish("account:1", "order.changed", {"order": "ord_1"})
    assert eventually(lambda: len(heard) == 1)
    assert not speaker.degraded
    assert not listener.degraded


def test_a_subscriber_that_fails_harms_nobody(opener: Opener) -> None:
    bus = opener()

    def broken(topic: str, event: str, data: dict[str, Any]) -> None:
        raise RuntimeError("broken")

    bus.subscribe(broken)
    heard = ear(bus)
    bus.publish("room:1", "a", {})
    bus.publish("room:1", "b", {})
    assert eventually(lambda: [event for _, event, _ in heard] == ["a", "b"])


def test_a_closed_bus_is_silent(opener: Opener) -> None:
    bus = opener()
    heard = ear(bus)
    bus.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engines.realtime.log.warning", lambda *args: None)
        bus.publish("room:1", "late", {})
    assert heard == []


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[tuple[RedisRealtime, RedisRealtime, Callable[[], None]]]:
    """Two ends of a bus on a private Valkey, and how to kill that; it is started again by itself."""
    kv = open_kv("embedded://", tmp_path)
    path = str(tmp_path / "valkey.sock")
    ends = [RedisRealtime(redis.Redis(unix_socket_path=path)) for _ in range(2)]

    def kill() -> None:
        assert kv.server is not None
        os.kill(kv.server.child.pid, signal.SIGKILL)

    yield ends[0], ends[1], kill
    for end in ends:
        end.close()
    kv.close()


def test_a_bus_that_comes_back_is_heard_again(
    killable: tuple[RedisRealtime, RedisRealtime, Callable[[], None]], caplog: pytest.LogCaptureFixture
) -> None:
    here, there, kill = killable
    mine, theirs = ear(here), ear(there)
    kill()

    def heard_by_both() -> bool:
        here.publish("room:1", "after", {})
        return bool(mine and theirs)

    assert eventually(heard_by_both, 15)
    assert not here.degraded
    assert not there.degraded


def test_without_redis_a_process_still_hears_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bus = RedisRealtime(redis.Redis(unix_socket_path=str(tmp_path / "nobody.sock")))
    bus._heard.wait = lambda timeout=None: False  # type: ignore[method-assign]
    heard = ear(bus)
    bus.publish("room:1", "a", {})
    assert heard == [("room:1", "a", {})]
    assert bus.degraded
    bus.close()


def test_what_comes_twice_is_heard_once_and_rubbish_stops_nobody() -> None:
    """A client repeats a publish whose answer got lost; another version's process may send what this one cannot read."""
    require("redis", bool(REDIS_URL), "OFFSHELF_TEST_REDIS_URL names no Redis")
    channel = f"test:{secrets.token_hex(6)}"
    bus = open_realtime(REDIS_URL, channel)
    heard, client = ear(bus), redis.Redis.from_url(REDIS_URL)
    said = json.dumps(["room:1", "chat.message", {"text": "once"}, "a-name"])
    full = f"{channel}:{urlsplit(REDIS_URL).path.strip('/') or 0}"
    for message in (
        said,
        said,
        "hello",
        "[1]",
        "7",
        json.dumps(["room:1", "chat.message", {"text": "then"}, "b-name"]),
    ):
        assert client.publish(full, message) == 1
    assert eventually(lambda: [data["text"] for _, _, data in heard] == ["once", "then"])
    assert not bus.degraded
    client.close()
    bus.close()


def test_a_slow_subscriber_is_no_silence(caplog: pytest.LogCaptureFixture) -> None:
    """It was: the listener connected anew, and lost what was said meanwhile."""
    require("redis", bool(REDIS_URL), "OFFSHELF_TEST_REDIS_URL names no Redis")
    here, there = (open_realtime(REDIS_URL, f"test:{os.getpid()}") for _ in range(2))
    heard: list[str] = []

    def slowly(topic: str, event: str, data: dict[str, Any]) -> None:
        if not heard:
            time.sleep(SILENCE + 0.3)
        heard.append(event)

    there.subscribe(slowly)
    here.publish("room:1", "first", {})
    here.publish("room:1", "second", {})
    assert eventually(lambda: heard == ["first", "second"])
    here.publish("room:1", "third", {})
    assert eventually(lambda: heard[2:] == ["third"])
    assert "the bus does not answer" not in caplog.text
    here.close()
    there.close()
