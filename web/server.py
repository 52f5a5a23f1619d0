"""The HTTP and websocket server: gevent's, with Nagle's algorithm off (with it every keep-alive request takes 44 ms).

gevent reads generously what others may read otherwise, and waits for the rest of a request without end. Here a request that
says two things about its length is refused, and one that does not come is hung up on.
"""

from __future__ import annotations

import io
import logging
import re
import socket
import time
from http.client import HTTPException
from typing import Any

import gevent
from flask import Flask
from gevent.pywsgi import WSGIHandler, WSGIServer

from web.errors import unread

log = logging.getLogger("offshelf.server")
PATIENCE = 30.0
"""Seconds in which a request has to be there from its first byte on; it gets one more for every `PACE` bytes that it brings."""
PACE = 16 * 1024
_LINE = 65536  # what http.client takes
_HEADER = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*)?\r?\n").fullmatch
_DIGITS = re.compile(r"[0-9]+").fullmatch


class _Incoming(io.RawIOBase):
    """What comes in over a socket. `until` is when the request at hand has to be there; without it nobody is in a hurry."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock  # simple-websocket looks for it under this name
        self.until: float | None = None
        self.late = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.until is None:
            return int(self._sock.recv_into(buffer))
        try:
            with gevent.Timeout(max(0.0, self.until - time.monotonic()), TimeoutError("it does not come")):
                size = int(self._sock.recv_into(buffer))
        except TimeoutError:
            self.late = True  # what follows would be its rest
            raise
        self.until += size / PACE
        return size


class _Headers:
    """Header lines as they come; ValueError for one that is none (no colon, folded, a bare CR), or that never ends."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def readline(self, limit: int) -> bytes:
        line: bytes = self._reader.readline(limit)
        if not _HEADER(line) and len(line) <= _LINE:
            raise ValueError("a header line that is none")
        return line


class _Spoken(WSGIHandler):  # type: ignore[misc]
    """Refuses what is no request in the words of every other refusal; gevent's own answers have no body."""

    def __init__(self, sock: Any, address: Any, server: Any) -> None:
        self._incoming = _Incoming(sock)
        super().__init__(sock, address, server, io.BufferedReader(self._incoming))

    def handle_one_request(self) -> Any:
        if self._incoming.late or not self._begun():
            return None
        answer = super().handle_one_request()
        return (answer[0], unread(int(answer[0]))) if isinstance(answer, tuple) else answer

    def _begun(self) -> bool:
        """Wait for the first byte of the next request, for as long as it likes; False when there comes none."""
        self._incoming.until = None
        try:
            begun = not self.rfile.closed and bool(self.rfile.peek(1))
        except OSError:
            return False
        self._incoming.until = time.monotonic() + PATIENCE
        return begun

    def MessageClass(self, reader: Any, *_: Any) -> Any:
        """The headers, where they say one thing about how long the body is (RFC 9112, 6.3)."""
        headers = super().MessageClass(_Headers(reader))
        lengths, codings = headers.get_all("content-length", []), headers.get_all("transfer-encoding", [])
        if len(lengths) + len(codings) > 1:
            raise ValueError("the length of the body is told twice")
        if not all(_DIGITS(length.strip()) for length in lengths):
            raise ValueError("a length that is no number")
        if any(coding.strip().lower() != "chunked" for coding in codings):
            raise ValueError("a coding of the body that is not known")
        return headers

    def _handle_client_error(self, error: Exception) -> Any:
        """What the connection is told; nothing when it broke off or took too long. gevent prints what it did not expect."""
        log.info("no request: %s", error)
        if isinstance(error, OSError):
            return None
        return ("431" if isinstance(error, HTTPException) else "400", b"")


class _Quick(WSGIServer):  # type: ignore[misc]
    def handle(self, sock: Any, address: Any) -> None:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().handle(sock, address)


class Server:
    """Serves a WSGI app on a listening socket or address while the block runs; at its end open requests get a second."""

    def __init__(self, listener: Any, app: Any) -> None:
        self._server = _Quick(listener, app, handler_class=_Spoken, log=None, error_log=log)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(timeout=1.0)

    @property
    def port(self) -> int:
        return int(self._server.socket.getsockname()[1]) if not self._server.started else int(self._server.server_port)

    def start(self) -> None:
        self._server.start()


def serve(app: Flask, host: str, port: int) -> Server:
    """Start serving `app`; port 0 takes any free one. OSError for a port that is taken."""
    server = Server((host, port), app.wsgi_app)
    server.start()
    return server
