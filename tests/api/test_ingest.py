"""A host who sends their own picture: choice, port and key, what viewers see meanwhile, and the end of it."""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import imageio_ffmpeg
import pytest

from kernel.clock import FrozenClock
from live import state as states
from live.models import IngestRow
from tests.house import Client, House, problem
from tests.studio import events, go_live

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
WHITE = "color=white:s=320x240:r=10"
"""A picture nobody takes for the test picture."""


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    return held


def open_srt(host: Client) -> str:
    made = host.post("rooms", {"title": "From my kitchen", "stream": {"kind": "srt"}})
    assert made.status_code == 201, made.json
    return str(made.json["id"])


def on_air(host: Client) -> str:
    room = open_srt(host)
    assert host.post(f"rooms/{room}/start").status_code == 200
    return room


def send(url: str, seconds: int = 60) -> subprocess.Popen[bytes]:
    """An encoder that shows white, as OBS and phones send it: H.264 and AAC in MPEG-TS over SRT."""
    picture, sound = ["-f", "lavfi", "-i", f"{WHITE}:d={seconds}"], ["-f", "lavfi", "-i", f"sine=d={seconds}"]
    command = [FFMPEG, "-nostdin", "-loglevel", "error", "-re", *picture, *sound]
    command += ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-f", "mpegts", url]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def calling(url: str, look: Callable[[], bool]) -> Iterator[Callable[[], bool]]:
    """`send`, and what looks and calls again when nobody took the call, as OBS and phones do: who listens may only begin to."""
    encoder = send(url)

    def received() -> bool:
        nonlocal encoder
        if encoder.poll() is not None:
            encoder = send(url)
        return look()

    try:
        yield received
    finally:
        encoder.kill()
        encoder.wait()


def watched(house: House, state: str, host: Client, room: str) -> bool:
    """Look once, as the server does each second."""
    house.services.streams.watch()
    return bool(host.get(f"rooms/{room}/ingest").json["state"] == state)


def first_segment(house: House, room: str) -> Path:
    listed = house.services.streams.file(room, "index.m3u8").read_text().splitlines()
    return house.services.streams.file(room, next(line for line in listed if line.endswith(".ts")))


def brightness(segment: Path) -> float:
    """The mean of the first decoded frame, 0 to 255."""
    command = [FFMPEG, "-nostdin", "-loglevel", "error", "-i", str(segment), "-frames:v", "1"]
    command += ["-pix_fmt", "gray", "-f", "rawvideo", "-"]
    frame = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout
    return sum(frame) / len(frame)


def test_the_picture_that_the_host_sends_is_the_picture_that_viewers_get(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    host, viewer = house.as_("host"), house.device()
    room = on_air(host)
    ingest = host.get(f"rooms/{room}/ingest").json
    assert (ingest["state"], ingest["full_url"].startswith(ingest["url"] + "?")) == ("waiting", True)
    shown = viewer.get(f"rooms/{room}").json
    assert (shown["status"], shown["state"]["stream"], shown["cover"]) == ("live", "waiting", None)
    house.services.streams.watch()

    wrong = send(f"{ingest['url']}?passphrase=not-the-passphrase", 2)
    assert wrong.wait(30) != 0
    assert watched(house, "waiting", host, room)
    assert problem(viewer.get("rooms/" + room + "/ingest"))[0] == 401

    with calling(ingest["full_url"], lambda: watched(house, "receiving", host, room)) as received:
        assert eventually(received, 60)
        assert brightness(first_segment(house, room)) > 230
        shown = viewer.get(f"rooms/{room}").json
        assert (shown["state"]["stream"], shown["cover"] is None) == ("receiving", False)
    assert eventually(lambda: watched(house, "waiting", host, room), 60)
    assert host.get(f"rooms/{room}/ingest").json == ingest

    with calling(ingest["full_url"], lambda: watched(house, "receiving", host, room)) as received:
        assert eventually(received, 60)
    found = events(viewer, room)
    changed = [event["data"]["state"] for event in found if event["kind"] == "stream.changed"]
    assert changed == ["receiving", "waiting", "receiving"]
    assert states.fold(states.fresh(room), found) == viewer.get(f"rooms/{room}").json["state"]
    assert ingest["passphrase"] not in caplog.text
    for path in (house.settings.data / "live" / room).glob("ffmpeg.log*"):
        assert ingest["passphrase"] not in path.read_text()


def test_nobody_but_the_host_learns_the_key(any_house: House) -> None:
    host, viewer, moderator = any_house.as_("host"), any_house.as_("viewer"), any_house.as_("mod", "moderator")
    room = on_air(host)
    key = host.get(f"rooms/{room}/ingest").json["passphrase"]
    assert len(key) >= 20
    for other in (viewer, moderator):
        assert problem(other.get(f"rooms/{room}/ingest")) == (403, "room.not_host")
    for path in (f"rooms/{room}", f"rooms/{room}/events", "rooms", f"/rooms/{room}"):
        assert key not in viewer.get(path).get_data(as_text=True)
    assert key not in host.get(f"rooms/{room}").get_data(as_text=True)


def test_a_room_with_the_test_picture_has_no_ingest(house: House) -> None:
    host = house.as_("host")
    room = go_live(host)
    assert problem(host.get(f"rooms/{room}/ingest")) == (404, "ingest.not_found")
    shown = host.get(f"rooms/{room}").json
    assert (shown["stream"], shown["state"]["stream"]) == ({"kind": "test_picture"}, "receiving")


def test_the_stream_is_chosen_off_air(any_house: House) -> None:
    host, stranger = any_house.as_("host"), any_house.as_("stranger")
    room = go_live(host)
    choice = {"kind": "srt"}
    assert problem(host.put(f"rooms/{room}/stream", choice)) == (409, "room.already_live")
    assert problem(stranger.put(f"rooms/{room}/stream", choice)) == (403, "room.not_host")
    assert problem(host.put(f"rooms/{room}/stream", {"kind": "srt", "url": "srt://elsewhere"}))[0] == 422
    assert host.get(f"rooms/{room}").json["stream"] == {"kind": "test_picture"}
    host.post(f"rooms/{room}/end")
    assert host.put(f"rooms/{room}/stream", choice).json["stream"] == choice
    assert host.post(f"rooms/{room}/start").json["state"]["stream"] == "waiting"


def test_an_ended_room_gives_its_port_back_and_a_hidden_one_keeps_it(any_house: House) -> None:
    host = any_house.as_("host")
    room = on_air(host)
    ingest = host.get(f"rooms/{room}/ingest").json
    any_house.engines.db.write(lambda tx: any_house.services.desk.hide(tx, room))
    assert any_house.engines.streams.running(room) is False
    any_house.engines.db.write(lambda tx: any_house.services.desk.restore(tx, room))
    assert host.get(f"rooms/{room}/ingest").json == ingest
    assert any_house.engines.streams.running(room) is True
    host.post(f"rooms/{room}/end")
    assert problem(host.get(f"rooms/{room}/ingest")) == (404, "ingest.not_found")
    assert any_house.engines.streams.running(room) is False
    again = on_air(host)
    fresh = host.get(f"rooms/{again}/ingest").json
    assert (fresh["url"], fresh["passphrase"] == ingest["passphrase"]) == (ingest["url"], False)


def test_rooms_have_ports_of_their_own_until_none_is_left(build: Callable[..., House]) -> None:
    house = build(ingest_ports="9390-9391")
    hosts = [house.as_(f"host{number}") for number in range(3)]
    rooms = [on_air(host) for host in hosts[:2]]
    urls = {host.get(f"rooms/{room}/ingest").json["url"] for host, room in zip(hosts[:2], rooms, strict=True)}
    assert urls == {"srt://127.0.0.1:9390", "srt://127.0.0.1:9391"}
    third = open_srt(hosts[2])
    assert problem(hosts[2].post(f"rooms/{third}/start")) == (503, "ingest.full")
    assert hosts[2].get(f"rooms/{third}").json["status"] == "created"
    hosts[0].post(f"rooms/{rooms[0]}/end")
    assert hosts[2].post(f"rooms/{third}/start").status_code == 200


def test_a_start_that_fails_gives_the_port_back(house: House) -> None:
    host = house.as_("host")
    room = open_srt(host)
    house.engines.db.write(lambda tx: house.services.desk.hide(tx, room))
    assert problem(host.post(f"rooms/{room}/start")) == (403, "room.hidden")
    with house.engines.db.read() as session:
        assert session.get(IngestRow, room) is None
    assert house.engines.streams.running(room) is False


def test_a_restarted_server_waits_where_the_encoder_calls(build: Callable[..., House], clock: FrozenClock) -> None:
    house = build(ingest_ports="9395-9399")
    host = house.as_("host")
    room = on_air(host)
    before = host.get(f"rooms/{room}/ingest").json
    house.engines.streams.close()
    assert house.services.streams.resume_live() == [room]
    assert house.engines.streams.running(room)
    assert host.get(f"rooms/{room}/ingest").json == before
