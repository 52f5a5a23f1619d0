"""Refusals as HTTP answers (RFC 9457 problem documents) and as socket acks. Nobody else knows a status code."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from kernel import errors
from kernel.context import request_id
from kernel.http import rate_headers
from web.front import UNREADABLE

log = logging.getLogger("offshelf.web")

STATUS: dict[type[errors.AppError], int] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.PreconditionFailed: 412,
    errors.TooLarge: 413,
    errors.Invalid: 422,
    errors.TooMany: 429,
    errors.Unavailable: 503,
}
TITLES = {
    400: "Malformed request",
    401: "Log in first",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    412: "Changed meanwhile",
    413: "Too large",
    414: "Address too long",
    415: "Unsupported media type",
    416: "Range not satisfiable",
    422: "Invalid",
    429: "Too many requests",
    431: "Too many headers",
    500: "Internal error",
    503: "Not available now",
}
MALFORMED, INTERNAL = "request.malformed", "server.internal"
HTTP_CODES = {
    400: MALFORMED,
    404: "resource.not_found",
    405: "method.not_allowed",
    413: "body.too_large",
    414: "address.too_long",
    415: "body.unsupported_media_type",
    416: "range.not_satisfiable",
    431: "headers.too_many",
    500: INTERNAL,
}


_UNREAD = {
    400: "This is not HTTP as this server reads it.",
    414: "The first line of a request may have 8 KiB.",
    431: "A request may have 100 lines of headers.",
}


def status_of(error: errors.AppError) -> int:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def install(app: Flask) -> None:
    """Answer every failure of this app in one voice."""
    app.before_request(_refuse_unreadable)
    app.register_error_handler(errors.AppError, _app_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _crash)


def _refuse_unreadable() -> None:
    if UNREADABLE in request.environ:
        raise errors.Malformed(MALFORMED, "The query of the address is not UTF-8.")


def ack_problem(error: Exception) -> dict[str, Any]:
    """The ack of a refused socket event."""
    if isinstance(error, errors.AppError):
        return {"ok": False, "problem": error.problem()}
    log.exception("socket event failed", exc_info=error)
    return {"ok": False, "problem": {"code": INTERNAL, "detail": "Something went wrong on our side."}}


def unread(status: int) -> bytes:
    """The whole answer to what is refused before there is a request: its first line, or its headers, cannot be read."""
    line, headers, body = _outside(status, {"code": HTTP_CODES[status], "detail": _UNREAD[status]})
    head = "".join(f"{name}: {value}\r\n" for name, value in [*headers, ("Connection", "close")])
    return f"HTTP/1.1 {line}\r\n{head}\r\n".encode() + body


def refuse(error: errors.AppError, start_response: Callable[..., Any]) -> list[bytes]:
    """The WSGI answer to what never comes to Flask."""
    line, headers, body = _outside(status_of(error), error.problem())
    start_response(line, headers)
    return [body]


def _outside(status: int, fields: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
    """Status line, headers and body of a problem where nothing has named the request yet."""
    request_id.set(name := f"{random.getrandbits(64):016x}")
    body = orjson.dumps(_body(status, fields))
    kind, length = ("Content-Type", "application/problem+json"), ("Content-Length", str(len(body)))
    return f"{status} {HTTPStatus(status).phrase}", [kind, length, ("X-Request-Id", name)], body


def _app_error(error: errors.AppError) -> Response:
    response = with_patience(_problem(status_of(error), error.problem()), error)
    if isinstance(error, errors.Unauthenticated) and _is_api():
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def with_patience(response: Response, error: errors.AppError) -> Response:
    """The answer to `error`, with when to try again where that makes sense."""
    if isinstance(error, errors.TooMany | errors.Unavailable):
        response.headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return response


def _http_error(error: HTTPException) -> Response:
    if error.response is not None:
        return Response(error.response.get_data(), error.response.status_code, error.response.headers)  # type: ignore[attr-defined]
    status = error.code or 500
    if 300 <= status < 400:
        return error.get_response()  # type: ignore[return-value]
    code = HTTP_CODES.get(status, MALFORMED if status < 500 else INTERNAL)
    response = _problem(status, {"code": code, "detail": error.description or TITLES.get(status, "")})
    for name, value in error.get_headers():
        if name.lower() in ("allow", "content-range", "retry-after"):
            response.headers[name] = value
    return response


def _crash(error: Exception) -> Response:
    log.exception("request failed", exc_info=error)
    return _problem(500, {"code": INTERNAL, "detail": "Something went wrong on our side; nothing was promised."})


def _problem(status: int, fields: dict[str, Any]) -> Response:
    body = _body(status, fields)
    if not _is_api() and "error_page" in g:
        return g.error_page(status, body)  # type: ignore[no-any-return]
    response = Response(orjson.dumps(body), status=status, content_type="application/problem+json")
    if (allowance := g.get("allowance")) is not None:
        response.headers.update(rate_headers(allowance))
    return response


def _body(status: int, fields: dict[str, Any]) -> dict[str, Any]:
    """What a refusal says of its own never takes the place of what every problem says."""
    title, told = TITLES.get(status, "Error"), request_id.get()
    return {**fields, "type": "about:blank", "title": title, "status": status, "request_id": told}


def _is_api() -> bool:
    return request.path.startswith("/api/")
