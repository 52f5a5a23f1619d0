"""Whether the process answers (`/healthz`), and whether it may take traffic (`/readyz`): one bounded look at each engine."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from flask import Flask, Response
from sqlalchemy import text

from engines.offloop import off_loop
from kernel.config import Settings
from kernel.errors import AppError, Unavailable
from kernel.ports import SearchIndex
from web.engines import Engines
from web.migrate import history

log = logging.getLogger("offshelf.health")
PATIENCE = 1.0
"""Seconds that an engine has to answer."""
KEPT = 1.0
"""Seconds for which an answer is given again: whoever asks without end costs the engines nothing more."""
RETRY_AFTER = "2"
LITTLE_ROOM, NO_ROOM = 512 * 2**20, 32 * 2**20
Check = Callable[[], str | None]
"""Looks at an engine: None when all is well, a code when it works less well, an exception when it does not."""


@dataclass(frozen=True)
class Found:
    """What one look at an engine found. Codes and figures only: no address, no name of a host."""

    status: str
    latency_ms: float | None = None
    code: str | None = None

    def shown(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value is not None}


class Probe:
    """Looks at one engine, at most once at a time: one that hangs holds a single thread, however often it is asked."""

    def __init__(self, name: str, check: Check) -> None:
        self.name, self.check = name, check
        self._found = Found("unavailable", code=f"{name}.timeout")
        self._looking: threading.Thread | None = None

    def begin(self) -> None:
        if self._looking is None or not self._looking.is_alive():
            self._looking = threading.Thread(target=self._look, name=f"ready-{self.name}", daemon=True)
            self._looking.start()

    def end(self, patience: float) -> Found:
        assert self._looking is not None
        self._looking.join(patience)
        return Found("unavailable", code=f"{self.name}.timeout") if self._looking.is_alive() else self._found

    def _look(self) -> None:
        begun = time.perf_counter()
        try:
            code = self.check()
        except AppError as error:
            self._found = Found("unavailable", code=error.code)
        except Exception as error:
            log.warning("%s failed its check: %s", self.name, type(error).__name__)  # its text may hold an address
            self._found = Found("unavailable", code=f"{self.name}.failed")
        else:
            took = round(1000 * (time.perf_counter() - begun), 2)
            self._found = Found("degraded" if code else "ready", took, code)


class Readiness:
    """All engines, looked at beside each other. Without the database nothing is served; without another, less is."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._probes = [Probe(name, check) for name, check in checks.items()]
        self._turn = threading.Lock()
        self._said: dict[str, Any] = {}
        self._until = 0.0

    def look(self) -> dict[str, Any]:
        """`{"status", "engines": {name: {"status", "latency_ms"?, "code"?}}}`, within about `PATIENCE` seconds."""
        with self._turn:
            if time.monotonic() >= self._until:
                self._said = self._look()
                self._until = time.monotonic() + KEPT
            return self._said

    def _look(self) -> dict[str, Any]:
        for probe in self._probes:
            probe.begin()
        deadline = time.monotonic() + PATIENCE
        found = {probe.name: probe.end(max(0.0, deadline - time.monotonic())) for probe in self._probes}
        if found["database"].status == "unavailable":
            status = "unavailable"
        else:
            status = "ready" if all(one.status == "ready" for one in found.values()) else "degraded"
        return {"status": status, "engines": {name: one.shown() for name, one in found.items()}}


def install(app: Flask, settings: Settings, engines: Engines) -> None:
    """`/healthz` and `/readyz`."""
    readiness = Readiness(checks_of(settings, engines))
    app.add_url_rule("/healthz", view_func=healthz)
    app.add_url_rule("/readyz", endpoint="readyz", view_func=lambda: _readyz(readiness))


def healthz() -> Response:
    """The process answers."""
    return Response(b'{"status":"ok"}', mimetype="application/json")


def _readyz(readiness: Readiness) -> Response:
    said = readiness.look()
    response = Response(orjson.dumps(said), mimetype="application/json", headers={"Cache-Control": "no-store"})
    if said["status"] == "unavailable":
        response.status_code = 503
        response.headers["Retry-After"] = RETRY_AFTER
    return response


def checks_of(settings: Settings, engines: Engines) -> dict[str, Check]:
    """One check per engine."""
    newest = history()[-1]
    return {
        "database": lambda: _database(engines, newest),
        "kv": lambda: engines.kv.ping(),
        "index": lambda: _index(engines.index),
        "encoder": lambda: _encoder(engines),
        "realtime": lambda: "realtime.degraded" if engines.realtime.degraded else None,
        "disk": lambda: off_loop(_disk, settings.data),
    }


def _database(engines: Engines, newest: str) -> None:
    with engines.db.read() as session:
        at = session.scalar(text("SELECT version_num FROM alembic_version"))
    if at != newest:
        raise Unavailable("database.schema", "The schema is not this version's.")


def _index(index: SearchIndex) -> str | None:
    index.count()
    return None if index.fresh else "index.filling"


def _encoder(engines: Engines) -> None:
    off_loop(engines.encoder.documents, ["ready"])  # what it knows as a query it would remember rather than encode


def _disk(folder: Path) -> str | None:
    facts = os.statvfs(folder)
    room = facts.f_bavail * facts.f_frsize
    if facts.f_flag & os.ST_RDONLY or not os.access(folder, os.W_OK):
        raise Unavailable("disk.read_only", "The data folder cannot be written.")
    if room < NO_ROOM:
        raise Unavailable("disk.full", "The data folder's disk is full.")
    return "disk.low" if room < LITTLE_ROOM else None
