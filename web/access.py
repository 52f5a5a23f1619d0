"""A line for every request: by the route's template, never the path, the query or who asked by name."""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask, request

from web.auth import PERSON
from web.logs import fields

log = logging.getLogger("offshelf.access")
PROBES = ("/healthz", "/readyz", "/metrics")
_ROUTE = "offshelf.route"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def install(app: Flask) -> None:
    """Let the route outlive Flask's request: the outermost layer tells of it."""
    app.before_request(_remember)


def _remember() -> None:
    request.environ[_ROUTE] = request.url_rule


def log_request(environ: dict[str, Any], status: int, seconds: float) -> None:
    """At INFO; probes, which come every few seconds for ever, at DEBUG."""
    route = route_of(environ)
    level = logging.DEBUG if route in PROBES else logging.INFO
    if log.isEnabledFor(level):
        method, took = method_of(environ), round(1000 * seconds, 2)
        named = fields(
            method=method, route=route, status=status, duration_ms=took, person=environ.get(PERSON, "nobody")
        )
        log.log(level, "%s %s %s", method, route, status, extra=named)


def route_of(environ: dict[str, Any]) -> str:
    """The template of the route that answered, as in `/api/v1/notes/<id:note_id>`; `none` where no route fits."""
    rule = environ.get(_ROUTE)
    return "none" if rule is None else str(rule.rule)


def method_of(environ: dict[str, Any]) -> str:
    """One of few: a caller may send any word."""
    method: str = environ["REQUEST_METHOD"]
    return method if method in _METHODS else "other"
