"""Steps 3, 4 and 6: a room on air, two viewers who hear the same, and one whose connection is cut."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import imageio_ffmpeg

from web.tour.checks import Failed, holds, same, until
from web.tour.client import Client, new_key
from web.tour.publishing import in_feed
from web.tour.stage import Stage
from web.tour.viewer import Viewer

STREAM_WITHIN = 30.0
PATIENCE = 15.0
TITLE = "Potting on: tour of the windowsill"


def go_live(stage: Stage) -> None:
    """A room starts; its playlist and first segment download and decode; the feed shows it as live."""
    room = stage.creator.post("rooms", {"title": TITLE})
    stage.room = room["id"]
    started = stage.creator.post(f"rooms/{stage.room}/start")
    same("the room", (started["status"], started["commercial"]), ("live", False))
    stranger = stage.stranger()
    segments = until("the playlist names a segment", lambda: _segments(stranger, started["playlist"]), STREAM_WITHIN)
    stage.saw(f"{stage.room} is live; {started['playlist']} names {len(segments)} segments")
    frames, samples, size = decode(_segment(stranger, started["playlist"], segments[0]))
    stage.saw(f"its first segment ({size:,} bytes) decodes: {frames} frames of picture, {samples:,} samples of sound")
    place, card = until("the room reaches a stranger's feed", lambda: in_feed(stranger, stage.room), PATIENCE)
    same("the card in the feed", (card["kind"], card["host"]["is_live"]), ("room", True))
    stage.saw(f"a stranger's feed shows it as a live room at position {place}")


def _segments(client: Client, playlist: str) -> list[str] | None:
    response = client.ask("GET", playlist)
    if response.status_code == 404:
        return None
    if not response.ok or not response.text.startswith("#EXTM3U"):
        raise Failed("the playlist", "200 and #EXTM3U", f"{response.status_code} {response.text[:100]}")
    return [line for line in response.text.splitlines() if line and not line.startswith("#")] or None


def _segment(client: Client, playlist: str, name: str) -> bytes:
    response = client.ask("GET", urljoin(playlist, name))
    same("the status of the segment", response.status_code, 200)
    return response.content


def decode(segment: bytes) -> tuple[int, int, int]:
    """Decode a segment with ffmpeg: how many pictures, how many samples of sound, how many bytes it had."""
    quiet = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-loglevel", "error", "-xerror"]
    with tempfile.TemporaryDirectory(prefix="offshelf-tour-") as folder:
        path = Path(folder) / "segment.ts"
        path.write_bytes(segment)
        picture = _run(
            [*quiet, "-i", str(path), *["-map", "0:v", "-vf", "scale=16:16", "-pix_fmt", "gray", "-f", "rawvideo", "-"]]
        )
        sound = _run([*quiet, "-i", str(path), *["-map", "0:a", "-ac", "1", "-f", "s16le", "-"]])
    frames, samples = len(picture) // 256, len(sound) // 2
    holds("the decoded segment", frames and samples, "picture and sound", f"{frames} frames, {samples} samples")
    return frames, samples, len(segment)


def _run(command: list[str]) -> bytes:
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    if done.returncode:
        raise Failed("ffmpeg decodes the segment", "no complaint", done.stderr.decode(errors="replace"))
    return done.stdout


def watch_together(stage: Stage) -> None:
    """Two viewers join; both get the snapshot and then every event in order; chat and a pinned product arrive."""
    ava, ben = stage.viewer(0), stage.viewer(1)
    for number, viewer in enumerate((ava, ben)):
        joined = viewer.ask("room.join", room=stage.room)
        state = joined["snapshot"]
        same(f"{viewer.who}'s snapshot", (state["status"], state["shelf"]), ("live", []))
        stage.seqs[str(number)] = joined["seq"]
    stage.saw(f"{ava.who} and {ben.who} join by websocket and get the snapshot up to event {stage.seqs['0']}")

    words = "Does the saucer leave a ring?"
    said = ava.ask("chat.send", room=stage.room, text=words, key=new_key())
    for viewer in (ava, ben):
        message = viewer.wait("chat.message", "the question", lambda m: m["id"] == said["id"])
        same("who said what", (message["from"]["handle"], message["text"]), (ava.who, words))
    stage.saw(f'{ava.who} asks "{words}"; both hear it')

    selling = stage.creator.put(f"rooms/{stage.room}/shelf", {"skus": [stage.last, stage.spare]})
    same("the label of the room", (selling["commercial"], selling["disclosure"]["kind"]), (True, "product"))
    stage.creator.put(f"rooms/{stage.room}/pin", {"sku": stage.last})
    for viewer in (ava, ben):
        shelf = viewer.event("shelf.changed", "the shelf")["data"]
        seen = ([item["sku_id"] for item in shelf["shelf"]], shelf["disclosure"]["kind"])
        same("the shelf and its label", seen, ([stage.last, stage.spare], "product"))
        pinned = viewer.event("product.pinned", "the pin")
        same("the pinned product", pinned["data"]["sku_id"], stage.last)
    stage.creator.post(f"rooms/{stage.room}/notice", {"text": "One pot is left."})
    last = [viewer.event("notice", "the notice")["seq"] for viewer in (ava, ben)]
    same("the number of the notice", last[0], last[1])
    heard = [in_order(viewer, stage.seqs[str(n)]) for n, viewer in enumerate((ava, ben))]
    stage.saw(
        f"two pots come on the shelf, one is pinned; both heard events {heard[0][0]} to {heard[0][-1]} in order, without gaps"
    )


def in_order(viewer: Viewer, after: int) -> list[int]:
    """The numbers of the events heard on this connection; `Failed` unless they follow `after` without gap or repetition."""
    numbers = [event["seq"] for event in viewer.all("room.event")]
    same(f"events that {viewer.who} heard", numbers, list(range(after + 1, after + 1 + len(numbers))))
    return numbers


def lose_the_line(stage: Stage) -> None:
    """A viewer's connection is cut; it resumes from its seq with nothing lost and nothing twice."""
    ava, ben = stage.viewer(0), stage.viewer(1)
    before = ben.all("room.event")
    known = before[-1]["seq"] if before else stage.seqs["1"]
    ben.cut()
    for sku in (stage.spare, None, stage.last):
        stage.creator.put(f"rooms/{stage.room}/pin", {"sku": sku})
    stage.creator.post(f"rooms/{stage.room}/notice", {"text": "Ben's line is down."})
    end = ava.event("notice", "the notice while the other is away", after=known)["seq"]
    missed = [event for event in ava.all("room.event") if known < event["seq"] <= end]
    stage.saw(f"the TCP connection of {ben.who} is reset at event {known}; {len(missed)} events go by")

    ben = stage.replace_viewer(1)
    joined = ben.ask("room.join", room=stage.room, after=known)
    same("what the resumed connection is given", joined["events"], missed)
    stage.seqs["1"] = joined["seq"]
    stage.creator.post(f"rooms/{stage.room}/notice", {"text": "Ben is back."})
    back = ben.event("notice", "the notice after coming back", after=end)
    ava.event("notice", "the notice", after=end)
    numbers = [known + 1 + n for n in range(len(missed))] + in_order(ben, joined["seq"])
    same("events before and after the cut", numbers, list(range(known + 1, back["seq"] + 1)))
    state = ben.ask("room.join", room=stage.room)["snapshot"]
    same("the notice in the fresh state", state["notice"], "Ben is back.")
    stage.seqs["1"] = joined["seq"]
    stage.saw(f"it resumes after {known}: events {numbers[0]} to {numbers[-1]}, none lost, none twice")


def heard_since(viewer: Viewer, seq: int, kind: str) -> list[dict[str, Any]]:
    """The events of one kind with a number above `seq`."""
    return [event for event in viewer.all("room.event") if event["seq"] > seq and event["kind"] == kind]
