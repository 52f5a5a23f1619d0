"""What comes in and goes out over Socket.IO: JSON and nothing else. Whatever a client sends is a packet that somebody answers."""

from __future__ import annotations

from typing import Any

import orjson
from socketio.packet import ACK, BINARY_EVENT, CONNECT, DISCONNECT, EVENT, Packet


class Json:
    """The packets' JSON, faster than the standard library's and strict (no NaN)."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return orjson.dumps(value).decode()

    @staticmethod
    def loads(text: str | bytes, **_: Any) -> Any:
        return orjson.loads(text)


class JsonPacket(Packet):  # type: ignore[misc]
    """What cannot be read becomes the event or the log-in `[null]`, which the namespace refuses, with the packet's own id where it has one.

    So do binary attachments: no frame takes any, and python-socketio would keep every later message as one of those it was promised.
    """

    uses_binary_events = False
    packet_type: int
    id: int | None

    def __init__(self, *going_out: Any, encoded_packet: Any = None, **named: Any) -> None:
        super().__init__(*going_out, **named)
        if not going_out and not self._reads(encoded_packet):
            self.id = self.id if self.packet_type in (EVENT, BINARY_EVENT) else None
            self.packet_type = CONNECT if self.packet_type == CONNECT else EVENT
            self.data = [None]

    def _reads(self, sent: Any) -> bool:
        try:
            attachments = self.decode(sent) if isinstance(sent, str) else None
        except ValueError:
            return False
        if self.packet_type == EVENT:
            return attachments == 0 and isinstance(self.data, list) and bool(self.data)
        return attachments == 0 and self.packet_type in (CONNECT, DISCONNECT, ACK)
