"""HLS media playlists (RFC 8216): what a live one says, and the tag that ends it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

END = "#EXT-X-ENDLIST"


@dataclass(frozen=True)
class Playlist:
    """`edge` is the programme time at the end of the last segment; None when no segment carries one."""

    sequence: int = 0
    segments: tuple[str, ...] = ()
    edge: datetime | None = None
    ended: bool = False

    @property
    def next_sequence(self) -> int:
        return self.sequence + len(self.segments)


def parse(text: str) -> Playlist:
    """Read the tags we use; an unknown line is skipped, as the RFC asks of clients."""
    sequence, ended, length = 0, False, 0.0
    edge: datetime | None = None
    segments: list[str] = []
    for line in text.splitlines():
        tag, _, value = line.partition(":")
        if tag == "#EXT-X-MEDIA-SEQUENCE":
            sequence = int(value)
        elif tag == "#EXTINF":
            length = float(value.split(",")[0])
        elif tag == "#EXT-X-PROGRAM-DATE-TIME":
            edge = datetime.fromisoformat(value)
        elif tag == END:
            ended = True
        elif line and not line.startswith("#"):
            segments.append(line)
            edge = edge + timedelta(seconds=length) if edge else None
    return Playlist(sequence, tuple(segments), edge, ended)


def read(path: Path) -> Playlist | None:
    """The playlist at `path`, or None when there is none yet. It is replaced by rename, so never half there."""
    try:
        return parse(path.read_text())
    except FileNotFoundError:
        return None


def close(path: Path) -> None:
    """Say that no segment follows; idempotent, and nothing where no playlist is."""
    playlist = read(path)
    if playlist is None or playlist.ended:
        return
    ended = path.with_suffix(".ended")
    ended.write_text(path.read_text().rstrip() + f"\n{END}\n")
    os.replace(ended, path)
