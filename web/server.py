"""The HTTP and websocket server: gevent's, with Nagle's algorithm off (with it every keep-alive request takes 44 ms)."""

from __future__ import annotations

import logging
import socket
from typing import Any

from flask import Flask
from flask_socketio import SocketIO
from gevent.pywsgi import WSGIHandler, WSGIServer

from web.websocket import CONNECTION

log = logging.getLogger("offshelf.server")


class _Handler(WSGIHandler):  # type: ignore[misc]
    """Lets an upgraded request say that no other request follows on its connection."""

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ[CONNECTION] = self
        return environ


class _Quick(WSGIServer):  # type: ignore[misc]
    def handle(self, sock: Any, address: Any) -> None:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().handle(sock, address)


class Server:
    """Serves the app of `socketio` on a listening socket. `start` returns at once; `stop` ends open requests after a second."""

    def __init__(self, listener: Any, socketio: SocketIO) -> None:
        self.socketio = socketio
        self._server = _Quick(listener, socketio.sockio_mw, log=None, error_log=log, handler_class=_Handler)

    @property
    def port(self) -> int:
        return int(self._server.socket.getsockname()[1]) if not self._server.started else int(self._server.server_port)

    def start(self) -> None:
        self._server.start()

    def stop(self, timeout: float = 1.0) -> None:
        if (ticker := getattr(self.socketio, "ticker", None)) is not None:
            ticker.kill()
        self._server.stop(timeout=timeout)


def serve(app: Flask, socketio: SocketIO, host: str, port: int) -> Server:
    """Start serving `app` with its sockets; port 0 takes any free one. OSError for a port that is taken."""
    server = Server((host, port), socketio)
    server.start()
    return server
