"""Stands in front of a child so that it dies with the server. Run by path, standard library only, exits quickly.

`guard.py die PARENT PROGRAM ARGS...`  Linux: asks for SIGKILL when the parent's thread ends, becomes PROGRAM.
`guard.py watch PROGRAM ARGS...`       anywhere: runs PROGRAM, kills it when standard input, the parent's pipe, closes.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from types import FrameType

PR_SET_PDEATHSIG = 1
CANNOT_RUN = 127


def ask_for_death() -> None:
    """prctl(2): survives the exec, is cleared by fork. Elsewhere than on Linux the pipe alone has to do."""
    if sys.platform != "linux":
        return
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl refused PR_SET_PDEATHSIG: {os.strerror(ctypes.get_errno())}")


def become(argv: list[str]) -> None:
    try:
        os.execv(argv[0], argv)
    except OSError as error:
        os.write(2, f"{argv[0]} cannot be run: {error}\n".encode())
        os._exit(CANNOT_RUN)


def die(parent: int, argv: list[str]) -> None:
    ask_for_death()
    if os.getppid() != parent:  # it died before the kernel knew our wish
        return
    become(argv)


def born(argv: list[str], guard: int) -> None:
    """The grandchild, between fork and exec."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    ask_for_death()
    if os.getppid() == guard:
        become(argv)
    os._exit(CANNOT_RUN)


def watch(argv: list[str]) -> int:
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    child = 0

    def forward(number: int, frame: FrameType | None) -> None:
        if child:
            os.kill(child, number)

    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forward)
    guard = os.getpid()
    child = os.fork()
    if child == 0:
        born(argv, guard)
    return outlive(child, woken)


def outlive(child: int, woken: int) -> int:
    """Wait for the child to end or the parent to let go of the pipe; the child's exit code, 128+n for signal n."""
    while True:
        readable, _, _ = select.select([0, woken], [], [])
        if woken in readable:
            os.read(woken, 512)
            gone, status = os.waitpid(child, os.WNOHANG)
            if gone:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
        if 0 in readable and not os.read(0, 512):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return 128 + signal.SIGKILL


if __name__ == "__main__":
    if sys.argv[1] == "die":
        die(int(sys.argv[2]), sys.argv[3:])
    else:
        sys.exit(watch(sys.argv[2:]))
