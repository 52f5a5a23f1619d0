"""The websocket under Engine.IO on gevent: whole frames, or none, and never more in memory than one viewer is worth.

simple-websocket ignores how much `send()` took, so the stream of somebody who reads slowly is corrupted; and Engine.IO's queue
has no bound. Here a frame is written whole or the connection ends, and who falls behind is dropped with a code to resume from.
Nor does its reader give way while something comes, or stop while nobody takes it: here no viewer has the loop, or the memory, alone.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Sized
from contextlib import suppress
from typing import Any

import gevent
import gevent.event
import gevent.lock
import gevent.selectors
import simple_websocket
from gevent.queue import Empty, JoinableQueue

SEND_SECONDS = 10.0  # a viewer whose connection took nothing for so long is gone
MAX_PACKETS = 2000
MAX_BYTES = 1_000_000
MESSAGES, WINDOW = 500, 10.0  # in so many seconds one connection may send so many, of whatever kind
TYPES = tuple("0123456")  # what a text of Engine.IO 4 may begin with
WAITING = 100  # messages read ahead of who takes them
PROTOCOL_ERROR, POLICY_VIOLATION, TRY_AGAIN_LATER = 1002, 1008, 1013


class Backlog(JoinableQueue):  # type: ignore[misc]
    """What waits for one connection. When it is too much, it is dropped, and the writer is told to end (`None`)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.overflowed = False
        self._bytes = 0

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        if self.overflowed and item is not None:
            return
        self._bytes += _size(item)
        if item is not None and (self.qsize() >= MAX_PACKETS or self._bytes > MAX_BYTES):
            self._overflow()
            item = None
        super().put(item, block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        item = super().get(block, timeout)
        self._bytes -= _size(item)
        return item

    def join(self, timeout: float | None = None) -> bool:
        """Who closes a connection waits for nobody: a viewer who polls may never come to take what was left for them."""
        return True

    def _overflow(self) -> None:
        self.overflowed = True
        with suppress(Empty):
            while True:
                super().get(block=False)
                self.task_done()
        self._bytes = 0


class WebSocketWSGI:
    """What Engine.IO calls to upgrade a request; then `send`, `wait` and `close`."""

    def __init__(self, handler: Callable[[Any], Any], server: Any) -> None:
        self._handler = handler
        self._limit = server.max_http_buffer_size
        self._backlog = getattr(getattr(handler, "__self__", None), "queue", None)
        self._socket: _Server
        self._since, self._messages = 0.0, 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        self._socket = _Server(
            environ,
            max_message_size=self._limit,
            thread_class=_Thread,
            event_class=gevent.event.Event,
            selector_class=gevent.selectors.DefaultSelector,
        )
        try:
            answer = self._handler(self)
        finally:
            if self._socket.mode == "gevent":
                reader = environ["wsgi.input"]  # or what stands before it
                getattr(reader, "rfile", reader).close()  # else the server would read what follows as another request
        if self._socket.mode == "gunicorn":
            raise StopIteration  # its word for: nothing is left to answer on this connection
        return answer

    def send(self, message: str | bytes) -> None:
        """Write a message whole; OSError when the connection is or becomes unusable."""
        if not self._socket.connected:
            raise OSError("the connection is closed")
        self._socket.wire.send(_frame(message))

    def wait(self) -> str | bytes | None:
        """The next message, or None when the connection has ended, as that of who speaks no Engine.IO does."""
        try:
            message: str | bytes | None = self._socket.receive()
        except simple_websocket.ConnectionClosed:
            return None
        self._socket.wire.taken.set()
        if self._floods():
            self._socket.hang_up(POLICY_VIOLATION)
            return None
        if isinstance(message, str) and not message.startswith(TYPES):
            self._socket.hang_up(PROTOCOL_ERROR)
            return None
        return message

    def _floods(self) -> bool:
        """Whether more comes than anybody means: pongs and rubbish, too, which no namespace counts."""
        now = time.monotonic()
        if now - self._since > WINDOW:
            self._since, self._messages = now, 0
        self._messages += 1
        return self._messages > MESSAGES

    def close(self) -> None:
        """Say goodbye, with a code that says come back when the viewer had fallen behind, and end the connection."""
        code = TRY_AGAIN_LATER if getattr(self._backlog, "overflowed", False) else 1000
        self._socket.hang_up(code)


class _Thread(gevent.Greenlet):  # type: ignore[misc]
    name = "websocket"

    def __init__(self, target: Callable[[], None]) -> None:
        super().__init__(target)


class _Wire:
    """A socket whose `send` is whole or fatal. Two greenlets write (answers to pings, and messages): a lock keeps frames apart."""

    def __init__(self, sock: Any, waiting: Sized) -> None:
        """`waiting` are the messages that were read and that nobody has taken yet."""
        self._socket, self._waiting = sock, waiting
        self._lock = gevent.lock.RLock()
        self.taken = gevent.event.Event()

    def send(self, data: bytes, seconds: float = SEND_SECONDS) -> int:
        try:
            with gevent.Timeout(seconds, TimeoutError("the viewer does not read")), self._lock:
                self._socket.sendall(data)
        except BaseException:
            self.shut()  # half a frame may be out: nothing that follows would be understood
            raise
        return len(data)

    def shut(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def recv(self, size: int) -> bytes:
        """What the viewer sends, while it is taken. Who sends without a pause has the loop no longer than others."""
        gevent.sleep(0)
        while len(self._waiting) > WAITING:
            self.taken.clear()
            if not self.taken.wait(SEND_SECONDS):
                raise OSError("nobody takes what this viewer sends")
        data: bytes = self._socket.recv(size)
        return data

    def fileno(self) -> int:
        number: int = self._socket.fileno()
        return number

    def close(self) -> None:
        self._socket.close()


class _Server(simple_websocket.Server):  # type: ignore[misc]
    """No compression: it costs 300 kB a connection, and the messages are small."""

    wire: _Wire
    sock: Any
    input_buffer: list[str | bytes]
    environ: dict[str, Any]
    connected: bool
    mode: str

    def handshake(self) -> None:
        self.sock = self.wire = _Wire(self.sock, self.input_buffer)
        self.environ = {key: value for key, value in self.environ.items() if key != "HTTP_SEC_WEBSOCKET_EXTENSIONS"}
        super().handshake()

    def hang_up(self, code: int) -> None:
        if self.connected:
            self.connected = False
            with suppress(OSError):
                self.wire.send(b"\x88\x02" + struct.pack("!H", code), seconds=1.0)
        self.event.set()
        self.wire.taken.set()
        self.wire.shut()


_last: tuple[str | bytes, bytes] = ("", b"\x81\x00")


def _frame(message: str | bytes) -> bytes:
    """One unmasked frame (RFC 6455, 5.2). A room's viewers get the same message one after another, so the last is kept."""
    global _last
    known, frame = _last
    if message != known:
        data, kind = (message, b"\x82") if isinstance(message, bytes) else (message.encode(), b"\x81")
        size = len(data)
        if size < 126:
            head = struct.pack("!B", size)
        elif size < 65536:
            head = struct.pack("!BH", 126, size)
        else:
            head = struct.pack("!BQ", 127, size)
        frame = kind + head + data
        _last = (message, frame)
    return frame


def _size(item: Any) -> int:
    data = getattr(item, "data", None)
    return len(data) if isinstance(data, str | bytes) else 100
