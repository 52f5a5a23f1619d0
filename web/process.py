"""The server as a process: its lock, its loops, its children, and how it ends."""

from __future__ import annotations

import atexit
import contextlib
import errno
import fcntl
import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from kernel.config import Settings
from kernel.errors import SettingError, Unavailable
from web.front import behind_proxies
from web.logs import configure

if TYPE_CHECKING:
    from flask import Flask

    from engines.sql import AnyDatabase
    from kernel.ports import Encoder
    from web.engines import Engines
    from web.services import Services

log = logging.getLogger("offshelf")


class FolderInUse(SettingError):
    """Another process has the data folder."""


PLACING = ".restore-in-place"
"""A folder of this name is there while a restore puts its files in place; what lies around it is not whole."""


@contextlib.contextmanager
def data_folder(settings: Settings, alone: bool = False, restoring: bool = False) -> Iterator[Path]:
    """Own the data folder while the block runs; where no engine is embedded it is shared with others, unless `alone`.

    Who may not have it is told who has (`FolderInUse`). A folder that an interrupted restore left is opened by a restore only.
    """
    from engines.preflight import check_folder, unusable

    if not restoring and (settings.data / PLACING).exists():
        cure = "run `offshelf restore FILE --replace` again, or set OFFSHELF_DATA to another folder"
        raise SettingError(f"The data folder {settings.data} was left by a restore that was interrupted; {cure}.")
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        opened_lock = (settings.data / "lock").open("a+")
    except OSError as error:
        raise unusable(settings.data, error) from None
    shared = not settings.embedded and not alone
    with opened_lock as lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            raise FolderInUse(_taken(settings, _holders(lock))) from None
        check_folder(settings.data)
        names = [*(_holders(lock) if shared else ()), str(os.getpid())]
        lock.truncate(0)
        lock.write(" ".join(names))
        lock.flush()
        yield settings.data


def _holders(lock: TextIO) -> list[str]:
    """Who wrote themselves down and lives."""
    lock.seek(0)
    return [pid for pid in lock.read().split() if Path(f"/proc/{pid}").exists() or not Path("/proc").exists()]


def holders(settings: Settings) -> list[str]:
    """The ids of the processes that have the data folder. Leaves nothing behind."""
    try:
        lock = (settings.data / "lock").open()
    except OSError:
        return []
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return _holders(lock) or ["?"]
    return []


def _taken(settings: Settings, holders: list[str]) -> str:
    said = f"The data folder {settings.data} is in use by process {', '.join(holders) or '?'}; stop it or set OFFSHELF_DATA to another folder."
    if 0 < len(settings.embedded) < 3:  # somebody is on the way to many processes
        said += f" To share it, let {' and '.join(settings.embedded)} name a server, too."
    return said


def refuse_half(settings: Settings) -> None:
    """`SettingError` where web and jobs cannot be processes of their own, because one must own an embedded engine."""
    if names := " and ".join(settings.embedded):
        raise SettingError(
            f"{names}: embedded, so one process does everything; run `offshelf serve` with its jobs, or name a server."
        )


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises `SettingError` for a taken port or a folder in use."""
    import gevent
    from gevent.event import Event

    from web.server import Server

    configure(settings)
    stopped = Event()
    with contextlib.closing(listen(settings)) as listener, opened(settings) as app:
        for number in (signal.SIGINT, signal.SIGTERM):
            gevent.signal_handler(number, stopped.set)
        with Server(listener, app.wsgi_app) as server:
            print(f"Offshelf answers at http://{settings.host}:{server.port}/", flush=True)
            stopped.wait()
            log.info("stopping")


def hosted(settings: Settings) -> Flask:
    """The app, opened until this process ends: for a WSGI server that starts, forks and stops as it likes (`wsgi.py`)."""
    configure(settings)
    closing = contextlib.ExitStack()
    app = closing.enter_context(opened(settings))
    atexit.register(closing.close)
    os.register_at_fork(after_in_child=lambda: _orphan(app, closing))
    return app


def _orphan(app: Flask, closing: contextlib.ExitStack) -> None:
    """A fork inherits files and no thread: it must neither use nor close what its parent has open."""
    atexit.unregister(closing.close)
    app.wsgi_app = _forked  # type: ignore[method-assign]


def _forked(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("503 Service Unavailable", [("Content-Type", "text/plain; charset=utf-8")])
    return [b"Offshelf was opened before this worker was forked; let the one worker open it (no preloading).\n"]


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[Flask]:
    """The app with all that runs behind it, closed in order at the end: what `offshelf serve` and `wsgi.py` both serve.

    Raises `SettingError` for a data folder in use or a schema of another version.
    """
    with data_folder(settings), contextlib.ExitStack() as closing:
        with _quick_imports():
            app = _open(settings, closing)
        yield app


def _open(settings: Settings, closing: contextlib.ExitStack) -> Flask:
    if not settings.jobs:
        refuse_half(settings)
    engines, services = _wired(settings, closing)
    from engines.offloop import beside
    from web.app import create_app

    app = create_app(settings, engines, services)
    _add_sockets(app, services, engines, closing)
    app.wsgi_app = behind_proxies(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign,assignment]
    if settings.jobs:
        _start_worker(services, closing, patience=5)
    services.streams.resume_live()
    beside(_warm, engines.encoder)
    return app


def _wired(settings: Settings, closing: contextlib.ExitStack) -> tuple[Engines, Services]:
    from engines.preflight import check_database, check_kv

    check_kv(settings.kv_url)
    check_database(settings.sql_url)
    from web.app import build_services, open_engines  # from here on it takes its time
    from web.migrate import ensure_current

    ensure_current(settings.sql_url)
    engines = open_engines(settings)
    closing.callback(engines.close)
    return engines, build_services(settings, engines)


def work(settings: Settings) -> None:
    """Run jobs, and streams that nobody runs, until SIGINT or SIGTERM; what is at hand then is finished."""
    import gevent
    from gevent.event import Event

    configure(settings)
    refuse_half(settings)
    stopped = Event()
    with data_folder(settings), contextlib.ExitStack() as closing:
        with _quick_imports():
            _, services = _wired(settings, closing)
        from web.ticks import each_second

        _start_worker(services, closing, patience=None)
        services.streams.resume_live()
        closing.callback(gevent.spawn(each_second, services.streams.watch).kill)
        for number in (signal.SIGINT, signal.SIGTERM):
            gevent.signal_handler(number, stopped.set)
        print(f"Offshelf works as {services.worker.id}", flush=True)
        stopped.wait()
        log.info("stopping")


def _warm(encoder: Encoder) -> None:
    """Open the model before somebody searches; what it cannot do, it says itself."""
    from engines.offloop import off_loop

    with contextlib.suppress(Unavailable):
        off_loop(encoder.queries, ["warm"])


@contextlib.contextmanager
def _quick_imports() -> Iterator[None]:
    """A second start is mostly imports. python-socketio loads every client library it finds, for roles that a server does
    not play, and collecting garbage among what stays for good finds none: together a quarter of the time."""
    absent = [name for name in ("valkey", "requests", "websocket") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    gc.disable()
    try:
        import socketio  # noqa: F401

        for name in absent:
            del sys.modules[name]
        yield
    finally:
        gc.freeze()
        gc.enable()


def _add_sockets(app: Flask, services: Services, engines: Engines, closing: contextlib.ExitStack) -> None:
    from gevent.monkey import is_module_patched

    if not is_module_patched("socket"):
        log.warning("HTTP only: live sockets need gevent, as in `offshelf serve` or `gunicorn -k gevent wsgi:app`")
        return
    from web.sockets import create_socketio

    closing.callback(create_socketio(app, services, engines).ticker.kill)


def _start_worker(services: Services, closing: contextlib.ExitStack, patience: float | None) -> None:
    """At the end jobs at hand are waited for, `patience` seconds or as long as they take."""
    from search import FILL

    worker = services.worker
    worker.start_repeating()
    thread = threading.Thread(target=worker.run_forever, name="jobs", daemon=True)
    thread.start()
    closing.callback(thread.join, timeout=patience)
    closing.callback(worker.stop)
    try:
        fresh = services.search.index.fresh
    except Unavailable:  # it answered a moment ago; the job waits until it does again
        fresh = False
    if not fresh:
        worker.db.write(lambda tx: tx.enqueue(FILL, {}))


def listen(settings: Settings) -> socket.socket:
    """A socket on the configured address; `SettingError` when that is taken or cannot be had."""
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


@contextlib.contextmanager
def database_beside(settings: Settings) -> Iterator[AnyDatabase]:
    """The database without the folder's lock, for what may be done beside a running server: reads and short writes."""
    from engines.sql import open_database
    from kernel.clock import SystemClock
    from web.migrate import refuse_other_schema

    refuse_other_schema(settings.sql_url)
    db = open_database(settings.sql_url, SystemClock())
    try:
        yield db
    finally:
        db.close()


def migrate_schema(settings: Settings, applied: Callable[[str], object]) -> str:
    """Bring the schema up to date, with no server on an embedded database meanwhile; the revision it has then."""
    from web.migrate import upgrade

    embedded = settings.sql_url.startswith("sqlite:")
    with data_folder(settings) if embedded else contextlib.nullcontext():
        return upgrade(settings.sql_url, applied)


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
    """Index `docs` in an index of its own on the configured engine, through the production path, and score it."""
    from engines.encoder import open_encoder
    from engines.index import own_index
    from search import evaluate

    export_encoder(settings)
    with (
        contextlib.closing(open_encoder(settings.encoder, models_folder(settings))) as encoder,
        own_index(settings.index_url, encoder.dimensions, encoder.name) as index,
    ):
        found = evaluate(docs, queries, qrels, encoder, index, progress, gains)
    return {"index": "embedded" if settings.index_url.startswith("embedded:") else "elasticsearch", **found}


def models_folder(settings: Settings) -> Path:
    """Where exported encoders lie."""
    return settings.data / "models"


def export_encoder(settings: Settings) -> None:
    """Export the configured encoder unless it is there and undamaged; in a process of its own, because it loads torch."""
    from engines.encoder import folder_of, whole

    folder = folder_of(settings.encoder, models_folder(settings))
    if settings.encoder == "hash" or whole(folder):
        return
    command = [sys.executable, "-m", "engines.encoder_export", str(folder), "--model", settings.encoder]
    if subprocess.run(command, check=False).returncode != 0:
        raise SettingError(f"OFFSHELF_ENCODER {settings.encoder} could not be exported; the lines above say why.")


def encoder_is_exported(settings: Settings) -> bool:
    """Whether the configured encoder can be opened."""
    from engines.encoder import exported, folder_of

    return settings.encoder == "hash" or exported(folder_of(settings.encoder, models_folder(settings)))
