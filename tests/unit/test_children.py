"""Children die with their parent, kill -9 included, whatever thread or loop started them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engines.children import Child, Kept, spawn

ROOT = Path(__file__).parents[2]
DEADLINE = 20.0  # they would live on for ever; a busy machine may take a while to end them

BOTH = """
import sys, threading
from pathlib import Path
from engines.kv import open_kv
from engines.media import FfmpegMedia
from kernel.clock import SystemClock

def both():
    global kv, media
    folder = Path(sys.argv[1])
    kv = open_kv("embedded://", folder)
    media = FfmpegMedia(folder / "media", SystemClock())
    media.start("room")

{start}
assert media.ready("room"), (Path(sys.argv[1]) / "media/room/ffmpeg.log").read_text()
kv.ping()
print("ready", flush=True)
sys.stdin.read()
"""
IN_MAIN = "both()"
IN_A_THREAD_THAT_ENDS = "starter = threading.Thread(target=both)\nstarter.start()\nstarter.join()"
PATCHED = "from gevent import monkey\nmonkey.patch_all()\n"


def families(root: int) -> set[int]:
    """Every living descendant of `root`, from /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    found, wave = set(), {root}
    while wave := {pid for pid, parent in parents.items() if parent in wave} - found:
        found |= wave
    return found


def all_gone(pidfds: list[int], seconds: float) -> bool:
    """Wait until every process behind a pidfd has ended."""
    deadline = time.monotonic() + seconds
    waiting = set(pidfds)
    while waiting and (left := deadline - time.monotonic()) > 0:
        waiting -= set(select.select(list(waiting), [], [], left)[0])
    return not waiting


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and waits on pidfds")
@pytest.mark.parametrize(
    ("before", "start"),
    [("", IN_MAIN), ("", IN_A_THREAD_THAT_ENDS), (PATCHED, IN_MAIN)],
    ids=["main thread", "thread that ends", "gevent"],
)
def test_valkey_and_ffmpeg_die_with_a_parent_killed_by_sigkill(before: str, start: str, tmp_path: Path) -> None:
    program = before + BOTH.format(start=start)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        children = families(parent.pid)
        programs = {os.path.basename(os.readlink(f"/proc/{pid}/exe")) for pid in children}
        assert any("valkey" in name for name in programs)
        assert any("ffmpeg" in name for name in programs)
        pidfds = [os.pidfd_open(pid) for pid in children]
        assert select.select(pidfds, [], [], 0)[0] == []

        parent.kill()

        assert all_gone(pidfds, DEADLINE)
        for pidfd in pidfds:
            os.close(pidfd)
    assert (tmp_path / "valkey.log").exists()


@pytest.fixture(params=["kernel", "watchdog"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Child]]:
    """Runs a line of shell as a child, guarded by the kernel (main thread) or by a watchdog (any other)."""
    started: list[Child] = []

    def run(line: str) -> Child:
        def go() -> None:
            started.append(spawn(["/bin/sh", "-c", line], output=tmp_path / "log", cwd=tmp_path))

        if request.param == "kernel":
            go()
        else:
            thread = threading.Thread(target=go)
            thread.start()
            thread.join()
        return started[-1]

    yield run
    for child in started:
        child.stop()


def test_child_writes_to_its_log_and_reports_its_exit_code(shell: Callable[[str], Child], tmp_path: Path) -> None:
    child = shell("echo out; echo err >&2; exit 7")
    assert child.wait(10) == 7
    assert not child.running
    assert (tmp_path / "log").read_text().splitlines() == ["out", "err"]


def test_child_that_ignores_sigterm_is_killed_after_the_grace(shell: Callable[[str], Child], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ready")
    child = shell("trap '' TERM; echo > ready; while :; do read line < ready; done")
    (tmp_path / "ready").read_text()
    child.stop(grace=0.1)
    assert child.wait(0) in (-signal.SIGKILL, 128 + signal.SIGKILL)


def test_program_that_is_not_there_ends_with_127_and_says_so(tmp_path: Path) -> None:
    child = spawn([str(tmp_path / "absent")], output=tmp_path / "log", cwd=tmp_path)
    assert child.wait(10) == 127
    assert "absent cannot be run" in (tmp_path / "log").read_text()


def test_full_log_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 1_000_001)
    spawn(["/bin/sh", "-c", "echo new"], output=tmp_path / "log", cwd=tmp_path).wait(10)
    assert (tmp_path / "log").read_text() == "new\n"
    assert (tmp_path / "log.1").stat().st_size == 1_000_001


def test_kept_child_is_started_again_and_given_up_when_it_keeps_dying(tmp_path: Path) -> None:
    over, gave_up = threading.Event(), []

    def ended(gave: bool) -> None:
        gave_up.append(gave)
        over.set()

    line = ["/bin/sh", "-c", "echo started; exit 3"]
    kept = Kept("sick", lambda: spawn(line, output=tmp_path / "log", cwd=tmp_path), ended, restarts=2)
    assert over.wait(20)
    kept._watcher.join(20)
    assert gave_up == [True]
    assert not kept.running
    assert (tmp_path / "log").read_text().splitlines() == ["started"] * 3


def test_kept_child_that_ends_well_is_not_started_again(tmp_path: Path) -> None:
    gave_up = list[bool]()
    kept = Kept(
        "done", lambda: spawn(["/bin/sh", "-c", "exit 0"], output=tmp_path / "log", cwd=tmp_path), gave_up.append
    )
    kept._watcher.join(20)
    assert gave_up == [False]
    assert not kept.running


def test_kept_child_is_running_until_all_has_heard_of_its_end(tmp_path: Path) -> None:
    """A stream that began anew in between had its playlist closed by the end of the one before."""
    heard, seen, go_on = threading.Event(), [], threading.Event()

    def ended(gave: bool) -> None:
        heard.set()
        seen.append(go_on.wait(20))

    kept = Kept("done", lambda: spawn(["/bin/sh", "-c", "exit 0"], output=tmp_path / "log", cwd=tmp_path), ended)
    assert heard.wait(20)
    assert kept.running
    go_on.set()
    kept._watcher.join(20)
    assert (kept.running, seen) == (False, [True])


def test_lasting_child_that_ends_well_is_started_again(tmp_path: Path) -> None:
    third = threading.Event()
    started: list[Child] = []

    def start() -> Child:
        started.append(spawn(["/bin/sh", "-c", "exit 0"], output=tmp_path / "log", cwd=tmp_path))
        if len(started) == 3:
            third.set()
        return started[-1]

    kept = Kept("camera", start, restarts=0, lasting=True)
    assert third.wait(20)
    kept.stop()


def test_stopped_child_is_not_started_again(tmp_path: Path) -> None:
    started: list[Child] = []

    def start() -> Child:
        started.append(spawn(["/bin/sh", "-c", "read line < /dev/zero"], output=tmp_path / "log", cwd=tmp_path))
        return started[-1]

    kept = Kept("well", start)
    kept.stop()
    kept.stop()
    assert len(started) == 1
    assert not kept.running
    assert not started[0].running
