"""The HTTP and websocket server: gevent's, with Nagle's algorithm off (with it every keep-alive request takes 44 ms)."""

from __future__ import annotations

import logging
import socket
from typing import Any

from flask import Flask
from gevent.pywsgi import WSGIServer

log = logging.getLogger("offshelf.server")


class _Quick(WSGIServer):  # type: ignore[misc]
    def handle(self, sock: Any, address: Any) -> None:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().handle(sock, address)


class Server:
    """Serves a WSGI app on a listening socket or address while the block runs; at its end open requests get a second."""

    def __init__(self, listener: Any, app: Any) -> None:
        self._server = _Quick(listener, app, log=None, error_log=log)

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
