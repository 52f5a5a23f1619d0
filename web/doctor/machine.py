"""This machine: versions, who serves, disk, clock, and what dead processes left."""

from __future__ import annotations

import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

from engines.vitals import round_trip
from kernel.clock import SystemClock, rfc3339
from web import archive
from web.doctor.finding import Case, Finding, graded, listed, ok, problem, warning
from web.doctor.records import newest_row
from web.folder import PLACING
from web.health import LITTLE_ROOM, NO_ROOM
from web.restore import STAGED

FSYNCS = 20
SLOW_FSYNC = 20.0
"""ms from which every order waits noticeably."""
FEW_FILES, NO_FILES = 20_000, 500
SKEW, FAR = 1.0, 10.0
"""Seconds between two clocks that are worth a word, and that break leases and links."""
CHILDREN = ("valkey-server", "ffmpeg")


def versions(case: Case) -> Iterator[Finding]:
    """What runs here; what a server runs is said with the server."""
    import imageio_ffmpeg

    said = [f"Offshelf {archive.release()}", f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    said += [f"{name} {version(name)}" for name in ("tantivy", "usearch", "onnxruntime")]
    try:
        said.append(f"ffmpeg {imageio_ffmpeg.get_ffmpeg_version()}")
    except RuntimeError:
        yield ok("versions", ", ".join(said))
        yield problem("ffmpeg", "none", "Install imageio-ffmpeg's binary, or name an ffmpeg in IMAGEIO_FFMPEG_EXE.")
    else:
        yield ok("versions", ", ".join(said))


def server(case: Case) -> Iterator[Finding]:
    """Whether somebody has the data folder."""
    folder = case.settings.data
    if case.holders:
        names = f"process{'es' if len(case.holders) > 1 else ''} {', '.join(case.holders)}"
        yield ok("server", f"{names} at work on {folder}")
    elif folder.is_dir():
        yield ok("server", f"nobody serves {folder}")
    else:
        yield warning("server", f"there is no folder {folder} yet", "Start `offshelf serve`, or correct OFFSHELF_DATA.")


def disk(case: Case) -> Iterator[Finding]:
    """Room, files and the right to write."""
    folder = _existing(case.settings.data)
    facts = os.statvfs(folder)
    room = facts.f_bavail * facts.f_frsize
    files = facts.f_favail if facts.f_files else FEW_FILES
    seen = f"{room / 2**30:,.1f} GiB free"
    seen += f", {files:,} more files" if facts.f_files else ""
    cure = f"Make room on the disk of {folder} (OFFSHELF_DATA)."
    yield graded("disk", seen, cure, room < NO_ROOM or files < NO_FILES, room < LITTLE_ROOM or files < FEW_FILES)
    if facts.f_flag & os.ST_RDONLY or not os.access(folder, os.W_OK):
        yield problem(
            "disk", f"{folder} cannot be written", "Mount it for writing and give this user the right to write."
        )


def fsync(case: Case) -> Iterator[Finding]:
    """What a durable write costs on the disk of the data folder."""
    folder = case.settings.data
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return
    with tempfile.TemporaryFile(dir=folder) as file:

        def write() -> None:
            os.write(file.fileno(), bytes(4096))
            os.fsync(file.fileno())

        took = round_trip(write, FSYNCS)
    cure = "Put OFFSHELF_DATA on a disk that answers sooner: every group of orders waits for one of these."
    yield graded("fsync", f"{took:.2f} ms (median of {FSYNCS})", cure, False, took > SLOW_FSYNC)


def clock(case: Case) -> Iterator[Finding]:
    """This machine's clock against the engines' and against what was written already."""
    now, zone = SystemClock().now(), case.settings.zone
    seen = [f"{rfc3339(now)}, {now.astimezone(zone):%H:%M} in {zone.key}"]
    seen += [f"{name} {ahead:+.2f} s" for name, ahead in case.ahead.items()]
    apart = max(map(abs, case.ahead.values()), default=0.0)
    cure = "Let NTP set the clocks of all machines: leases and expiries compare them."
    yield graded("clock", ", ".join(seen), cure, apart > FAR, apart > SKEW)
    newest = newest_row(case)
    if newest and newest > now + timedelta(seconds=SKEW):
        back = (newest - now).total_seconds()
        cure = "Set the clock right, with NTP; until then new rows sort before old ones."
        yield problem("clock", f"{back:,.0f} s behind the newest row ({rfc3339(newest)})", cure)


def processes(case: Case) -> Iterator[Finding]:
    """Valkey and ffmpeg of this folder whose server is gone. They die with it; one that did not holds its memory."""
    if not Path("/proc/self/cwd").exists():
        return
    ours = dict(_children_of(case.settings.data))
    stray = [f"{name} {pid}" for pid, name in ours.items() if not {*case.holders} & {*_ancestors(pid)}]
    if stray:
        yield problem(
            "processes",
            f"left by a dead server: {listed(stray)}",
            f"End them: kill {' '.join(s.split()[-1] for s in stray)}",
        )
    else:
        yield ok("processes", f"{len(ours)} beside the server")


def left_over(case: Case) -> Iterator[Finding]:
    """Files of starts, uploads and restores that were killed."""
    folder = case.settings.data
    if (folder / PLACING).exists():
        cure = "Run `offshelf restore FILE --replace` again; until then no server starts here."
        yield problem("left over", "a restore was interrupted while it put its files in place", cure)
    old = time.time() - 60  # a start that is just under way cleans up after itself
    names = [path for pattern in (".probe-*", STAGED, ".secret-*") for path in folder.glob(pattern)]
    stale = [path.name for path in names if path.exists() and path.stat().st_mtime < old]
    if stale:
        yield warning("left over", f"of what was killed: {listed(stale)}", f"Remove them from {folder}.")


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _children_of(folder: Path) -> Iterator[tuple[int, str]]:
    """Valkey and ffmpeg at work below the folder."""
    places = (str(folder / "kv"), str(folder / "live"))
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            home, program = os.readlink(entry / "cwd"), Path(os.readlink(entry / "exe")).name
        except OSError:  # somebody else's, or gone meanwhile
            continue
        if home.startswith(places) and program.startswith(CHILDREN):
            yield int(entry.name), program


def _ancestors(pid: int) -> Iterator[str]:
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return
        yield str(pid)
