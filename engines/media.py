"""Live video through ffmpeg: one child per stream writes HLS into a folder of its own."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import imageio_ffmpeg

from engines import hls, testpicture
from engines.children import Child, Kept, spawn
from engines.hold import Hold, said
from engines.ingest import in_url
from kernel.errors import Invalid
from kernel.ports import Clock, Ingest, Stream

log = logging.getLogger(__name__)

PLAYLIST, POSTER = "index.m3u8", "poster.jpg"
HOLD, OVER = "hold", "over"
"""Files beside a playlist: who runs the stream has a lock on the one, the other asks that process to end it."""
ENDING = 5.0  # seconds within which a process that is asked to end a stream has done so
STREAM_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
SERVED = re.compile(r"index\.m3u8|poster\.jpg|seg-\d{1,18}\.ts")
POSTER_SECONDS = 10.0
FIT = "scale='2*trunc(min(720,iw)/2)':-2,fps=25"
FLAGS = "delete_segments+program_date_time+independent_segments+temp_file+omit_endlist"


@dataclass
class _Broadcast:
    """`begins` is the number of its first segment, `resumes` of the first that the present child writes."""

    stream: Stream
    source: str | Ingest
    hold: Hold
    begins: int = 0
    resumes: int = 0
    keeper: Kept | None = None


class FfmpegMedia:
    """MediaServer over ffmpeg. A playlist names the last `window` segments of `segment_seconds` each.

    A stream whose server was killed is taken up again where its playlist stops, with a discontinuity; one that was
    ended begins anew. Segment numbers never come back, so no cache serves an old one. An ffmpeg that dies is started
    again `restarts` times a minute at most; after that, and when a file has played to its end, the playlist is closed.
    One that waits for an encoder is never given up: lines break, and it is the room that says when it is over.

    Several processes may share `folder`: one of them runs a stream, all of them say how it stands, and any may start or
    stop it. When that one dies its ffmpeg and its hold go with it, and whoever starts the stream next takes it up.
    """

    def __init__(
        self, folder: Path, clock: Clock, *, segment_seconds: int = 1, window: int = 12, restarts: int = 5
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._seconds, self._window, self._restarts = segment_seconds, window, restarts
        self._broadcasts: dict[str, _Broadcast] = {}
        self._turn = threading.Lock()
        self._program = imageio_ffmpeg.get_ffmpeg_exe()

    def start(self, stream_id: str, source: str | Ingest = "test") -> Stream:
        """Begin or take up a broadcast; one that runs is left as it is. The playlist follows a moment later: `ready`.

        `source` is `test`, a file's absolute path (the operator's word, never a viewer's), or where to listen for an
        encoder, which may come and go. Raises `Invalid`.
        """
        folder = self._stream_folder(stream_id)
        _check_source(source)
        folder.mkdir(parents=True, exist_ok=True)
        self._await_end(folder)
        with self._turn:
            running = self._broadcasts.get(stream_id)
            if running and running.keeper and running.keeper.running:
                return running.stream
            stream = Stream(stream_id, folder, self._clock.now())
            hold = running.hold if running else Hold.take(folder / HOLD)
            if hold is None:  # another process runs it
                return stream
            broadcast = _Broadcast(stream, source, hold)
            self._forget_end(folder)
            broadcast.keeper = self._keep(broadcast)
            self._broadcasts[stream_id] = broadcast
            return stream

    def stop(self, stream_id: str) -> None:
        folder = self._stream_folder(stream_id)
        if not folder.is_dir():
            return
        (folder / OVER).touch()
        with self._turn:
            broadcast = self._broadcasts.pop(stream_id, None)
        if broadcast and broadcast.keeper:
            broadcast.keeper.stop()
        hold = broadcast.hold if broadcast else Hold.take(folder / HOLD)
        if hold is not None:  # else whoever runs it finds `OVER`
            self._forget_end(folder)
            hold.release()

    def stored(self) -> list[str]:
        files = {*self._folder.glob("*/seg-*"), *self._folder.glob(f"*/{PLAYLIST}")}
        return sorted({path.parent.name for path in files if STREAM_ID.fullmatch(path.parent.name)})

    def clear(self, stream_id: str) -> None:
        folder = self._stream_folder(stream_id)
        hold = Hold.take(folder / HOLD) if folder.is_dir() else None
        if hold is not None:  # the folder stays: who is about to start the stream may have opened the hold in it
            _sweep(folder, ())
            (folder / OVER).unlink(missing_ok=True)
            hold.release()

    def tend(self) -> None:
        for stream_id, broadcast in list(self._broadcasts.items()):
            if (broadcast.stream.folder / OVER).exists():
                self.stop(stream_id)

    def kept(self, stream_id: str) -> bool:
        return stream_id in self._broadcasts or said(self._stream_folder(stream_id) / HOLD) is not None

    def running(self, stream_id: str) -> bool:
        broadcast = self._broadcasts.get(stream_id)
        return bool(broadcast and broadcast.keeper and broadcast.keeper.running)

    def receiving(self, stream_id: str) -> bool:
        numbers = self._numbers(stream_id)
        playlist = hls.read(self._stream_folder(stream_id) / PLAYLIST)
        return bool(numbers and playlist and not playlist.ended and playlist.next_sequence > numbers[1])

    def children(self) -> dict[str, int]:
        """The process behind each stream that runs."""
        return {
            name: each.keeper.child.pid
            for name, each in self._broadcasts.items()
            if each.keeper and each.keeper.running
        }

    def ready(self, stream_id: str, timeout: float = 30.0) -> bool:
        """Wait until the playlist names a segment of this broadcast; False when it is over or after `timeout` s."""
        deadline = time.monotonic() + timeout
        while self._runs(stream_id) and time.monotonic() < deadline:
            numbers = self._numbers(stream_id)
            playlist = hls.read(self._stream_folder(stream_id) / PLAYLIST)
            if numbers and playlist and playlist.next_sequence > numbers[0]:
                return True
            time.sleep(0.02)
        return False

    def file(self, stream_id: str, name: str) -> Path | None:
        if not STREAM_ID.fullmatch(stream_id) or not SERVED.fullmatch(name):
            return None
        path = self._folder / stream_id / name
        return path if path.is_file() else None

    def media_at(self, stream_id: str) -> datetime | None:
        if not self.receiving(stream_id):
            return None
        playlist = hls.read(self._stream_folder(stream_id) / PLAYLIST)
        return playlist.edge if playlist else None

    def poster(self, stream_id: str) -> Path | None:
        """A JPEG of the newest segment, at most ten seconds older than it; None before the first. Takes about 0.1 s."""
        folder = self._stream_folder(stream_id)
        playlist = hls.read(folder / PLAYLIST)
        if playlist is None or not playlist.segments:
            return None
        poster, newest = folder / POSTER, folder / playlist.segments[-1]
        with suppress(FileNotFoundError):
            if newest.stat().st_mtime - poster.stat().st_mtime < POSTER_SECONDS:
                return poster
        self._take_picture(newest, poster)
        return poster if poster.is_file() else None

    def close(self) -> None:
        """Stop the children. Playlists stay open: a broadcast that was on goes on after the next start, here or elsewhere."""
        with self._turn:
            broadcasts, self._broadcasts = list(self._broadcasts.values()), {}
        for broadcast in broadcasts:
            if broadcast.keeper:
                broadcast.keeper.stop()
            broadcast.hold.release()

    def _stream_folder(self, stream_id: str) -> Path:
        if not STREAM_ID.fullmatch(stream_id):
            raise Invalid("stream.id", "A stream's id is made of letters, digits, - and _.")
        return self._folder / stream_id

    def _keep(self, broadcast: _Broadcast) -> Kept:
        folder = broadcast.stream.folder
        name = f"ffmpeg-{broadcast.stream.id}"
        return Kept(
            name,
            lambda: self._spawn(broadcast),
            lambda _: self._ended(folder),
            restarts=self._restarts,
            lasting=isinstance(broadcast.source, Ingest),
        )

    def _ended(self, folder: Path) -> None:
        hls.close(folder / PLAYLIST)

    def _await_end(self, folder: Path) -> None:
        """A broadcast that is being ended, here or in another process, is no part of the one that begins."""
        deadline = time.monotonic() + ENDING
        while (folder / OVER).exists() and said(folder / HOLD) is not None and time.monotonic() < deadline:
            time.sleep(0.02)

    def _forget_end(self, folder: Path) -> None:
        """Close what was to end; only for who has the hold."""
        if (folder / OVER).exists():
            self._ended(folder)
            (folder / OVER).unlink(missing_ok=True)

    def _numbers(self, stream_id: str) -> tuple[int, int] | None:
        """The first segment of the broadcast and of its present child, in whatever process; None when none runs."""
        broadcast = self._broadcasts.get(stream_id)
        if broadcast is not None:
            alive = broadcast.keeper is not None and broadcast.keeper.child.running
            return (broadcast.begins, broadcast.resumes) if alive else None
        told = said(self._stream_folder(stream_id) / HOLD)
        return (told[0], told[1]) if told and len(told) == 2 else None

    def _runs(self, stream_id: str) -> bool:
        return self.running(stream_id) if stream_id in self._broadcasts else self.kept(stream_id)

    def _spawn(self, broadcast: _Broadcast) -> Child:
        folder = broadcast.stream.folder
        before = hls.read(folder / PLAYLIST)
        resumed = before is not None and not before.ended and all((folder / name).is_file() for name in before.segments)
        known = before.next_sequence if before else 0
        begins = known if resumed else max(int(self._clock.now().timestamp()), known)
        broadcast.begins, broadcast.resumes = broadcast.begins or begins, begins
        broadcast.hold.say(broadcast.begins, broadcast.resumes)
        _sweep(folder, before.segments if before and resumed else ())
        command = [self._program, *_words("-hide_banner -nostdin -y -loglevel warning")]
        command += self._input(broadcast.source)
        command += self._output(before.sequence if before and resumed else begins, resumed)
        return spawn(command, output=folder / "ffmpeg.log", cwd=folder, env={**os.environ, "TZ": "UTC"})

    def _input(self, source: str | Ingest) -> list[str]:
        if isinstance(source, Ingest):
            return [*_listen(source), *_words("-map 0:v:0 -map 0:a:0?"), "-vf", FIT]
        if source == "test":
            testpicture.draw(self._folder)
            return [*_words("-filter_threads 1 -re -f lavfi -i"), testpicture.graph(), *_words("-map 0:v -map 0:a")]
        return ["-re", "-i", source, *_words("-map 0:v:0 -map 0:a:0?"), "-vf", FIT]

    def _output(self, number: int, resumed: bool) -> list[str]:
        """H.264 and AAC every browser plays; each segment begins with a key frame; names and list as in `SERVED`.

        Given the number of the first segment still listed, `append_list` reads the old list and counts on from it.
        """
        flags = f"{FLAGS}+append_list" if resumed else FLAGS
        return [
            *_words("-c:v libx264 -preset ultrafast -crf 27 -pix_fmt yuv420p -threads 1 -sc_threshold 0"),
            *_words(f"-force_key_frames expr:gte(t,n_forced*{self._seconds})"),
            *_words("-c:a aac -b:a 48k -ac 1 -ar 44100"),
            *_words(f"-f hls -hls_time {self._seconds} -hls_list_size {self._window} -hls_flags {flags}"),
            *_words(f"-hls_delete_threshold {max(1, self._window // 2)} -start_number {number}"),
            *_words(f"-hls_segment_filename seg-%d.ts {PLAYLIST}"),
        ]

    def _take_picture(self, segment: Path, poster: Path) -> None:
        new = poster.with_name(f"poster-{os.getpid()}.jpg")
        quiet = [self._program, *_words("-hide_banner -nostdin -y -loglevel error -threads 1")]
        command = [*quiet, "-i", str(segment), *_words("-frames:v 1 -q:v 5 -update 1"), str(new)]
        with suppress(subprocess.TimeoutExpired, FileNotFoundError):
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
            if done.returncode == 0:
                os.replace(new, poster)
            else:
                log.info("no poster from %s: %s", segment, done.stderr.decode(errors="replace").strip())


def _words(line: str) -> list[str]:
    return line.split()


def _listen(ingest: Ingest) -> list[str]:
    """The passphrase is an option of its own, because ffmpeg prints URLs into its log.

    The format is named: a sender must not have ffmpeg guess a playlist and open what that names.
    """
    url = f"srt://{in_url(ingest.host)}:{ingest.port}"
    return ["-mode", "listener", "-passphrase", ingest.passphrase, "-f", "mpegts", "-i", url]


def _check_source(source: str | Ingest) -> None:
    if isinstance(source, str) and source != "test" and not _is_file(source):
        raise Invalid("stream.source", "A stream comes from test, a file, or an encoder.")


def _is_file(source: str) -> bool:
    """An absolute path: the child runs in another folder."""
    return os.path.isabs(source) and os.path.isfile(source)


def _sweep(folder: Path, keep: Sequence[str]) -> None:
    """Remove what an earlier broadcast or a killed one left behind."""
    for path in folder.glob("seg-*"):
        if path.name not in keep:
            path.unlink(missing_ok=True)
    if not keep:
        for name in (PLAYLIST, f"{PLAYLIST}.tmp", POSTER):
            (folder / name).unlink(missing_ok=True)
