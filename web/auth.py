"""Who asks: a bearer token, a page's session cookie (with CSRF on every unsafe method), or an anonymous device."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.wrappers import Response as BaseResponse

from accounts import AccountService
from kernel.actor import ANONYMOUS, Actor
from kernel.errors import Forbidden, Unauthenticated
from kernel.http import find
from kernel.ids import is_id

SESSION_COOKIE = "offshelf_session"
DEVICE_COOKIE = "offshelf_device"
DEVICE_HEADER = "X-Device"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_NOBODYS = ("/static/", "/media/", "/healthz", "/readyz", "/metrics")
_YEAR = 365 * 24 * 3600


def install(app: Flask) -> None:
    """Find the actor before each request; remember a fresh device after it."""
    app.before_request(identify)
    app.after_request(_remember_device)


def identify() -> None:
    """Set `g.actor` for this request."""
    g.actor = ANONYMOUS
    if request.path.startswith(_NOBODYS):
        return
    header = request.headers.get("Authorization")
    if header is not None:
        g.session_token = _bearer(header)
        g.actor = find(AccountService).authenticate(g.session_token)
    elif (token := request.cookies.get(SESSION_COOKIE)) is not None:
        g.actor = _page_actor(token)
    else:
        g.actor = _device_actor()


def csrf_token(session_token: str) -> str:
    """The token that a page's forms carry: bound to the session, useless without it."""
    return hmac.new(hashlib.sha256(session_token.encode()).digest(), b"csrf", hashlib.sha256).hexdigest()


def page_csrf() -> str:
    """The CSRF token of this request's session or device; empty for somebody who has neither."""
    token = request.cookies.get(SESSION_COOKIE) or request.cookies.get(DEVICE_COOKIE) or g.get("new_device", "")
    return csrf_token(token) if token else ""


def check_csrf() -> None:
    """Refuse an unsafe request of a cookie's bearer that does not carry the page's CSRF token."""
    given = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token") or ""
    expected = page_csrf()
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Forbidden("csrf.missing", "This form is out of date; load the page again.")


def set_cookie(response: BaseResponse, name: str, value: str, **until: Any) -> None:
    """A cookie that no script reads, that no other site's form sends, and that goes by https only where it came so."""
    response.set_cookie(name, value, httponly=True, samesite="Lax", secure=request.is_secure, **until)


def new_device() -> Actor:
    """Make the visitor an anonymous device, remembered by a cookie."""
    device_id = find(AccountService).new_device()
    g.new_device = device_id
    g.actor = Actor(device_id=device_id)
    return g.actor  # type: ignore[no-any-return]


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > 200:
        raise Unauthenticated("session.malformed", "Authorization takes: Bearer TOKEN.")
    return token


def _page_actor(token: str) -> Actor:
    try:
        actor = find(AccountService).authenticate(token)
    except Unauthenticated:
        g.session_ended = True
        return _device_actor()
    if request.method not in _SAFE:
        check_csrf()
    g.session_token = token
    return actor


def _device_actor() -> Actor:
    device_id = request.headers.get(DEVICE_HEADER) or request.cookies.get(DEVICE_COOKIE)
    if device_id is None or not is_id(device_id, "dev"):
        return ANONYMOUS
    return find(AccountService).device_actor(device_id) or ANONYMOUS


def _remember_device(response: Response) -> Response:
    if (device_id := g.get("new_device")) is not None:
        set_cookie(response, DEVICE_COOKIE, device_id, max_age=_YEAR)
    if g.get("session_ended"):
        response.delete_cookie(SESSION_COOKIE)
    return response
