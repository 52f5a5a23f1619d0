"""What the ports for encoders promise (`kernel.ports.IngestPorts`)."""

from __future__ import annotations

import socket

import pytest

from engines.ingest import UdpPorts
from kernel.ports import IngestPorts

pytestmark = pytest.mark.engine("udp-ports")


def test_a_free_port_is_neither_taken_nor_listened_on() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as somebody:
        somebody.bind(("127.0.0.1", 0))
        busy: int = somebody.getsockname()[1]
        ports: IngestPorts = UdpPorts("127.0.0.1", range(busy, busy + 1))
        assert ports.free([]) is None
    assert ports.free([busy]) is None
    assert ports.free([]) == busy


def test_who_calls_is_told_the_public_name_and_never_the_passphrase() -> None:
    ports: IngestPorts = UdpPorts("0.0.0.0", range(9200, 9300), "live.example")
    source = ports.listen(9201, "a passphrase")
    assert (source.host, source.port, source.passphrase) == ("0.0.0.0", 9201, "a passphrase")
    assert ports.url(9201) == "srt://live.example:9201"
    assert UdpPorts("::1", range(9200, 9300)).url(9200) == "srt://[::1]:9200"
    assert "a passphrase" not in repr(source)
