"""Refusals as HTTP answers (RFC 9457 problem documents) and as socket acks. Nobody else knows a status code."""

from __future__ import annotations

import logging
from typing import Any

import orjson
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from kernel import errors
from kernel.context import request_id
from kernel.http import rate_headers

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
    415: "Unsupported media type",
    422: "Invalid",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available now",
}
MALFORMED, INTERNAL = "request.malformed", "server.internal"
HTTP_CODES = {
    400: MALFORMED,
    404: "resource.not_found",
    405: "method.not_allowed",
    413: "body.too_large",
    415: "body.unsupported_media_type",
    500: INTERNAL,
}


def status_of(error: errors.AppError) -> int:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def install(app: Flask) -> None:
    """Answer every failure of this app in one voice."""
    app.register_error_handler(errors.AppError, _app_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _crash)


def ack_problem(error: Exception) -> dict[str, Any]:
    """The ack of a refused socket event."""
    if isinstance(error, errors.AppError):
        return {"ok": False, "problem": error.problem()}
    log.exception("socket event failed", exc_info=error)
    return {"ok": False, "problem": {"code": INTERNAL, "detail": "Something went wrong on our side."}}


def _app_error(error: errors.AppError) -> Response:
    response = _problem(status_of(error), error.problem())
    if isinstance(error, errors.TooMany | errors.Unavailable):
        response.headers["Retry-After"] = str(max(1, round(error.retry_after)))
    if isinstance(error, errors.Unauthenticated) and _is_api():
        response.headers["WWW-Authenticate"] = "Bearer"
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
        if name.lower() in ("allow", "retry-after"):
            response.headers[name] = value
    return response


def _crash(error: Exception) -> Response:
    log.exception("request failed", exc_info=error)
    return _problem(500, {"code": INTERNAL, "detail": "Something went wrong on our side; nothing was promised."})


def _problem(status: int, fields: dict[str, Any]) -> Response:
    # What a refusal says of its own never takes the place of what every problem says.
    body = {
        **fields,
        "type": "about:blank",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "request_id": request_id.get(),
    }
    if not _is_api() and "error_page" in g:
        return g.error_page(status, body)  # type: ignore[no-any-return]
    response = Response(orjson.dumps(body), status=status, content_type="application/problem+json")
    if (allowance := g.get("allowance")) is not None:
        response.headers.update(rate_headers(allowance))
    return response


def _is_api() -> bool:
    return request.path.startswith("/api/")
