"""The demo's data: loaded once, whole or from the beginning, and in a process of its own before this one serves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

from engines.children import GUARD
from kernel.config import Settings
from kernel.errors import SettingError
from web.process import data_folder, encoder_is_exported, export_encoder, listen


def load_first(settings: Settings, reset: bool) -> None:
    """Load the demo unless it is there, in a child: what loading brings into memory ends with it. Exits as a failed one does.

    A taken port is said before the minutes of loading, not after. The child dies with this process, `kill -9` included.
    """
    listen(settings).close()
    loading, loaded = settings.data / "demo.loading", settings.data / "demo.loaded"
    if loaded.exists() and not loading.exists() and not reset and encoder_is_exported(settings):
        return
    verb = ["-m", "web.cli", "demo", "--load-only", *(["--reset"] if reset else [])]
    guarded = [sys.executable, "-I", "-S", str(GUARD), "die", str(os.getpid()), sys.executable, *verb]
    if code := _wait_for(guarded):
        sys.exit(code if code > 0 else 128 - code)


def _wait_for(command: list[str]) -> int:
    """Its exit code. Whoever stops this process stops that one: by one interrupt, after which it closes what it opened.

    The handlers come first: a signal that this process ignores, as one does that a script put into the background, would be
    ignored by the child too.
    """
    asked = threading.Event()
    children: list[subprocess.Popen[bytes]] = []

    def stop(*_: object) -> None:
        asked.set()
        for child in children:
            child.send_signal(signal.SIGINT)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with subprocess.Popen(command, start_new_session=True) as child:
            children.append(child)
            if asked.is_set():
                stop()
            return child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def load_demo(settings: Settings, reset: bool) -> None:
    """See that the encoder is exported and the demo is loaded whole; an interrupted load starts over by itself."""
    with data_folder(settings, alone=True) as data:
        loading, loaded = data / "demo.loading", data / "demo.loaded"
        if not loading.exists() and not loaded.exists() and (data / "offshelf.db").exists():
            raise SettingError(
                f"OFFSHELF_DATA {data} holds data that is not the demo's; name another folder for the demo."
            )
        begins_anew = reset or loading.exists()
        if begins_anew and settings.database_url.startswith("postgresql://"):
            raise SettingError(
                "OFFSHELF_DATABASE_URL: empty this database yourself; the demo deletes only its own folder."
            )
        if begins_anew or not loaded.exists():
            loading.touch()
            _wipe(data)
            export_encoder(settings)
            _load(settings)
            loaded.touch()
            loading.unlink()
        else:
            export_encoder(settings)


def _load(settings: Settings) -> None:
    from demo.load import load
    from web.migrate import upgrade

    upgrade(settings.sql_url)
    load(settings)


def _wipe(data: Path) -> None:
    """Delete what a load makes; the exported encoder, the lock and anything foreign stay."""
    for name in ("media", "index", "live", "kv"):
        shutil.rmtree(data / name, ignore_errors=True)
    for pattern in ("offshelf.db*", "payments.db*", "demo.loaded"):
        for path in data.glob(pattern):
            path.unlink()
