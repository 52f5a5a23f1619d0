"""Logging in and out, one's own page, and the language."""

from __future__ import annotations

from flask import Response, current_app, request

from accounts import AccountService, Session
from accounts.routes import PASSWORD_RATE, spend_password
from accounts.schemas import Credentials, Registration
from kernel.errors import AppError
from kernel.http import caller_address, current_actor, find, parse, spend
from moderation import Notices, StrikeBook
from notes import NoteService
from web.auth import SESSION_COOKIE, set_cookie
from web.pages import words
from web.pages.front import (
    LANGUAGE_COOKIE,
    attempt,
    back,
    blueprint,
    go,
    own_path,
    page,
    refused,
    say,
    typed,
)
from web.pages.words import gettext

routes = blueprint("account_pages")
_YEAR = 365 * 24 * 3600


@routes.get("/login")
def login_form() -> Response:
    """Log in."""
    return page("login.html", next=_next(), demo_accounts=_demo_accounts())


@routes.post("/login")
def login() -> Response:
    """Open a session; what this device did as nobody becomes the account's."""
    spend("log_in", caller_address(), PASSWORD_RATE)
    values = typed("handle", "password")
    values["handle"] = values["handle"].strip().lower()
    try:
        form: Credentials = parse(Credentials, values)
        spend_password(current_actor(), form.handle)
        session = find(AccountService).log_in(form, current_actor().device_id)
    except AppError as error:
        return refused("login.html", error, values=values, next=_next(), demo_accounts=_demo_accounts(), path="/login")
    return _logged_in(session)


@routes.get("/register")
def register_form() -> Response:
    """Make an account."""
    return page("register.html", next=_next())


@routes.post("/register")
def register() -> Response:
    """Make an account and log in."""
    spend("register", caller_address(), PASSWORD_RATE)
    values = typed("handle", "name", "password")
    fields = {name: value for name, value in values.items() if value or name != "name"}
    try:
        session = find(AccountService).register(parse(Registration, fields), current_actor().device_id)
    except AppError as error:
        return refused("register.html", error, values=values, next=_next(), path="/register")
    say(gettext("Welcome, %(name)s.") % {"name": session.account.name})
    return _logged_in(session)


def _logged_in(session: Session) -> Response:
    response = go(_next())
    set_cookie(response, SESSION_COOKIE, session.token, expires=session.expires_at)
    return response


@routes.post("/logout")
def logout() -> Response:
    """End this session."""
    find(AccountService).log_out(request.cookies.get(SESSION_COOKIE, ""))
    say(gettext("You are logged out."))
    response = go("/")
    response.delete_cookie(SESSION_COOKIE)
    return response


@routes.get("/me")
def me() -> Response:
    """One's own account, notices and saved notes."""
    actor = current_actor()
    person = find(AccountService).me(actor)
    notices = find(Notices).page(actor, None, 20)
    saved = find(NoteService).saved(actor, None, 12)
    return page(
        "me.html",
        person=person.model_dump(mode="json"),
        notices=[one.model_dump(mode="json") for one in notices.items],
        unread=notices.unread,
        strikes=find(StrikeBook).mine(actor).model_dump(mode="json"),
        saved=[{**card.model_dump(mode="json"), "placement": "profile"} for card in saved.items],
    )


@routes.post("/me/notices")
def read_notices() -> Response:
    """Mark all notices as read."""
    actor = current_actor()
    return attempt(lambda: find(Notices).read_all(actor), "/me")


@routes.post("/language")
def language() -> Response:
    """Read the pages in another language."""
    chosen = request.form.get("language", "")
    response = go(back("/"))
    if chosen in words.LANGUAGES:
        set_cookie(response, LANGUAGE_COOKIE, chosen, max_age=_YEAR)
    return response


def _next() -> str:
    return own_path(request.values.get("next")) or "/"


def _demo_accounts() -> list[dict[str, str]]:
    """Who can be played with; they exist in the demo only."""
    if not current_app.config["DEMO"]:
        return []
    from demo.people import ADMIN, APPROVED_CREATORS, CREATOR_AT_GATE, DEMO_PASSWORD, MERCHANTS, MODERATOR, VIEWERS

    roles = {
        VIEWERS[0]: gettext("reads, saves and buys"),
        APPROVED_CREATORS[0]: gettext("writes notes with products"),
        CREATOR_AT_GATE: gettext("has 1,000 followers: one too few to sell"),
        MERCHANTS[0]: gettext("sells"),
        MODERATOR: gettext("reviews what is reported"),
        ADMIN: gettext("sees the figures"),
    }
    return [{"handle": handle, "password": DEMO_PASSWORD, "role": role} for handle, role in roles.items()]
