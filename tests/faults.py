"""A TCP proxy that fails on purpose: between a server and an engine, for tests and for `python -m bench.reliability`.

Threads and blocking sockets, nothing of gevent: it runs beside a server in a process of its own. What a fault does:
`cut` closes every connection and refuses new ones; `drop` keeps connections and takes new ones, but passes nothing on;
`half_close` ends what the engine says and goes on taking what it is sent; `delay` passes everything on later.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit


class Fault:
    """A proxy to `host:port` on a port of its own. `restore` ends every fault; connections that a fault spoilt are closed."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self._seconds = 0.0
        self._passing = threading.Event()
        self._passing.set()
        self._closed = False
        self._turn = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._listener: socket.socket | None = None
        self.port = self._listen(0)

    def cut(self) -> None:
        """As a server that was stopped: connections end, new ones are refused."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self._end_all()

    def drop(self) -> None:
        """As a network that swallows: everything stays open and nothing arrives."""
        self._passing.clear()

    def half_close(self) -> None:
        """As a server that died without a word: it says it will say no more, and what it is sent goes nowhere."""
        self._passing.clear()
        with self._turn:
            for near, _ in self._pairs:
                with contextlib.suppress(OSError):
                    near.shutdown(socket.SHUT_WR)

    def delay(self, seconds: float) -> None:
        """Every piece arrives so much later, in each direction."""
        self._seconds = seconds

    def restore(self) -> None:
        """As before the fault."""
        self._seconds = 0.0
        spoilt = not self._passing.is_set()
        if spoilt:
            self._end_all()
        self._passing.set()
        if self._listener is None:
            self._listen(self.port)

    def close(self) -> None:
        """The end of the proxy and of everything that goes through it."""
        self._closed = True
        self.cut()
        self._passing.set()

    # -- parts ----------------------------------------------------------------------------------------------------

    def _listen(self, port: int) -> int:
        listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return int(listener.getsockname()[1])

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        self._passing.wait()  # a connection made during a `drop` gets through after it, if anybody still waits
        try:
            far = socket.create_connection(self.target, timeout=5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        with contextlib.suppress(OSError):  # the near end may have hung up meanwhile
            self._join(near, far)

    def _join(self, near: socket.socket, far: socket.socket) -> None:
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = (near, far)
        with self._turn:
            self._pairs.add(pair)
        for source, sink in (pair, (far, near)):
            threading.Thread(target=self._pump, args=(source, sink, pair), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, pair: tuple[socket.socket, socket.socket]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._passing.wait()
                if self._seconds:
                    time.sleep(self._seconds)  # the fault itself
                sink.sendall(data)
        self._end(pair)

    def _end_all(self) -> None:
        with self._turn:
            pairs = list(self._pairs)
        for pair in pairs:
            self._end(pair)

    def _end(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with self._turn:
            self._pairs.discard(pair)
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextlib.contextmanager
def before(url: str) -> Iterator[tuple[Fault, str]]:
    """A proxy before the engine that `url` names, and the URL of the way through it."""
    parts = urlsplit(url)
    fault = Fault(
        parts.hostname or "127.0.0.1", parts.port or {"postgresql": 5432, "redis": 6379}.get(parts.scheme, 80)
    )
    user = parts.netloc.rpartition("@")[0]
    place = f"{user}@127.0.0.1:{fault.port}" if user else f"127.0.0.1:{fault.port}"
    try:
        yield fault, urlunsplit(parts._replace(netloc=place))
    finally:
        fault.close()
