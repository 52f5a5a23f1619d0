"""Engine.IO over plain HTTP: it is given no body that it cannot read, for what it does then is lose it, log a trace, or never answer."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from engineio.payload import Payload

from kernel.errors import AppError, Malformed, TooLarge
from web.errors import refuse


class Polling:
    """What stands before Engine.IO's `handle_request`. Who sends what cannot be read is told so, and their session ends."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._handle: Callable[..., Iterable[bytes]] = engine.handle_request
        self._limit: int = engine.max_http_buffer_size

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST":
            try:
                environ["wsgi.input"] = io.BytesIO(self._body(environ))
            except AppError as error:
                self._end(environ)
                return refuse(error, start_response)
        return self._handle(environ, start_response)

    def _body(self, environ: dict[str, Any]) -> bytes:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > self._limit:
            raise TooLarge("body.too_large", f"What is sent at once may have {self._limit} bytes.")
        body: bytes = environ["wsgi.input"].read(length)
        try:
            Payload(encoded_payload=body.decode())
        except Exception:  # a reader of others' that raises whatever it stumbles over
            raise Malformed("frame.malformed", "This is no payload of Engine.IO 4.") from None
        return body

    def _end(self, environ: dict[str, Any]) -> None:
        if named := parse_qs(environ.get("QUERY_STRING", "")).get("sid"):
            self._engine.disconnect(named[0])
