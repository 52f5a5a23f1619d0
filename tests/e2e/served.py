"""A server in a process of its own, as `offshelf serve` starts it, and the processes below it."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
PATIENCE = 150.0


@dataclass
class Served:
    """A server over a data folder; `url` is where it answers, with a / at its end."""

    process: subprocess.Popen[str]
    url: str
    environ: dict[str, str]

    def stop(self, how: signal.Signals) -> int:
        """The exit status after a signal."""
        self.process.send_signal(how)
        with self.process:
            return self.process.wait(PATIENCE)


def environ_of(folder: Path, **settings: str) -> dict[str, str]:
    """The environment of a server over `folder`: these settings and none from outside."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OFFSHELF_")}
    ours = {"DATA": str(folder), "RATE_LIMITS": "false", "LOG_LEVEL": "ERROR", **settings}
    return kept | {f"OFFSHELF_{name}": value for name, value in ours.items()}


def start(environ: dict[str, str], log: IO[str] | None = None) -> Served:
    """Serve on a port of its own, and wait until it answers; what it logs goes to `log`."""
    command = [sys.executable, "-m", "web.cli", "serve", "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("Offshelf answers at "), line
    return Served(process, line.split()[-1], environ)


def watched(pid: int) -> dict[int, str]:
    """The processes below one: file descriptors that become readable when they end, with their names."""
    family = {}
    for child, name in _below(pid):
        with suppress(ProcessLookupError):
            family[os.pidfd_open(child)] = name
    return family


def outlived(family: dict[int, str]) -> list[str]:
    """Which of the watched are still there after a while; waits on the processes themselves, not on a clock."""
    left = []
    for watch, name in family.items():
        if not select.select([watch], [], [], PATIENCE)[0]:
            left.append(name)
        os.close(watch)
    return left


def _below(pid: int) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, _told(path).split()):
            found += [(child, _told(Path(f"/proc/{child}/cmdline"))), *_below(child)]
    return found


def _told(path: Path) -> str:
    """What the kernel tells of a thread or process; nothing of one that has ended meanwhile."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return path.read_text()
    return ""


A_TOUR = {"orders": 2, "gmv": 21_800, "gmv_paid": 12_900}
"""What one tour adds to the sums of a day, whatever the engines and however many the processes."""


def added(tour: dict[str, Any]) -> dict[str, int]:
    """What a tour that passed says it added, of the figures in `A_TOUR`."""
    changes = re.findall(r"(\w+) (\d+) -> (\d+)", tour["steps"][-1]["saw"][0])
    return {name: int(after) - int(before) for name, before, after in changes if name in A_TOUR}
