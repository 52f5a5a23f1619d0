"""Notes over HTTP."""

from __future__ import annotations

from flask import Blueprint, Response, request, send_file

from kernel.actor import Actor
from kernel.errors import Conflict, FieldError, Invalid
from kernel.http import Rate, blueprint, endpoint, find, late_actor
from kernel.idempotency import Answer
from notes.media import MediaService
from notes.schemas import (
    CardPage,
    CommentIn,
    CommentOut,
    CommentPage,
    Marks,
    MediaOut,
    MineQuery,
    MyNotePage,
    NoteDraft,
    NoteOut,
    NotePatch,
    Paging,
    ProductsIn,
    VersionQuery,
)
from notes.service import NoteService
from notes.sight import PictureSight

routes = blueprint("notes", __name__)
files = Blueprint("media", __name__)
UPLOAD_RATE = Rate(60, 60)
COMMENT_RATE = Rate(20, 60)
_EVERYBODYS = "public, max-age=300, s-maxage=0"
_INSIDERS = "private, no-cache"


@routes.post("/media")
@endpoint(returns=MediaOut, status=201, idempotent=True, rate=UPLOAD_RATE, raw="multipart/form-data")
def upload(actor: Actor, key: str) -> Answer:
    """Upload an image: multipart/form-data with one part named file."""
    given = request.files.getlist("file")
    if len(given) != 1:
        error = FieldError("file", "field.missing", "one part of multipart/form-data, named file")
        raise Invalid("media.missing", "Send one image as the part named file.", [error])
    return find(MediaService).upload(actor, given[0].read(), key)


@files.get("/media/images/<name>")
def image(name: str) -> Response:
    """A rendering of an upload. Its content never changes, for its name is the hash; who may have it does. So a shared cache
    asks each time (and gets a 304), a browser that has seen it after five minutes."""
    seen = find(PictureSight).look(name, late_actor)
    response = send_file(seen.path, mimetype="image/webp", conditional=True, etag=name)
    response.headers["Cache-Control"] = _EVERYBODYS if seen.public else _INSIDERS
    response.headers["Content-Security-Policy"] = "default-src 'none'"
    return response


@files.after_request
def _keep_no_refusal(response: Response) -> Response:
    """A 404 may be kept by any cache that is not told, and what was taken down may be restored."""
    response.headers.setdefault("Cache-Control", "no-store")
    return response


@routes.post("/notes")
@endpoint(body=NoteDraft, returns=NoteOut, status=201, idempotent=True, etag="version")
def create(actor: Actor, body: NoteDraft, key: str) -> Answer:
    """Write a draft."""
    return find(NoteService).create(actor, body, key)


@routes.get("/notes/<id:note_id>")
@endpoint(query=VersionQuery, returns=NoteOut, auth=False, etag="version")
def note(actor: Actor, note_id: str, query: VersionQuery) -> NoteOut:
    """One note; another version of it for its author and staff."""
    return find(NoteService).get(actor, note_id, query.version)


@routes.patch("/notes/<id:note_id>")
@endpoint(body=NotePatch, returns=NoteOut, if_match=True, etag="version", refuses=(Conflict,))
def edit(actor: Actor, note_id: str, body: NotePatch, if_match: str) -> NoteOut:
    """Edit a note: a new version, in review when the note was submitted before."""
    return find(NoteService).edit(actor, note_id, body, if_match)


@routes.delete("/notes/<id:note_id>")
@endpoint(refuses=(Conflict,))
def delete(actor: Actor, note_id: str) -> None:
    """Delete one's note."""
    find(NoteService).delete(actor, note_id)


@routes.post("/notes/<id:note_id>/submit")
@endpoint(returns=NoteOut, idempotent=True, etag="version")
def submit(actor: Actor, note_id: str, key: str) -> Answer:
    """Hand a draft in for review."""
    return find(NoteService).submit(actor, note_id, key)


@routes.put("/notes/<id:note_id>/products")
@endpoint(body=ProductsIn, returns=NoteOut, may_match=True, etag="version", refuses=(Conflict,))
def products(actor: Actor, note_id: str, body: ProductsIn, if_match: str | None) -> NoteOut:
    """Replace the product cards; an If-Match header is heeded when it is there."""
    return find(NoteService).set_products(actor, note_id, body.products, if_match)


@routes.put("/notes/<id:note_id>/like")
@endpoint(returns=Marks)
def like(actor: Actor, note_id: str) -> Marks:
    """Like a note."""
    return find(NoteService).like(actor, note_id)


@routes.delete("/notes/<id:note_id>/like")
@endpoint(returns=Marks)
def unlike(actor: Actor, note_id: str) -> Marks:
    """Take a like back."""
    return find(NoteService).unlike(actor, note_id)


@routes.put("/notes/<id:note_id>/save")
@endpoint(returns=Marks)
def save(actor: Actor, note_id: str) -> Marks:
    """Save a note."""
    return find(NoteService).save(actor, note_id)


@routes.delete("/notes/<id:note_id>/save")
@endpoint(returns=Marks)
def unsave(actor: Actor, note_id: str) -> Marks:
    """Take a save back."""
    return find(NoteService).unsave(actor, note_id)


@routes.get("/notes/<id:note_id>/comments")
@endpoint(query=Paging, returns=CommentPage, auth=False)
def comments(actor: Actor, note_id: str, query: Paging) -> CommentPage:
    """The comments under a note, newest first."""
    return find(NoteService).comments(actor, note_id, query.cursor, query.limit)


@routes.post("/notes/<id:note_id>/comments")
@endpoint(body=CommentIn, returns=CommentOut, status=201, idempotent=True, rate=COMMENT_RATE)
def comment(actor: Actor, note_id: str, body: CommentIn, key: str) -> Answer:
    """Comment on a note."""
    return find(NoteService).comment(actor, note_id, body, key)


@routes.delete("/comments/<id:comment_id>")
@endpoint()
def delete_comment(actor: Actor, comment_id: str) -> None:
    """Delete one's comment, or one under one's note."""
    find(NoteService).delete_comment(actor, comment_id)


@routes.get("/accounts/<id:account_id>/notes")
@endpoint(query=Paging, returns=CardPage, auth=False)
def by_author(actor: Actor, account_id: str, query: Paging) -> CardPage:
    """A profile's notes, newest first."""
    return find(NoteService).by_author(actor, account_id, query.cursor, query.limit)


@routes.get("/me/notes")
@endpoint(query=MineQuery, returns=MyNotePage)
def mine(actor: Actor, query: MineQuery) -> MyNotePage:
    """The caller's own notes with their states and reasons, all or those in one state."""
    return find(NoteService).mine(actor, query.cursor, query.limit, query.state)


@routes.get("/me/saves")
@endpoint(query=Paging, returns=CardPage)
def saves(actor: Actor, query: Paging) -> CardPage:
    """What the caller saved, last saved first."""
    return find(NoteService).saved(actor, query.cursor, query.limit)
