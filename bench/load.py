"""A closed loop of keep-alive connections in one process: each sends its next request when the last answer is complete."""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time


def run(host: str, port: int, path: str, connections: int, seconds: float, headers: str = "") -> dict[str, float]:
    """Requests a second and latencies in ms; an answer that is not 200 raises."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode()
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        peer = socket.create_connection((host, port))
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(peer, selectors.EVENT_READ, [b"", 0.0])
    started = time.perf_counter()
    for key in selector.get_map().values():
        _send(key, request)
    latencies: list[float] = []
    while (now := time.perf_counter()) - started < seconds:
        for key, _ in selector.select(1.0):
            state = key.data
            state[0] += key.fileobj.recv(262_144)  # type: ignore[union-attr]
            if _complete(state[0]):
                latencies.append(time.perf_counter() - state[1])
                state[0] = b""
                _send(key, request)
    elapsed = now - started
    for key in list(selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    latencies.sort()
    at = lambda share: round(1000 * latencies[min(len(latencies) - 1, int(share * len(latencies)))], 3)  # noqa: E731
    return {
        "per_second": round(len(latencies) / elapsed, 1),
        "p50_ms": at(0.5),
        "p99_ms": at(0.99),
        "requests": len(latencies),
    }


def _send(key: selectors.SelectorKey, request: bytes) -> None:
    key.data[1] = time.perf_counter()
    key.fileobj.sendall(request)  # type: ignore[union-attr]


def _complete(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"refused: {head.splitlines()[0]!r} {body[:200]!r}")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return len(body) >= int(length.split(b":")[1])


if __name__ == "__main__":
    _, url_host, url_port, url_path, count, duration, *rest = sys.argv
    print(
        json.dumps(
            run(url_host, int(url_port), url_path, int(count), float(duration), "".join(f"{h}\r\n" for h in rest))
        )
    )
