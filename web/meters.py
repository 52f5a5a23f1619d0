"""What Prometheus reads at `/metrics`: counted where it happens, or looked up when somebody reads, at most every few seconds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from flask import Response, abort, request
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from kernel.config import Settings
from kernel.errors import AppError
from kernel.job_desk import overdue, tally
from web.access import method_of, route_of
from web.engines import Engines
from web.services import Services

log = logging.getLogger("offshelf.meters")
KEPT = 5.0
"""Seconds for which an answer is given again."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
INDEXING = "search.index"
_FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-Ip")


class Seated(Protocol):
    """A connection and where it sits."""

    @property
    def rooms(self) -> Collection[str]: ...


class Meters:
    """The figures of one process. Every label has few values: route templates, statuses, names of jobs and frames."""

    def __init__(self, settings: Settings, engines: Engines, services: Services) -> None:
        self.connections: Mapping[str, Seated] = {}
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "offshelf_http_request_duration_seconds",
            "HTTP requests until their answer begins",
            ["method", "route", "status"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._frames = Counter(
            "offshelf_socket_frames", "Frames that sockets sent", ["kind", "result"], registry=self._registry
        )
        self._known: dict[tuple[str, str, int], Histogram] = {}
        ProcessCollector(registry=self._registry)
        self._registry.register(Looked(engines, services, self))
        self._access = settings.metrics
        self._turn = threading.Lock()
        self._said, self._until = b"", 0.0

    def request(self, environ: dict[str, Any], status: int, seconds: float) -> None:
        """Count a request."""
        key = (method_of(environ), route_of(environ), status)
        meter = self._known.get(key)
        if meter is None:
            meter = self._known[key] = self._requests.labels(*key)
        meter.observe(seconds)

    def frame(self, kind: str, result: str) -> None:
        """Count a frame of a socket."""
        self._frames.labels(kind, result).inc()

    def text(self) -> bytes:
        """All figures in Prometheus' text form."""
        with self._turn:
            if time.monotonic() >= self._until:
                self._said = generate_latest(self._registry)
                self._until = time.monotonic() + KEPT
            return self._said

    def view(self) -> Response:
        """To this machine alone, unless opened. What a proxy passes on comes from elsewhere, whoever the proxy is."""
        here = request.remote_addr in ("127.0.0.1", "::1") and not any(name in request.headers for name in _FORWARDED)
        if self._access == "off" or (self._access == "loopback" and not here):
            abort(404)
        return Response(self.text(), content_type=CONTENT_TYPE_LATEST)


class Looked(Collector):
    """What is looked up at reading: three SQL statements, and this process's own sockets. What cannot be had is left out."""

    def __init__(self, engines: Engines, services: Services, meters: Meters) -> None:
        self._engines, self._services, self._meters = engines, services, meters

    def describe(self) -> list[Any]:
        """Nothing yet: registering looks nothing up."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from self._sockets()
        for look in (self._jobs, self._people, self._index):
            try:
                yield from list(look())
            except AppError as error:
                log.warning("left out of the figures: %s", error.code)

    def _sockets(self) -> Iterator[GaugeMetricFamily]:
        seated = list(self._meters.connections.values())
        yield _gauge("offshelf_sockets_open", "Connections of sockets to this process", len(seated))
        rooms = {room for connection in seated for room in connection.rooms}
        yield _gauge("offshelf_rooms_with_viewers", "Rooms that somebody watches through this process", len(rooms))

    def _jobs(self) -> Iterator[GaugeMetricFamily]:
        now = self._engines.db.clock.now()
        with self._engines.db.read() as session:
            found, late = tally(session), overdue(session, now)
        parked = sum(one.count for one in found if one.status == "parked")
        queue = GaugeMetricFamily("offshelf_jobs", "Jobs by name and status", labels=["name", "status"])
        for one in found:
            queue.add_metric([one.name, one.status], one.count)
        yield queue
        yield _gauge("offshelf_jobs_parked", "Jobs that gave up", parked)
        yield _gauge("offshelf_jobs_lag_seconds", "Age of the oldest job that is due", _lag(late.values(), now))
        indexing = [at for name, at in late.items() if name == INDEXING]
        yield _gauge(
            "offshelf_index_lag_seconds", "Age of the oldest change that search waits for", _lag(indexing, now)
        )

    def _people(self) -> Iterator[GaugeMetricFamily]:
        for name, count in self._services.metrics.people_today().items():
            yield _gauge(f"offshelf_{name}", f"{name.upper()} of the current business day", count)

    def _index(self) -> Iterator[GaugeMetricFamily]:
        yield _gauge("offshelf_index_fresh", "1 when the search index is whole", int(self._engines.index.fresh))


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _lag(due: Iterable[datetime], now: datetime) -> float:
    """Of what nobody is at: a rebuild that runs for minutes keeps nothing waiting."""
    return max((max(0.0, (now - at).total_seconds()) for at in due), default=0.0)
