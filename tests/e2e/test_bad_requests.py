"""Bytes that no client should send, against a real server: it answers or hangs up, and stays up."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
import requests

from tests.e2e.test_sockets import Live

PATIENCE = 30.0
TEN_MB = 10 * 2**20


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    server = Live(tmp_path_factory.mktemp("bad"))
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def stands(live: Live) -> Iterator[None]:
    """The server answers after the test as before, and has not grown by what it was sent."""
    before = live.memory()
    yield
    assert requests.get(f"{live.url}/healthz", timeout=PATIENCE).json() == {"status": "ok"}
    assert live.api("ann", "GET", "me/notes")["items"] == []
    assert live.memory() - before < 60_000
    assert live.process.poll() is None
    assert live.traces() == []


def exchange(live: Live, *parts: bytes) -> bytes:
    """Send raw bytes and read until the server hangs up or is done."""
    with socket.create_connection(("127.0.0.1", live.port), PATIENCE) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it hung up first, which is its right
        return _rest(connection)


def _rest(connection: socket.socket) -> bytes:
    got = b""
    try:
        while part := connection.recv(65536):
            got += part
    except ConnectionResetError:
        pass
    return got


def head(live: Live, *lines: str, path: str = "/api/v1/notes") -> bytes:
    token = live.people["ann"]["token"]
    fixed = [f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}", "Idempotency-Key: k"]
    return "\r\n".join([*fixed, "Connection: close", *lines, "", ""]).encode("latin-1")


def problem_of(answer: bytes) -> tuple[int, str]:
    top, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in top, answer[:500]
    found = json.loads(body)
    assert int(top.split()[1]) == found["status"]
    return found["status"], found["code"]


def headers(live: Live) -> dict[str, str]:
    return {"Authorization": f"Bearer {live.people['ann']['token']}", "Idempotency-Key": "k"}


@pytest.mark.parametrize("path", ["notes", "orders", "rooms/room_00000000000000000000000000/start", "media"])
def test_ten_megabytes_are_refused_and_the_connection_goes_on(live: Live, path: str) -> None:
    kind = "multipart/form-data; boundary=x" if path == "media" else "application/json"
    with requests.Session() as session:
        for _ in range(2):
            answer = session.post(
                f"{live.url}/api/v1/{path}",
                data=b"x" * TEN_MB,
                headers={**headers(live), "Content-Type": kind},
                timeout=PATIENCE,
            )
            assert (answer.status_code, answer.json()["code"]) == (413, "body.too_large")
        assert session.get(f"{live.url}/api/v1/me", headers=headers(live), timeout=PATIENCE).status_code == 200


def test_ten_megabytes_without_a_length_are_refused(live: Live) -> None:
    chunk = f"{2**16:x}\r\n".encode() + b"x" * 2**16 + b"\r\n"
    lines = ("Content-Type: application/json", "Transfer-Encoding: chunked")
    answer = exchange(live, head(live, *lines), *[chunk] * 160, b"0\r\n\r\n")
    assert answer == b"" or problem_of(answer) == (413, "body.too_large")


def test_a_command_may_come_in_chunks(live: Live) -> None:
    lines = ("Content-Type: application/json", "Transfer-Encoding: chunked")
    answer = exchange(live, head(live, *lines, path="/api/v1/devices"), b"2\r\n{}\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 201"), answer


def test_a_body_shorter_than_promised_is_refused(live: Live) -> None:
    answer = exchange(live, head(live, "Content-Type: application/json", "Content-Length: 1000"), b'{"title": "x')
    assert answer == b"" or problem_of(answer)[0] in (400, 422)


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "99999999999999999999999", "", "+5", "5, 5", "0x10"])
def test_a_senseless_length_is_refused(live: Live, length: str) -> None:
    answer = exchange(live, head(live, "Content-Type: application/json", f"Content-Length: {length}"), b"{}")
    assert answer == b"" or answer.split()[1] in (b"400", b"413", b"422"), answer[:300]


@pytest.mark.parametrize(
    "chunks", [b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n", b"ffffffffffffffffffff\r\n{}", b"2\r\n{}", b"1" * 70_000]
)
def test_broken_chunks_are_refused(live: Live, chunks: bytes) -> None:
    lines = ("Content-Type: application/json", "Transfer-Encoding: chunked")
    answer = exchange(live, head(live, *lines), chunks)
    assert answer == b"" or answer.split()[1] in (b"400", b"413", b"422"), answer[:300]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"GET /api/v1/search?q=" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (414, "address.too_long")),
        (b"GET / HTTP/9.9\r\n\r\n", (400, "request.malformed")),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n", (431, "headers.too_many")),
    ],
)
def test_what_is_no_request_is_refused_in_the_words_of_the_others(
    live: Live, sent: bytes, said: tuple[int, str]
) -> None:
    answer = exchange(live, sent)
    assert problem_of(answer) == said
    assert {"title", "detail", "request_id"} <= set(json.loads(answer.partition(b"\r\n\r\n")[2]))


AMBIGUOUS = (
    "Content-Length: 2\r\nTransfer-Encoding: chunked", "Content-Length: 2\r\nContent-Length: 3", "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Content-Length: +2",
    "Content-Length: 0_2", "Content-Length:", "Content-Length: 2\r\nno colon", "Content-Length: 2\r\nX : y", "Content-Length: 2\r\n X: y",
    "Content-Length: 2\r\n: y", "X: y\rContent-Length: 2", "X: \0\r\nContent-Length: 2",
)  # fmt: skip


@pytest.mark.parametrize("lines", AMBIGUOUS, ids=repr)
def test_what_two_readers_may_take_for_two_requests_is_refused_and_hung_up_on(live: Live, lines: str) -> None:
    top = f"POST /api/v1/devices HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{lines}\r\n\r\n"
    answer = exchange(live, top.encode(), b"{}", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert problem_of(answer) == (400, "request.malformed")  # one answer and no more: its body ends with the connection


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00" * 1000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 200,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/v1/\xff\xfe%00%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\nConnection: close\r\n\r\n",
        b"GET /api/v1/me HTTP/1.1\r\nHost: \x00\xff\r\nConnection: close\r\n\r\n",
        b"GET http://[::1/api/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /api/v1/me HTTP/1.1\r\nno colon\r\n: empty\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /socket.io/?EIO=4&transport=polling&sid=nobody HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /socket.io/?EIO=99&transport=nonsense HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /media/images/..%2f..%2fsecret HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /media/live/room_00000000000000000000000000/..%2f..%2fsecret HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /static/..%2f..%2fapp.py HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
    ids=range(17),
)  # fmt: skip
def test_what_is_hardly_http_is_refused(live: Live, sent: bytes) -> None:
    answer = exchange(live, sent)
    assert answer == b"" or answer.split()[1][:1] in (b"4", b"5", b"2"), answer[:300]
    assert b"Traceback" not in answer
    if answer.startswith(b"HTTP/1.1 5"):
        assert answer.split()[1] in (b"501", b"505"), answer[:300]
    if answer.startswith(b"HTTP/1.1 2"):
        assert sent.startswith(b"OPTIONS"), answer[:300]
