"""Editing what one's profile says."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from accounts import AccountService
from accounts.routes import spend_edit
from accounts.schemas import ProfileEdit
from kernel.actor import Actor
from kernel.errors import AppError, PreconditionFailed, Unauthenticated
from kernel.http import current_actor, find, parse
from notes import MediaService
from web.errors import status_of
from web.pages import phrases
from web.pages.front import blueprint, go, page, say, typed
from web.pages.words import gettext

routes = blueprint("profile_pages")
_PATH = "/me/profile"


@routes.get(_PATH)
def form() -> Response:
    """One's name, words and picture, to be changed."""
    return _form(current_actor())


def _form(actor: Actor, status: int = 200, **context: Any) -> Response:
    person = find(AccountService).me(actor).model_dump(mode="json")
    return page("profile_edit.html", status, person=person, path=_PATH, **context)


@routes.post(_PATH)
def save() -> Response:
    """Save; what is refused is shown with what was typed, and may be sent again over what changed meanwhile."""
    actor, values = current_actor(), typed("name", "bio")
    actor.require_account()
    try:
        form: ProfileEdit = parse(ProfileEdit, values | _picture(actor))
        spend_edit(actor)
        find(AccountService).edit(actor, form, request.form.get("version", ""))
    except Unauthenticated:
        raise
    except AppError as refused:
        errors = phrases.fields(refused)
        if refused.code.startswith("media."):
            errors = {"avatar": phrases.refusal(refused)}
        if not errors or isinstance(refused, PreconditionFailed):
            say(phrases.refusal(refused), "error")
        return _form(actor, status_of(refused), values=values, errors=errors)
    say(gettext("Saved."))
    return go("/me")


def _picture(actor: Actor) -> dict[str, str | None]:
    """A new picture, none from now on, or no word about it."""
    given = request.files.get("avatar")
    if given is not None and given.filename:
        return {"avatar": find(MediaService).upload(actor, given.read()).value["small"]["url"]}
    return {"avatar": None} if request.form.get("remove") == "1" else {}
