"""A disk of a few megabytes that can be filled: a file system of its own, because a quota would bind the test as well."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = "64m"


class CannotMount(Exception):
    """This user or this machine may not mount."""


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a tmpfs at `folder` while the block runs. Raises CannotMount (it takes root)."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "offshelf-test", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        raise CannotMount(mounted.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)  # what a failed test left open must not keep it


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Nothing more fits while the block runs, whatever room others let go meanwhile."""
    filler, over = folder / "filler", threading.Event()
    with filler.open("wb", buffering=0) as file:
        _write_until_full(file.fileno())

        def top_up() -> None:
            while not over.wait(0.01):
                _write_until_full(file.fileno())

        thread = threading.Thread(target=top_up)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            filler.unlink()


def _write_until_full(file: int) -> None:
    for piece in (bytes(2**20), bytes(1)):
        try:
            while True:
                os.write(file, piece)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
