"""What every answer carries, put on outside Flask: a request id, and headers that keep browsers strict."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.http import parse_range_header
from werkzeug.middleware.proxy_fix import ProxyFix

from kernel.context import request_id

_WELL_FORMED = re.compile(r"[A-Za-z0-9._:-]{8,64}").fullmatch
StartResponse = Callable[..., Any]
WSGI = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; worker-src 'self' blob:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
UNREADABLE = "offshelf.unreadable"
"""Set in the environ of a request whose query is no UTF-8; it comes to Flask without the query."""
_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Content-Security-Policy", POLICY),
]


def behind_proxies(app: WSGI, trusted: int) -> WSGI:
    """The caller's address, scheme and host as the last `trusted` proxies tell them; with 0 nobody is believed."""
    return ProxyFix(app, x_for=trusted, x_proto=trusted, x_host=trusted) if trusted else app


class Front:
    """The outermost WSGI layer. A caller's own `X-Request-Id` (8 to 64 letters, digits and `._:-`) is kept.

    The `told` hear of every request when its answer begins: status and seconds.
    """

    def __init__(self, app: WSGI, *told: Callable[[dict[str, Any], int, float], None]) -> None:
        self.app, self.told = app, told

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        given = environ.get("HTTP_X_REQUEST_ID", "")
        name = given if given and _WELL_FORMED(given) else f"{random.getrandbits(64):016x}"
        request_id.set(name)
        _ease(environ)
        said = []

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            said.append(status)
            return start_response(status, [*headers, ("X-Request-Id", name), *_HEADERS], *rest)

        begun = time.perf_counter()
        answer = self.app(environ, start)
        status, took = int(said[-1][:3]), time.perf_counter() - begun
        for tell in self.told:
            tell(environ, status, took)
        return answer


def _ease(environ: dict[str, Any]) -> None:
    """Take away a query that Werkzeug fails to decode, and a range that HTTP wants ignored where Werkzeug refuses it."""
    query = environ.get("QUERY_STRING", "")
    if not query.isascii() and not _is_utf_8(query):
        environ["QUERY_STRING"], environ[UNREADABLE] = "", True
    if "HTTP_RANGE" in environ and not _is_one_range(environ["HTTP_RANGE"]):
        del environ["HTTP_RANGE"]


def _is_one_range(text: str) -> bool:
    """Whether it asks for one part, in bytes; whoever asks otherwise gets the whole (RFC 9110, 14.2)."""
    found = parse_range_header(text)
    return found is not None and found.units == "bytes" and len(found.ranges) == 1


def _is_utf_8(text: str) -> bool:
    try:
        text.encode("latin-1").decode()
    except UnicodeDecodeError:
        return False
    return True
