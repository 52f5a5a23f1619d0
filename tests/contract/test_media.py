"""What a media server promises players and rooms, on real ffmpeg."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import imageio_ffmpeg
import pytest
from PIL import Image

from engines import hls
from engines.media import FfmpegMedia
from kernel.clock import SystemClock
from kernel.errors import Invalid
from kernel.ports import Ingest

pytestmark = pytest.mark.engine("ffmpeg")
ROOT = Path(__file__).parents[2]
FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


@pytest.fixture
def media(tmp_path: Path) -> Iterator[FfmpegMedia]:
    server = FfmpegMedia(tmp_path, SystemClock(), window=3)
    yield server
    server.close()


def playlist(media: FfmpegMedia, stream_id: str = "room_1") -> hls.Playlist:
    path = media.file(stream_id, "index.m3u8")
    assert path is not None
    found = hls.read(path)
    assert found is not None
    return found


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    return held


def ffmpeg(*arguments: str) -> str:
    command = [FFMPEG, "-nostdin", "-y", "-loglevel", "error", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def frames(segment: Path) -> Counter[str]:
    """Decoded frames per stream of a segment, by ffmpeg's own count: stream 0 is the picture, 1 the sound."""
    printed = ffmpeg("-i", str(segment), "-map", "0:v", "-map", "0:a", "-f", "framecrc", "-")
    return Counter(line.partition(",")[0] for line in printed.splitlines() if not line.startswith("#"))


def test_test_broadcast_plays(media: FfmpegMedia) -> None:
    before = datetime.now(UTC)
    stream = media.start("room_1")
    assert media.ready("room_1"), (stream.folder / "ffmpeg.log").read_text()
    assert before <= stream.started_at <= datetime.now(UTC)
    assert media.start("room_1") == stream

    text = (stream.folder / "index.m3u8").read_text()
    assert "#EXT-X-INDEPENDENT-SEGMENTS" in text
    assert "#EXT-X-TARGETDURATION:1\n" in text
    assert "#EXT-X-ENDLIST" not in text
    assert "#EXT-X-DISCONTINUITY" not in text
    assert text.count("#EXT-X-PROGRAM-DATE-TIME") == text.count("#EXTINF:1.000")

    segment = media.file("room_1", playlist(media).segments[0])
    assert segment is not None
    counted = frames(segment)
    assert counted["0"] == 12
    assert counted["1"] >= 40
    edge = media.media_at("room_1")
    assert edge is not None
    assert abs(edge - datetime.now(UTC)) < timedelta(seconds=3)
    assert (stream.folder / "ffmpeg.log").read_text() == ""


def test_window_rolls_and_never_names_a_missing_segment(media: FfmpegMedia) -> None:
    folder = media.start("room_1").folder
    assert media.ready("room_1")
    first = playlist(media)

    def rolled() -> bool:
        now = playlist(media)
        assert len(now.segments) <= 3
        assert all(media.file("room_1", name) for name in now.segments)
        return not (folder / first.segments[0]).exists()

    assert eventually(rolled)
    assert playlist(media).sequence > first.sequence
    edge = media.media_at("room_1")
    assert edge is not None
    assert first.edge is not None
    assert edge > first.edge
    assert abs(edge - datetime.now(UTC)) < timedelta(seconds=3)


def test_stopped_stream_says_so_and_the_next_broadcast_begins_anew(media: FfmpegMedia) -> None:
    media.start("room_1")
    assert media.ready("room_1")
    media.stop("room_1")
    media.stop("room_1")
    ended = playlist(media)
    assert ended.ended
    assert media.file("room_1", ended.segments[-1])
    assert media.media_at("room_1") is None
    assert not media.running("room_1")

    media.start("room_1")
    assert media.ready("room_1")
    again = playlist(media)
    assert not again.ended
    assert again.sequence >= ended.next_sequence
    assert not set(again.segments) & set(ended.segments)


def test_ffmpeg_that_dies_is_started_again_with_a_discontinuity(media: FfmpegMedia) -> None:
    folder = media.start("room_1").folder
    assert media.ready("room_1")
    before = playlist(media)
    os.kill(media.children()["room_1"], signal.SIGKILL)
    assert eventually(lambda: playlist(media).next_sequence > before.next_sequence)
    text = (folder / "index.m3u8").read_text()
    assert text.count("#EXT-X-DISCONTINUITY\n") == 1
    assert playlist(media).sequence >= before.sequence
    assert media.running("room_1")
    assert media.media_at("room_1")


def test_broadcast_that_was_on_goes_on_after_a_restart_of_the_server(media: FfmpegMedia, tmp_path: Path) -> None:
    folder = media.start("room_1").folder
    assert media.ready("room_1")
    media.close()
    before = playlist(media)
    assert not before.ended
    (folder / "seg-1.ts").write_bytes(b"left behind")

    after_restart = FfmpegMedia(tmp_path, SystemClock())
    try:
        after_restart.start("room_1")
        assert after_restart.ready("room_1")
        after = playlist(after_restart)
        assert after.sequence == before.sequence
        assert after.segments[: len(before.segments)] == before.segments
        assert after.next_sequence > before.next_sequence
        assert (folder / "index.m3u8").read_text().count("#EXT-X-DISCONTINUITY\n") == 1
        assert not (folder / "seg-1.ts").exists()
        assert frames(folder / after.segments[-1])["0"] > 0
    finally:
        after_restart.close()


def test_room_that_ended_while_the_server_was_down_can_be_closed(media: FfmpegMedia, tmp_path: Path) -> None:
    media.start("room_1")
    assert media.ready("room_1")
    media.close()
    after_restart = FfmpegMedia(tmp_path, SystemClock())
    after_restart.stop("room_1")
    after_restart.stop("room_never")
    assert playlist(after_restart).ended


def test_what_is_over_can_be_deleted_and_what_runs_anywhere_stays(media: FfmpegMedia, tmp_path: Path) -> None:
    elsewhere = FfmpegMedia(tmp_path, SystemClock())
    folder = media.start("room_1").folder
    assert media.ready("room_1")
    for one in (media, elsewhere):
        one.clear("room_1")
        one.clear("room_never")
        assert one.stored() == ["room_1"]
    before = playlist(media)
    media.stop("room_1")
    elsewhere.clear("room_1")
    assert (media.stored(), media.file("room_1", "index.m3u8"), list(folder.glob("seg-*"))) == ([], None, [])
    media.start("room_1")
    assert media.ready("room_1")
    assert playlist(media).sequence >= before.next_sequence


def test_poster_is_a_recent_picture(media: FfmpegMedia) -> None:
    media.start("room_1")
    assert media.poster("room_2") is None
    assert media.ready("room_1")
    poster = media.poster("room_1")
    assert poster is not None
    with Image.open(poster) as picture:
        assert (picture.format, picture.size) == ("JPEG", (540, 960))
        assert len(picture.convert("L").getcolors(1000) or []) > 20
    taken = poster.stat().st_mtime_ns
    assert media.poster("room_1") == poster
    assert poster.stat().st_mtime_ns == taken
    assert media.file("room_1", "poster.jpg") == poster


def test_file_plays_to_its_end(media: FfmpegMedia, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    picture, sound = "testsrc2=s=641x361:r=10:d=2", "sine=f=440:d=2"
    ffmpeg("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-pix_fmt", "yuv444p", "-c:a", "aac", str(film))
    folder = media.start("room_1", str(film)).folder
    assert eventually(lambda: not media.running("room_1")), (folder / "ffmpeg.log").read_text()
    shown = playlist(media)
    assert shown.ended
    assert len(shown.segments) == 2
    assert frames(folder / shown.segments[0])["0"] == 25


def push(url: str) -> int:
    """A camera: two seconds of picture and sound over SRT; ffmpeg's exit code."""
    command = [FFMPEG, "-nostdin", "-loglevel", "error", "-re"]
    command += [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=320x240:r=10:d=2",
        "-f",
        "lavfi",
        "-i",
        "sine=d=2",
        "-f",
        "mpegts",
        url,
    ]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode


def test_camera_with_the_key_is_shown_and_may_come_back_and_one_without_is_refused(
    media: FfmpegMedia, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        ingest = Ingest("127.0.0.1", holder.getsockname()[1], "the-key-of-room-1")
    address = f"srt://127.0.0.1:{ingest.port}"
    folder = media.start("room_1", ingest).folder
    assert push(f"{address}?passphrase=another-key-altogether") != 0
    assert media.running("room_1")
    assert media.media_at("room_1") is None
    assert not media.receiving("room_1")

    assert eventually(lambda: push(f"{address}?passphrase=the-key-of-room-1") == 0, 60)  # as soon as somebody listens
    assert media.ready("room_1"), (folder / "ffmpeg.log").read_text()
    first = playlist(media)
    counted = frames(folder / first.segments[0])
    assert counted["0"] > 0
    assert counted["1"] > 0

    assert eventually(lambda: push(f"{address}?passphrase=the-key-of-room-1") == 0, 60)  # and again
    assert eventually(lambda: playlist(media).next_sequence > first.next_sequence)
    assert not playlist(media).ended
    assert "#EXT-X-DISCONTINUITY\n" in (folder / "index.m3u8").read_text()
    assert eventually(lambda: not media.receiving("room_1"))
    assert media.running("room_1")
    assert "the-key" not in (folder / "ffmpeg.log").read_text() + repr(ingest)
    media.stop("room_1")
    assert playlist(media).ended


def test_source_that_never_works_is_given_up(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a film")
    media = FfmpegMedia(tmp_path, SystemClock(), restarts=1)
    folder = media.start("room_1", str(broken)).folder
    assert eventually(lambda: not media.running("room_1"))
    assert not media.ready("room_1")
    assert "Invalid data" in (folder / "ffmpeg.log").read_text()
    media.close()


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import os, signal, sys, gevent
from pathlib import Path
from engines.media import FfmpegMedia
from kernel.clock import SystemClock
media = FfmpegMedia(Path(sys.argv[1]), SystemClock())
beats = 0
def beat():
    global beats
    while True:
        gevent.sleep(0.01)
        beats += 1
heart = gevent.spawn(beat)
media.start("room_1")
assert media.ready("room_1")
assert beats > 10, beats
before, edge = media.children()["room_1"], media.media_at("room_1")
os.kill(before, signal.SIGKILL)
with gevent.Timeout(20):
    while media.media_at("room_1") is None or media.media_at("room_1") <= edge:
        gevent.sleep(0.01)
assert media.children()["room_1"] != before
assert media.poster("room_1")
media.stop("room_1")
heart.kill()
print("done")
"""


def test_greenlets_start_keep_and_stop_ffmpeg(tmp_path: Path) -> None:
    command = [sys.executable, "-c", GREENLETS, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "done\n", done.stderr
    assert (tmp_path / "room_1" / "index.m3u8").read_text().endswith("#EXT-X-ENDLIST\n")


@pytest.mark.parametrize(
    "name",
    [
        "../test-font.ttf",
        "..",
        ".",
        "",
        "ffmpeg.log",
        "index.m3u8/../ffmpeg.log",
        "/etc/passwd",
        "seg-1.ts\n",
        "seg-999.ts",
        "%2e%2e/x",
    ],
)
def test_file_gives_nothing_but_playlist_segments_and_poster(media: FfmpegMedia, tmp_path: Path, name: str) -> None:
    (tmp_path / "room_1").mkdir()
    (tmp_path / "room_1" / "ffmpeg.log").touch()
    (tmp_path / "room_1" / "index.m3u8").touch()
    (tmp_path / "room_1" / "seg-1.ts").touch()
    (tmp_path / "test-font.ttf").touch()
    assert media.file("room_1", name) is None
    assert media.file("room_1", "seg-1.ts")
    for stream_id in ("..", "", "room_1/..", "room_1/../room_1", "room_1\n", "x" * 81):
        assert media.file(stream_id, "seg-1.ts") is None


@pytest.mark.parametrize(
    ("stream_id", "source", "code"),
    [("../up", "test", "stream.id"), ("", "test", "stream.id"), ("room_1", "relative.mp4", "stream.source")]
    + [
        ("room_1", source, "stream.source")
        for source in ("/absent", "-help", "file:///etc/passwd", "http://h/x", "srt://h:9200", "rtmp://h/x", "concat:a")
    ],
)
def test_bad_id_or_source_is_refused_and_starts_nothing(
    media: FfmpegMedia, tmp_path: Path, stream_id: str, source: str, code: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        media.start(stream_id, source)
    assert refusal.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_playlist_is_read_to_its_live_edge() -> None:
    head = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:1.000,\n"
    head += "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T04:00:00.250+0000\na.ts\n"
    assert hls.parse("") == hls.Playlist()
    assert hls.parse(head + "#EXTINF:0.500,\nb.ts\n#EXT-X-ENDLIST\n") == hls.Playlist(
        7, ("a.ts", "b.ts"), datetime(2026, 11, 22, 4, 0, 1, 750_000, tzinfo=UTC), True
    )


def test_of_two_processes_one_runs_a_stream_and_both_say_how_it_stands_and_may_end_it(
    media: FfmpegMedia, tmp_path: Path
) -> None:
    other = FfmpegMedia(tmp_path, SystemClock(), window=3)
    try:
        media.start("room_1")
        other.start("room_1")
        assert other.kept("room_1")
        assert other.ready("room_1")
        assert other.receiving("room_1")
        assert other.media_at("room_1")
        assert other.poster("room_1")
        assert (len(media.children()), other.children()) == (1, {})

        before = playlist(media)
        other.stop("room_1")
        media.tend()
        assert media.children() == {}
        assert playlist(other).ended
        assert not other.kept("room_1")
        other.start("room_1")
        assert other.ready("room_1")
        assert not set(playlist(other).segments) & set(before.segments)
    finally:
        other.close()


def test_a_stream_of_a_process_that_is_gone_is_taken_up_by_another(media: FfmpegMedia, tmp_path: Path) -> None:
    media.start("room_1")
    assert media.ready("room_1")
    other = FfmpegMedia(tmp_path, SystemClock(), window=3)
    try:
        media.close()
        assert not other.kept("room_1")
        assert not other.receiving("room_1")
        before = playlist(media)
        other.start("room_1")
        assert eventually(lambda: other.receiving("room_1"))
        assert playlist(other).segments[0] in before.segments
    finally:
        other.close()
