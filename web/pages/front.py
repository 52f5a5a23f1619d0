"""What every page shares: who looks, in which words, forms that are checked, messages said once, refusals as pages."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

from flask import Blueprint, Flask, Response, current_app, g, redirect, render_template, request
from itsdangerous import BadSignature, URLSafeSerializer
from werkzeug.exceptions import HTTPException

from accounts import AccountService
from kernel.actor import Actor
from kernel.config import Settings
from kernel.context import request_id
from kernel.errors import FULL, AppError, NotFound, Unauthenticated, Unavailable
from kernel.http import Rate, caller_address, current_actor, find, spend
from kernel.idempotency import new_key
from kernel.ports import Clock
from metrics import MetricsService
from notes import PICTURE_TYPES
from web import auth
from web.errors import TITLES, status_of, with_patience
from web.pages import assets, phrases, words

log = logging.getLogger("offshelf.pages")
LANGUAGE_COOKIE, SAID_COOKIE, AGAIN_COOKIE = "offshelf_language", "offshelf_said", "offshelf_again"
READS, WRITES = Rate(600, 60), Rate(120, 60)
_NO_PAGE = ("/api/", "/static/", "/media/", "/socket.io", "/healthz", "/readyz", "/metrics")
_YEAR = 365 * 24 * 3600
_UPLOADS = ("/studio/notes/", "/me/profile")
_MOST_UPLOADED = 32 * 2**20
# Who says of itself that it is a program gets no device: it would be counted as a visitor.
_PROGRAMS = re.compile(
    r"bot|crawl|spider|slurp|preview|monitor|curl|wget|python|java/|go-http|okhttp|^$", re.IGNORECASE
)


def install(app: Flask, settings: Settings, clock: Clock) -> None:
    """Prepare each request for a page. Before `auth.install`, so that its refusals are pages too."""
    words.install(app.jinja_env, clock.now, settings.zone.key)
    app.jinja_env.globals.update(label_of=phrases.disclosure, fresh_key=new_key, picture_types=",".join(PICTURE_TYPES))
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = False
    app.config["DEMO"] = settings.demo
    assets.install(app)
    app.before_request(_open)


def blueprint(name: str) -> Blueprint:
    """Pages of one kind: each POST is checked, each visitor known, before a view runs."""
    routes = Blueprint(name, __name__)
    routes.before_request(_enter)
    return routes


def _open() -> None:
    if request.path.startswith(_NO_PAGE):
        return
    words.speak(words.choose(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("Accept-Language")))
    g.error_page = _error_page
    if request.method == "POST" and request.path.startswith(_UPLOADS):
        request.max_content_length = _MOST_UPLOADED  # several pictures at once, each checked for its own size


def _enter() -> None:
    if request.method not in ("GET", "HEAD"):
        # A bearer token is not sent by a browser of its own accord, so no other site can borrow it.
        if "Authorization" not in request.headers:
            auth.check_csrf()
        return _spend(WRITES)
    _spend(READS)  # before a stranger is given a name: they would have an allowance of their own each time
    if current_actor().person is None and "Authorization" not in request.headers:
        _meet()
    return None


def _meet() -> None:
    if _PROGRAMS.search(request.headers.get("User-Agent", "")):
        auth.act_as(Actor(synthetic=True))
    elif deliberate() and request.accept_mimetypes.accept_html:
        auth.offer_device()


def deliberate() -> bool:
    """Whether somebody really looks: no HEAD, and nothing that a browser fetches ahead of a tap."""
    purpose = request.headers.get("Sec-Purpose", "") + request.headers.get("Purpose", "")
    return request.method == "GET" and "prefetch" not in purpose


def _spend(rate: Rate) -> None:
    spend(f"{request.endpoint}:{request.method}", current_actor().person or caller_address(), rate)


# -- showing -------------------------------------------------------------------------------------------------------


def page(template: str, code: int = 200, /, path: str | None = None, **context: Any) -> Response:
    """A template with what all of them take, under the status `code`. `path` is where the page is read, when it answers a POST."""
    if code == 200:
        _opened()
    common = {"me": me(), "csrf_token": auth.page_csrf(), "path": path or here(), "said": _heard(), "act": g.get("act")}
    response = Response(render_template(template, **common, **context), code, mimetype="text/html")
    response.headers["Cache-Control"] = "private, no-cache"
    response.vary.update(("Cookie", "Accept-Language"))
    if SAID_COOKIE in request.cookies:
        response.delete_cookie(SAID_COOKIE)
    return response


def me() -> dict[str, Any] | None:
    """Who is logged in: an `AccountRef` with `roles`."""
    actor = current_actor()
    if actor.account_id is None:
        return None
    found = find(AccountService).refs([actor.account_id]).get(actor.account_id)
    return None if found is None else {**found.model_dump(mode="json"), "roles": sorted(actor.roles)}


def here() -> str:
    """This page's own path with its query; for a POST the page it was sent from."""
    if request.method == "POST":
        return back("/")
    return request.full_path.rstrip("?")


def say(text: str, kind: str = "ok") -> None:
    """Something to show once, on this page or on the one that follows."""
    g.setdefault("said", []).append({"kind": kind, "text": text})


def _heard() -> list[dict[str, str]]:
    try:
        kept = _signer().loads(request.cookies.get(SAID_COOKIE, ""))
    except BadSignature:
        kept = []
    return [*kept, *g.get("said", [])]


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt="said")


# -- going elsewhere -----------------------------------------------------------------------------------------------


def go(path: str) -> Response:
    """See other: what was posted is not posted again by a reload."""
    response = redirect(path, 303)
    if g.get("said"):
        auth.set_cookie(response, SAID_COOKIE, _signer().dumps(g.said), max_age=60)
    return response  # type: ignore[return-value]


def _to_login(path: str) -> Response:
    """To the log-in page, and after it back to `path`."""
    return go("/login" + ("" if path == "/" else f"?next={quote(path, safe='/')}"))


def back(otherwise: str) -> str:
    """Where the form says it came from, else the page that sent it, else `otherwise`; always a path of ours."""
    return own_path(_sent("next")) or own_path(_sender()) or otherwise


def _sent(name: str) -> str | None:
    """A field of the form. One that is too large or breaks off has none: its error page wants to know where it came from."""
    try:
        return request.form.get(name)
    except HTTPException:
        return None


def _sender() -> str | None:
    """The path and query of the page that sent this, if that is one of ours."""
    try:
        sender = urlsplit(request.headers.get("Referer", ""))
    except ValueError:
        return None
    return sender._replace(scheme="", netloc="", fragment="").geturl() if sender.netloc == request.host else None


def own_path(text: str | None) -> str | None:
    """`text` when it is a path on this site and nothing that a browser takes for another one."""
    if not text or not text.startswith("/") or text.startswith(("//", "/\\")) or len(text) > 2000:
        return None
    return text if text.isprintable() and "\\" not in text else None


# -- forms ---------------------------------------------------------------------------------------------------------


def typed(*names: str) -> dict[str, str]:
    """What was typed into these fields, line ends as we keep them."""
    return {name: request.form.get(name, "").replace("\r\n", "\n") for name in names}


def key() -> str:
    """The idempotency key that the form carries, or a fresh one for a form without."""
    return request.form.get("idempotency_key") or new_key()


def attempt(act: Callable[[], Any], where: str, done: str = "") -> Response:
    """Do something and go on to `where`; a refusal is said there, and nothing was changed."""
    try:
        act()
    except (Unauthenticated, NotFound):
        raise
    except AppError as refused:
        say(phrases.refusal(refused), "error")
    else:
        if done:
            say(done)
    return go(where)


def acted(name: str, channel: str = "app", target: str | None = None) -> None:
    """Count a deliberate act of this visitor; what a script loads again by itself is none. That of a stranger is left to
    the page's script to tell: who keeps no cookies would be another visitor each time."""
    g.acted = True
    if not deliberate() or AGAIN_COOKIE in request.cookies:
        return
    if "offered_device" in g:
        g.act = {"name": name, "channel": channel, **({"target": target} if target else {})}
        return
    with beside_reading():
        find(MetricsService).act(current_actor(), name, channel, target)


def _opened() -> None:
    """A page that has no act of its own was opened all the same; what follows a cursor comes by itself."""
    if "acted" not in g and "cursor" not in request.args:
        acted("page.opened")


@contextmanager
def beside_reading() -> Iterator[None]:
    """What a page writes down beside what it shows: a full disk keeps nobody from reading, and this is not counted."""
    try:
        yield
    except Unavailable as away:
        if away.code != FULL:
            raise


def refused(template: str, error: AppError, **context: Any) -> Response:
    """A form again, with what is wrong and what was typed."""
    errors = phrases.fields(error)
    problem = None if errors else phrases.refusal(error)
    return with_patience(page(template, status_of(error), errors=errors, problem=problem, **context), error)


def _error_page(status: int, body: dict[str, Any]) -> Response:
    if status == 401 and request.method in ("GET", "HEAD", "POST"):
        return _to_login(here())
    retry = body.get("retry_after")
    try:
        return page(
            "error.html",
            status,
            status=status,
            code=body["code"],
            detail=phrases.problem(body["code"], body.get("detail"), body),
            request_id=request_id.get(),
            retry_after=max(1, round(retry)) if retry else None,
        )
    except Exception:  # the page of a failure must not fail as well
        log.exception("the error page could not be drawn")
        return Response(f"{status} {TITLES.get(status, 'Error')}\n", status, mimetype="text/plain")
