"""The server as a process: its lock, its loops, its children, and how it ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from kernel.config import Settings
from kernel.errors import SettingError

log = logging.getLogger("offshelf")


@contextlib.contextmanager
def data_folder(settings: Settings) -> Iterator[Path]:
    """Own the data folder while the block runs; a second process is told who has it (`SettingError`)."""
    settings.data.mkdir(parents=True, exist_ok=True)
    with (settings.data / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise SettingError(
                f"The data folder {settings.data} is in use by process {lock.read().strip() or '?'}; stop it or set OFFSHELF_DATA to another folder."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield settings.data


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises `SettingError` for a taken port or a folder in use."""
    from web.logs import configure

    configure(settings.log_level)
    with data_folder(settings), contextlib.ExitStack() as closing:
        listener = _listen(settings)
        closing.callback(listener.close)
        _serve(settings, listener, closing)


def _serve(settings: Settings, listener: socket.socket, closing: contextlib.ExitStack) -> None:
    import gevent
    from gevent.event import Event

    from web.app import build_services, create_app, open_engines
    from web.migrate import ensure_current
    from web.server import Server
    from web.sockets import create_socketio

    ensure_current(settings.sql_url)
    engines = open_engines(settings)
    closing.callback(engines.close)
    services = build_services(settings, engines)
    app = create_app(settings, engines, services)
    server = Server(listener, create_socketio(app, services, engines))
    stopped = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, stopped.set)
    worker = threading.Thread(target=services.worker.run_forever, name="jobs")
    worker.start()
    server.start()
    closing.callback(worker.join, timeout=5)
    closing.callback(services.worker.stop)
    closing.callback(server.stop)
    services.worker.start_repeating()
    services.search.fill_if_lost()
    services.streams.resume_live()
    print(f"Offshelf answers at http://{settings.host}:{server.port}/", flush=True)
    stopped.wait()
    log.info("stopping")


def _listen(settings: Settings) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise SettingError(f"Port {settings.port} is taken; choose another with --port or OFFSHELF_PORT.") from None
        raise SettingError(
            f"Cannot listen on OFFSHELF_HOST {settings.host}, port {settings.port}: {error.strerror}."
        ) from None
    return listener


def serve_anew(settings: Settings) -> None:
    """Become `offshelf serve` with these settings: what loading brought into memory is gone, and gevent patches first."""
    os.environ["OFFSHELF_DEMO"] = "true"
    where = ["--host", settings.host, "--port", str(settings.port)]
    os.execv(sys.executable, [sys.executable, "-m", "web.cli", "serve", *where])


def ready_demo(settings: Settings, reset: bool, serves: bool = True) -> None:
    """See that the encoder is exported and the demo is loaded whole; an interrupted load starts over by itself.

    A taken port is said before the minutes of loading, not after.
    """
    if serves:
        _listen(settings).close()
    with data_folder(settings) as data:
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


def recount_period(settings: Settings, first: date | None, last: date | None) -> dict[str, Any]:
    """Compare the stored figures of business days with their raw events; by default the last 30 days and today."""
    from engines.offloop import off_loop
    from engines.sql import open_database
    from kernel.clock import SystemClock, business_day
    from metrics import MetricsService
    from web.migrate import ensure_current

    clock = SystemClock()
    with data_folder(settings), contextlib.ExitStack() as closing:
        ensure_current(settings.sql_url)
        db = open_database(settings.sql_url, clock)
        closing.callback(db.close)
        last = last or business_day(clock.now(), settings.zone)
        metrics = MetricsService(db, settings.zone, settings.currency, off_loop)
        return metrics.check_period(first or last - timedelta(days=30), last).model_dump(mode="json")


def evaluate_search(
    settings: Settings,
    docs: Path,
    queries: Path,
    qrels: Path,
    progress: Callable[[str, int, int], None],
    gains: Mapping[float, float] | None = None,
) -> dict[str, Any]:
    """Index `docs` in a folder of its own through the production index and query path, and score it."""
    from engines.encoder import open_encoder
    from engines.index import open_index
    from search import evaluate

    export_encoder(settings)
    encoder = open_encoder(settings.encoder, models_folder(settings))
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as closing:
        closing.callback(encoder.close)
        index = open_index("embedded://", Path(folder), encoder.dimensions, name=encoder.name)
        closing.callback(index.close)
        return evaluate(docs, queries, qrels, encoder, index, progress, gains)


def models_folder(settings: Settings) -> Path:
    """Where exported encoders lie."""
    return settings.data / "models"


def export_encoder(settings: Settings) -> None:
    """Export the configured encoder unless it is there; in a process of its own, because it loads torch."""
    from engines.encoder import exported, folder_of

    folder = folder_of(settings.encoder, models_folder(settings))
    if settings.encoder == "hash" or exported(folder):
        return
    command = [sys.executable, "-m", "engines.encoder_export", str(folder), "--model", settings.encoder]
    if subprocess.run(command, check=False).returncode != 0:
        raise SettingError(f"OFFSHELF_ENCODER {settings.encoder} could not be exported; the lines above say why.")
