"""Child processes that die with this one, kill -9 included, and are started again when they die alone.

On Linux the kernel does it (PR_SET_PDEATHSIG). It watches the parent's *thread*, so a child started from any but the
main thread is given a watchdog instead, which holds a pipe and kills the child when the pipe closes; so are children
on other systems.
A wrapper program sets this up rather than `preexec_fn`, which runs Python between fork and exec and may deadlock.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

log = logging.getLogger(__name__)

GUARD = Path(__file__).with_name("guard.py")
LOG_BYTES = 1_000_000
CANNOT_RUN = 127


class Child:
    """A running program. `pid` is the program itself, or its watchdog's when `guarded`."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: int | None) -> None:
        self._process = process
        self._pipe = pipe
        self.pid = process.pid
        self.guarded = pipe is not None

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code (negative or 128+n for signal n), or None when it still runs after `timeout` seconds."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        self._close_pipe()
        return code

    def stop(self, grace: float = 3.0) -> None:
        """Ask it to end, and make it end when it has not after `grace` seconds. Returns when it is gone."""
        if self.running:
            with suppress(ProcessLookupError):
                self._process.terminate()
        if self.wait(grace) is None:
            self.kill()
            self.wait()

    def kill(self) -> None:
        """End it at once. A watchdog must not be killed itself: closing its pipe makes it kill the program."""
        if self._pipe is not None:
            self._close_pipe()
        else:
            with suppress(ProcessLookupError):
                self._process.kill()

    def _close_pipe(self) -> None:
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            os.close(pipe)


def in_main_thread() -> bool:
    """True in the thread that lives as long as the process; right under gevent, where greenlets look like threads."""
    return threading.get_native_id() == os.getpid()


def spawn(argv: Sequence[str], *, output: Path, cwd: Path, env: Mapping[str, str] | None = None) -> Child:
    """Start the program `argv[0]` (a path) in a session of its own, so that Ctrl-C reaches this process alone.

    What it prints is appended to `output`. In a gevent process call this from the main thread.
    """
    if sys.platform == "linux" and in_main_thread():
        return Child(_popen(["die", str(os.getpid()), *argv], subprocess.DEVNULL, output, cwd, env), None)
    ours, theirs = _pipe()
    try:
        process = _popen(["watch", *argv], theirs, output, cwd, env)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return Child(process, ours)


def _pipe() -> tuple[int, int]:
    theirs, ours = os.pipe()
    return ours, theirs


def _popen(
    arguments: list[str], stdin: int, output: Path, cwd: Path, env: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-S", str(GUARD), *arguments]
    with _log_file(output) as sink:
        return subprocess.Popen(
            command, stdin=stdin, stdout=sink, stderr=sink, cwd=cwd, env=env, start_new_session=True
        )


def _log_file(output: Path) -> BinaryIO:
    with suppress(FileNotFoundError):
        if output.stat().st_size > LOG_BYTES:
            output.replace(output.with_suffix(output.suffix + ".1"))
    return output.open("ab")


class Kept:
    """A child that is started again when it dies, at most `restarts` times within `within` seconds, then given up.

    `start` makes the child, `ended(gave_up)` is called when it ended by itself with 0 or was given up. One that is
    `lasting` is started again after a 0, too, and never given up: the more it dies, the longer it waits (5 s at most).
    """

    def __init__(
        self,
        name: str,
        start: Callable[[], Child],
        ended: Callable[[bool], None] = lambda gave_up: None,
        *,
        restarts: int = 5,
        within: float = 60.0,
        lasting: bool = False,
    ) -> None:
        self._name, self._start, self._ended = name, start, ended
        self._restarts, self._within, self._lasting = restarts, within, lasting
        self._deaths: deque[float] = deque()
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        self.child = start()
        self.running = True
        self._watcher = threading.Thread(target=self._watch, name=f"keep-{name}", daemon=True)
        self._watcher.start()

    def stop(self, grace: float = 3.0) -> None:
        """End the child for good; idempotent."""
        with self._turn:
            self._stopping.set()
        self.child.stop(grace)
        if self._watcher is not threading.current_thread():
            self._watcher.join()

    def _watch(self) -> None:
        while True:
            code = self.child.wait()
            if self._stopping.is_set():
                break
            if not self._goes_on(code):
                self._finish(code)
                break
            log.log(
                logging.WARNING if code else logging.INFO, "%s ended with %s and is started again", self._name, code
            )
            self._stopping.wait(min(0.1 * 2 ** len(self._deaths), 5.0))
            if not self._again():
                break
        self.running = False

    def _finish(self, code: int | None) -> None:
        if code:
            log.error("%s ended with %s too often and is given up", self._name, code)
        try:
            self._ended(code != 0)
        finally:  # only now: whoever starts something anew must not have it ended by what is told of the old
            self.running = False

    def _goes_on(self, code: int | None) -> bool:
        if code == 0:
            return self._lasting
        return not self._spent() or self._lasting

    def _spent(self) -> bool:
        """Count a death: True when there were more than allowed within the time."""
        now = time.monotonic()
        self._deaths.append(now)
        while now - self._deaths[0] >= self._within:
            self._deaths.popleft()
        return len(self._deaths) > self._restarts

    def _again(self) -> bool:
        with self._turn:
            if self._stopping.is_set():
                return False
            try:
                self.child = self._start()
            except OSError:
                log.exception("%s cannot be started again", self._name)
                self._finish(CANNOT_RUN)
                return False
            return True
