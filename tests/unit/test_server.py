"""How long the server waits: not for the rest of a request, but for whatever else it waits for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import gevent
import pytest
from gevent import socket

from web import server

PATIENCE = 0.2


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Say how much came; /slow answers late."""
    try:
        said = str(len(environ["wsgi.input"].read()))
    except OSError:
        said = "late"
    if environ["PATH_INFO"] == "/slow":
        gevent.sleep(2 * PATIENCE)
    start_response("200 OK", [("Content-Length", str(len(said)))])
    return [said.encode()]


@pytest.fixture
def caller(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A connection to the server, which is impatient here."""
    monkeypatch.setattr(server, "PATIENCE", PATIENCE)
    with server.Server(("127.0.0.1", 0), app) as serving:
        connection = socket.create_connection(("127.0.0.1", serving.port), timeout=10)
        yield connection
        connection.close()


def rest(connection: Any) -> bytes:
    """All that comes until the server hangs up."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("half", [b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX-Lo"])
def test_half_a_head_is_hung_up_on(caller: Any, half: bytes) -> None:
    caller.sendall(half)
    assert rest(caller) == b""


@pytest.mark.parametrize("length", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_half_a_body_ends_the_connection(caller: Any, length: str) -> None:
    caller.sendall(f"POST / HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n5\r\na".encode()[:-1])
    assert rest(caller).count(b"HTTP/1.1") <= 1


def test_who_sends_drop_by_drop_is_hung_up_on(caller: Any) -> None:
    def drip() -> None:
        for _ in range(1000):
            caller.sendall(b"x")
            gevent.sleep(PATIENCE / 10)

    caller.sendall(b"GET / HTTP/1.1\r\nX: ")
    dripping = gevent.spawn(drip)
    try:
        assert rest(caller) == b""
    except ConnectionResetError:
        pass
    assert not dripping.ready() or isinstance(dripping.exception, OSError)
    dripping.kill()


def test_who_brings_much_gets_the_time_for_it(caller: Any) -> None:
    size = 20 * server.PACE
    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()
    caller.sendall(head + b"x" * server.PACE)  # the first second is earned before the patience with the head can end
    for _ in range(19):
        gevent.sleep(PATIENCE / 5)
        caller.sendall(b"x" * server.PACE)
    assert str(size).encode() in caller.recv(65536)


def test_an_idle_connection_and_a_late_answer_are_waited_for(caller: Any) -> None:
    for path in (b"/", b"/slow", b"/"):
        gevent.sleep(2 * PATIENCE)
        caller.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
        assert caller.recv(65536).endswith(b"\r\n\r\n0")
