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
from web.archive import DATABASE
from web.errands import encoder_is_exported, export_encoder
from web.folder import data_folder
from web.migrate import inhabited
from web.process import listen


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
        begun = next((mark for mark in (loading, loaded) if mark.exists()), None)
        if begun == loaded and not reset:
            return export_encoder(settings)
        if begun and settings.database_url.startswith("postgresql://"):
            raise SettingError(
                "OFFSHELF_DATABASE_URL: empty this database yourself; the demo deletes only its own folder."
            )
        own = _database_of(begun) if begun else None
        _refuse_a_community(settings, own)
        loading.write_text(_mark(settings))
        # A database that was the demo's, and that the settings name no more, may be lived in.
        _wipe(data, own if own in (settings.sql_url, _inside(data)) else None)
        export_encoder(settings)
        _load(settings)
        loaded.write_text(_mark(settings))
        loading.unlink()


def _mark(settings: Settings) -> str:
    """What tells a later load which database is the demo's; nothing of a server's URL, which may hold a password."""
    if not settings.sql_url.startswith("sqlite:"):
        return "postgresql:"
    return "" if settings.sql_url == _inside(settings.data) else settings.sql_url


def _database_of(mark: Path) -> str:
    """The URL of the database that the demo was, or was being, loaded into; the mark names it where it is not the folder's."""
    return mark.read_text().strip() or _inside(mark.parent)


def _inside(data: Path) -> str:
    return f"sqlite:///{data / DATABASE}"


def _refuse_a_community(settings: Settings, own: str | None) -> None:
    """What nobody loaded as a demo is somebody's: their rows, wherever the database is, and their pictures."""
    data = settings.data
    theirs = (data / DATABASE).exists() and own != _inside(data)
    if theirs or (own is None and any(path.is_file() for path in (data / "media").rglob("*"))):
        raise SettingError(f"OFFSHELF_DATA {data} holds data that is not the demo's; name another folder for the demo.")
    if own != settings.sql_url and inhabited(settings.sql_url):
        raise SettingError(
            "OFFSHELF_DATABASE_URL names a database that has accounts, not the demo's; name another one."
        )


def _load(settings: Settings) -> None:
    from demo.load import load
    from web.migrate import upgrade

    upgrade(settings.sql_url)
    load(settings)


def _wipe(data: Path, own: str | None) -> None:
    """Delete what a load makes, its database wherever it is; the exported encoder, the lock and anything foreign stay."""
    for name in ("media", "index", "live", "kv"):
        shutil.rmtree(data / name, ignore_errors=True)
    for database in (data / "payments.db", *([Path(own.removeprefix("sqlite:///"))] if own else [])):
        for suffix in ("", "-wal", "-shm", "-journal"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
    (data / "demo.loaded").unlink(missing_ok=True)
