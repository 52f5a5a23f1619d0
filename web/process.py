"""The server as a process: its loops, its children, and how it ends."""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from kernel.config import Settings
from kernel.errors import SettingError, Unavailable
from web.folder import RESTORED, data_folder, refuse_half
from web.front import behind_proxies
from web.logs import configure

if TYPE_CHECKING:
    from flask import Flask

    from kernel.ports import Encoder
    from web.engines import Engines
    from web.services import Services

log = logging.getLogger("offshelf")


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
        _start_worker(settings, services, closing, patience=5)
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

        _start_worker(settings, services, closing, patience=None)
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


def _start_worker(
    settings: Settings, services: Services, closing: contextlib.ExitStack, patience: float | None
) -> None:
    """At the end jobs at hand are waited for, `patience` seconds or as long as they take."""
    from search import FILL, REBUILD

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
    restored = settings.data / RESTORED
    if not fresh or restored.exists():
        worker.db.write(lambda tx: tx.enqueue(REBUILD if fresh else FILL, {}))
        restored.unlink(missing_ok=True)


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
