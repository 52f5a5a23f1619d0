"""Who asks: a bearer token, a page's session cookie (with CSRF on every unsafe method), or an anonymous device."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from flask import Flask, Response, current_app, g, request
from werkzeug.wrappers import Response as BaseResponse

from accounts import AccountService
from kernel.actor import ANONYMOUS, Actor
from kernel.errors import Forbidden, TooMany, Unauthenticated, Unavailable
from kernel.http import Rate, caller_address, find, spend
from kernel.ids import is_id

SESSION_COOKIE = "offshelf_session"
DEVICE_COOKIE = "offshelf_device"
DEVICE_HEADER = "X-Device"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_NOBODYS = ("/static/", "/media/", "/healthz", "/readyz", "/metrics")
_YEAR = 365 * 24 * 3600
DEVICES = Rate(60, 60, by_address=True)


def install(app: Flask) -> None:
    """Find the actor before each request; remember a fresh device after it."""
    app.before_request(identify)
    app.after_request(_remember_device)


def identify() -> None:
    """Set `g.actor` for this request; for what is nobody's in particular, how to find out (`kernel.http.late_actor`)."""
    g.actor, g.ask_actor = ANONYMOUS, _actor
    if not request.path.startswith(_NOBODYS):
        g.actor = _actor()


def _actor() -> Actor:
    header = request.headers.get("Authorization")
    if header is not None:
        g.session_token = _bearer(header)
        return find(AccountService).authenticate(g.session_token)
    if (token := request.cookies.get(SESSION_COOKIE)) is not None:
        return _page_actor(token)
    return _device_actor()


def csrf_token(session_token: str) -> str:
    """The token that a page's forms carry: bound to the session, useless without it."""
    return hmac.new(hashlib.sha256(session_token.encode()).digest(), b"csrf", hashlib.sha256).hexdigest()


def page_csrf() -> str:
    """The CSRF token of this request's session or device; empty for somebody who has neither."""
    token = request.cookies.get(SESSION_COOKIE) or g.get("offered_device") or request.cookies.get(DEVICE_COOKIE)
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


def offer_device() -> None:
    """Give a stranger a cookie that makes them an anonymous device when they come back with it. Until then they may be a
    program that keeps none: what they are shown is remembered, and counts for nothing."""
    device_id = find(AccountService).next_device()
    g.offered_device = f"{device_id}.{_seal(device_id)}"
    g.actor = Actor(device_id=device_id, synthetic=True)


def device_of(cookie: str | None) -> str | None:
    """The device that a cookie names, whether it is one yet or not."""
    device_id = (cookie or "").partition(".")[0]
    return device_id if is_id(device_id, "dev") else None


def _seal(device_id: str) -> str:
    key = current_app.config["SECRET_KEY"].encode()
    return hmac.new(key, f"device:{device_id}".encode(), hashlib.sha256).hexdigest()[:32]


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
    given = request.headers.get(DEVICE_HEADER) or request.cookies.get(DEVICE_COOKIE)
    if given is None or (device_id := device_of(given)) is None:
        return ANONYMOUS
    return find(AccountService).device_actor(device_id) or _came_back(device_id, given)


def _came_back(device_id: str, given: str) -> Actor:
    """Who returns with the cookie of a first visit is a device from now on. Where too many come from one address, or
    nothing can be written, they read all the same, as nobody."""
    if not hmac.compare_digest(given.encode(), f"{device_id}.{_seal(device_id)}".encode()):
        return ANONYMOUS
    try:
        spend("device", caller_address(), DEVICES)
        find(AccountService).keep_device(device_id)
    except (TooMany, Unavailable):
        return ANONYMOUS
    return Actor(device_id=device_id)


def _remember_device(response: Response) -> Response:
    if (offered := g.get("offered_device")) is not None:
        set_cookie(response, DEVICE_COOKIE, offered, max_age=_YEAR)
    if g.get("session_ended"):
        response.delete_cookie(SESSION_COOKIE)
    return response
