"""A note's page, and what readers do on it."""

from __future__ import annotations

from flask import Response, request

from accounts import AccountService
from kernel.actor import Actor
from kernel.errors import Invalid, TooMany
from kernel.http import current_actor, find, parse
from notes import CommentIn, NoteOut, NoteService
from web.errors import status_of
from web.pages import phrases, touch
from web.pages.front import acted, attempt, back, blueprint, deliberate, go, key, page, typed
from web.pages.words import gettext

routes = blueprint("note_pages")


@routes.get("/notes/<id:note_id>")
def note(note_id: str) -> Response:
    """One note with its comments."""
    actor = current_actor()
    shown = find(NoteService).get(actor, note_id)
    if deliberate() and "cursor" not in request.args:
        acted("note.opened", touch.via()[0], note_id)
    return _page(actor, shown)


def _page(actor: Actor, note: NoteOut, status: int = 200, **context: object) -> Response:
    comments = find(NoteService).comments(actor, note.id, request.args.get("cursor"), 20)
    author = find(AccountService).profile(actor, note.author.id)
    _, exposure = touch.via()
    return page(
        "note.html",
        status,
        note=note.model_dump(mode="json"),
        following=author.followed_by_me,
        exposure_id=exposure,
        touchpoint=touch.pack("note", note.id, exposure),
        comments=comments.model_dump(mode="json"),
        **context,  # type: ignore[arg-type]
    )


@routes.post("/notes/<id:note_id>/<any(like, save):mark>")
def mark(note_id: str, mark: str) -> Response:
    """Like, save, or take it back."""
    notes, actor = find(NoteService), current_actor()
    acts = {"like1": notes.like, "like0": notes.unlike, "save1": notes.save, "save0": notes.unsave}
    act = acts[mark + ("0" if request.form.get("on") == "0" else "1")]
    return attempt(lambda: act(actor, note_id), back(f"/notes/{note_id}"))


@routes.post("/notes/<id:note_id>/comments")
def comment(note_id: str) -> Response:
    """Comment; what was typed stays in its field when it is refused."""
    actor, notes = current_actor(), find(NoteService)
    try:
        notes.comment(actor, note_id, parse(CommentIn, typed("text")), key())
    except (Invalid, TooMany) as refused:
        errors = phrases.fields(refused) or {"text": phrases.refusal(refused)}
        draft = typed("text")["text"]
        shown = notes.get(actor, note_id)
        return _page(
            actor, shown, status_of(refused), path=back(f"/notes/{note_id}"), errors=errors, draft_comment=draft
        )
    return go(back(f"/notes/{note_id}") + "#comments")


@routes.post("/comments/<id:comment_id>/delete")
def delete_comment(comment_id: str) -> Response:
    """Delete one's own comment, or one under one's own note."""
    actor = current_actor()
    return attempt(lambda: find(NoteService).delete_comment(actor, comment_id), back("/"), gettext("Comment deleted."))
