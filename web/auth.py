"""Who asks: a bearer token, a page's session cookie (with CSRF on every unsafe method), or an anonymous device."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from flask import Flask, Response, after_this_request, current_app, g, request
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
PERSON = "offshelf.person"
"""Where the environ of a request says what kind of person asked; missing for what is nobody's in particular."""
DEVICES = Rate(60, 60, by_address=True)


def install(app: Flask) -> None:
    """Find the actor before each request."""
    app.before_request(identify)


def identify() -> None:
    """Find who makes this request; for what is nobody's in particular, how to find out (`kernel.http.late_actor`)."""
    if request.path.startswith(_NOBODYS):
        g.ask_actor = _actor
    else:
        act_as(_actor())


def act_as(actor: Actor) -> None:
    """From here on this request is `actor`'s."""
    g.actor, request.environ[PERSON] = actor, actor.kind


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
    """The CSRF token of this request's session, or of the device that it has or is offered; empty for who has neither."""
    token = _live_session() or g.get("offered_device") or request.cookies.get(DEVICE_COOKIE)
    return csrf_token(token) if token else ""


def check_csrf() -> None:
    """Refuse an unsafe request of a cookie's bearer that does not carry the page's CSRF token.

    A page that was opened in a session which has ended since carries that one's: no other site knows it either.
    """
    given = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token") or ""
    ended = request.cookies.get(SESSION_COOKIE) if g.get("session_over") else None
    expected = [token for token in (page_csrf(), ended and csrf_token(ended)) if token]
    if not any(hmac.compare_digest(given.encode(), token.encode()) for token in expected):
        raise Forbidden("csrf.missing", "This form is out of date; load the page again.")


def _live_session() -> str | None:
    return None if g.get("session_over") else request.cookies.get(SESSION_COOKIE)


def set_cookie(response: BaseResponse, name: str, value: str, **until: Any) -> None:
    """A cookie that no script reads, that no other site's form sends, and that goes by https only where it came so."""
    response.set_cookie(name, value, httponly=True, samesite="Lax", secure=request.is_secure, **until)


def offer_device() -> None:
    """Give a stranger a cookie that makes them an anonymous device when they come back with it. Until then they may be a
    program that keeps none: what they are shown is remembered, and counts for nothing."""
    device_id = find(AccountService).next_device()
    g.offered_device = f"{device_id}.{_seal(device_id)}"
    act_as(Actor(device_id=device_id, synthetic=True))
    after_this_request(_keep_device)


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
        g.session_over = True
        after_this_request(_forget_session)
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


def _keep_device(response: Response) -> Response:
    set_cookie(response, DEVICE_COOKIE, g.offered_device, max_age=_YEAR)
    return response


def _forget_session(response: Response) -> Response:
    """Unless a new one has just begun."""
    if not any(cookie.startswith(f"{SESSION_COOKIE}=") for cookie in response.headers.getlist("Set-Cookie")):
        response.delete_cookie(SESSION_COOKIE)
    return response
