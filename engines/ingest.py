"""UDP ports on which encoders may send their picture: one per room that is on air, of the range the operator opened."""

from __future__ import annotations

import socket
from collections.abc import Collection

from kernel.ports import Ingest


class UdpPorts:
    """`host` is the address to listen on, `name` what encoders are told: the same, or the public name of a wildcard."""

    def __init__(self, host: str, ports: range, name: str = "") -> None:
        self._host = host
        self._ports = ports
        self._name = name or host

    def free(self, taken: Collection[int]) -> int | None:
        """The first port that is not `taken` and on which nobody listens, or None."""
        return next((port for port in self._ports if port not in taken and self._unused(port)), None)

    def listen(self, port: int, passphrase: str) -> Ingest:
        """What the media server needs to wait for an encoder there."""
        return Ingest(self._host, port, passphrase)

    def url(self, port: int) -> str:
        """Where the encoder calls; the passphrase is told apart."""
        return f"srt://{in_url(self._name)}:{port}"

    def _unused(self, port: int) -> bool:
        family, kind, protocol, _, address = socket.getaddrinfo(self._host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            try:
                probe.bind(address)
            except OSError:
                return False
        return True


def in_url(host: str) -> str:
    """A host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
