"""A real Socket.IO client on the websocket transport, which keeps what it heard in the order in which it came."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import engineio
import socketio
from socketio.exceptions import SocketIOError

from web.tour.checks import Failed

NAMESPACE = "/live"
PATIENCE = 10.0
OUT = ("room.event", "chat.message", "order.changed", "presence", "room.gone")
GOODBYE = "1"  # what a message that ends a namespace begins with (Socket.IO 5)


class _Reader(engineio.Client):  # type: ignore[misc]
    """Hands on one message after the other. The library starts a thread for each, and on a busy machine one overtakes another.

    Only a goodbye, which nothing follows, keeps its thread: it waits for this one to end.
    """

    def _trigger_event(self, event: str, *what: Any, run_async: bool = False, **how: Any) -> Any:
        last = event == "message" and str(what[0]).startswith(GOODBYE)
        return super()._trigger_event(event, *what, run_async=run_async and last, **how)


class _Client(socketio.Client):  # type: ignore[misc]
    def _engineio_client_class(self) -> type[_Reader]:
        return _Reader


class Viewer:
    """One connection of one person. `heard` holds (event, data); `who` names it when something is wrong.

    `headers` go with the handshake, as a browser's cookies do.
    """

    def __init__(
        self, url: str, who: str, token: str, headers: Mapping[str, str] | None = None, transport: str = "websocket"
    ) -> None:
        self.who = who
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self._news = threading.Condition()
        self._gone = threading.Event()
        self._client = _Client(reconnection=False, handle_sigint=False)
        for name in OUT:
            self._client.on(name, self._hearing(name), namespace=NAMESPACE)
        self._client.on("disconnect", self._leaving, namespace=NAMESPACE)
        try:
            self._client.connect(
                url,
                headers=dict(headers or {}),
                namespaces=[NAMESPACE],
                transports=[transport],
                auth={"token": token},
                wait_timeout=PATIENCE,
            )
        except SocketIOError as error:
            raise Failed(f"{who} connects by websocket", "a connection", error) from None

    # -- saying ---------------------------------------------------------------------------------------------------

    def ask(self, event: str, **body: Any) -> dict[str, Any]:
        """Send a frame; its ack without `ok`. A refusal is a failure of the step."""
        try:
            ack = self._client.call(event, body, namespace=NAMESPACE, timeout=PATIENCE)
        except SocketIOError as error:
            raise Failed(f"{self.who}: {event}", f"an ack within {PATIENCE:g} s", repr(error)) from None
        if not isinstance(ack, dict) or ack.get("ok") is not True:
            raise Failed(f"{self.who}: {event}", "an ack with ok", ack)
        return {name: value for name, value in ack.items() if name != "ok"}

    # -- hearing --------------------------------------------------------------------------------------------------

    def _hearing(self, name: str) -> Callable[[dict[str, Any]], None]:
        def hear(data: dict[str, Any]) -> None:
            with self._news:
                self.heard.append((name, data))
                self._news.notify_all()

        return hear

    def _leaving(self, *reason: Any) -> None:
        self._gone.set()

    def all(self, event: str) -> list[dict[str, Any]]:
        """What came under this name so far, in order."""
        with self._news:
            return [data for name, data in self.heard if name == event]

    def wait(self, event: str, what: str, wanted: Callable[[dict[str, Any]], bool], seconds: float = PATIENCE) -> Any:
        """The first message under this name that is wanted, whether it has come or is to come."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                found = next((data for name, data in self.heard if name == event and wanted(data)), None)
                if found is not None:
                    return found
                if not self._news.wait(deadline - time.monotonic()):
                    said = [data for name, data in self.heard if name == event]
                    raise Failed(f"{self.who} hears {what}", f"a {event} within {seconds:g} s", said[-5:])

    def event(self, kind: str, what: str, after: int = 0, seconds: float = PATIENCE) -> Any:
        """The first event of the room of this kind with a number above `after`."""
        return self.wait("room.event", what, lambda e: e["kind"] == kind and e["seq"] > after, seconds)

    # -- leaving --------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Cut the TCP connection under the client: a reset, no goodbye of any protocol above it."""
        wire = self._client.eio.ws.sock
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.shutdown(socket.SHUT_RD)  # wakes the thread that reads, so that close really closes
        wire.close()
        self.await_end()

    def await_end(self) -> None:
        """Wait until the connection is over."""
        if not self._gone.wait(PATIENCE):
            raise Failed(f"{self.who} is cut off", f"notices within {PATIENCE:g} s", "still connected")

    def close(self) -> None:
        """Leave as a client does; a connection that was cut stays so."""
        if self._client.connected:
            self._client.disconnect()
