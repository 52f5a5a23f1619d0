"""The creator's desk: notes, what goes into them, and the way to selling."""

from __future__ import annotations

import re
from typing import Any

from flask import Response, request

from accounts import AccountService, ApplicationService
from accounts.schemas import ApplicationIn
from feed import FeedService
from kernel.actor import Actor
from kernel.errors import AppError, Forbidden, NotFound, PreconditionFailed, Unauthenticated
from kernel.http import current_actor, find, parse
from live import RoomDirectory
from moderation import StrikeBook
from notes import MediaService, NoteDraft, NoteOut, NotePatch, NoteService
from notes.schemas import MineQuery
from search import SearchService
from search.schemas import SearchQuery
from shop import ProductService
from web.errors import status_of
from web.pages import phrases
from web.pages.front import attempt, blueprint, go, key, page, say, typed
from web.pages.words import gettext

routes = blueprint("studio_pages")


@routes.get("/studio")
def studio() -> Response:
    """One's notes with their states, rooms, and what is missing for selling."""
    return desk(current_actor())


def desk(actor: Actor, status: int = 200, **context: Any) -> Response:
    """The studio's first page, also under a form that was refused."""
    asked = {name: request.args[name] for name in ("state", "cursor") if request.args.get(name)}
    query: MineQuery = parse(MineQuery, asked, strict=False)
    found = find(NoteService).mine(actor, query.cursor, query.limit, query.state)
    rooms = find(RoomDirectory).by_host(actor, actor.require_account(), 10)
    return page(
        "studio.html",
        status,
        items=[one.model_dump(mode="json") for one in found.items],
        next_cursor=found.next_cursor,
        state=query.state or "",
        gate=gate_of(actor),
        rooms=[room.model_dump(mode="json") for room in rooms],
        **context,
    )


def gate_of(actor: Actor) -> dict[str, Any]:
    """How an account stands to the product gate."""
    me, application = find(AccountService).me(actor), find(ApplicationService).mine(actor)
    strikes, needed = find(StrikeBook).active_strikes(me.id), find(ApplicationService).followers_needed()
    status = application.status if application and application.status != "withdrawn" else "none"
    return {
        "status": status,
        "reason": application.reason if application else None,
        "followers": me.followers,
        "needed": needed,
        "strikes": strikes,
        "missing": phrases.missing(me.followers, needed, strikes),
        "may_attach": (status == "approved" and not strikes) or "merchant" in actor.roles,
    }


@routes.post("/studio/application")
def apply() -> Response:
    """Apply for the product gate."""
    actor = current_actor()

    def send() -> None:
        find(ApplicationService).apply(actor, parse(ApplicationIn, typed("statement")), key())

    return attempt(send, "/studio", gettext("Your application is being read."))


# -- one note ------------------------------------------------------------------------------------------------------


@routes.post("/studio/notes")
def create() -> Response:
    """An empty draft, to be written."""
    made = find(NoteService).create(current_actor(), NoteDraft(), key())
    return go(f"/studio/notes/{made.value['id']}")


@routes.get("/studio/notes/<id:note_id>")
def write(note_id: str) -> Response:
    """One's own note on the desk."""
    return _desk_of(current_actor(), note_id)


def _desk_of(actor: Actor, note_id: str, status: int = 200, **context: Any) -> Response:
    note = _own(actor, note_id)
    wanted = request.args.get("product_q", "").strip()
    return page(
        "studio_note.html",
        status,
        note=note.model_dump(mode="json"),
        gate=gate_of(actor),
        product_q=wanted,
        found=goods_for(actor, wanted, {chip.sku_id for chip in note.products}),
        quality=_quality(actor, note_id),
        **context,
    )


def _own(actor: Actor, note_id: str) -> NoteOut:
    actor.require_account()
    note = find(NoteService).get(actor, note_id)
    if not note.is_mine:
        raise Forbidden("note.not_yours", "This is somebody else's note.")
    return note


def _quality(actor: Actor, note_id: str) -> dict[str, Any] | None:
    try:
        return phrases.quality(find(FeedService).quality(actor, note_id))
    except NotFound:
        return None


def goods_for(actor: Actor, wanted: str, taken: set[str]) -> list[dict[str, Any]]:
    """Products that may be attached: what a search finds, and a merchant's own when nothing is asked."""
    products = find(ProductService)
    if wanted:
        query = parse(SearchQuery, {"q": wanted[:200], "kind": "product", "limit": 6}, strict=False)
        ids = [item["id"] for item in find(SearchService).search(actor, query).items]
    elif "merchant" in actor.roles:
        ids = [card.id for card in products.list(actor, None, 12, actor.account_id).items]
    else:
        ids = []
    shown = [products.get(actor, one) for one in ids]
    # One card a product: of what is not attached yet, the first that can be bought.
    found = [
        (product, min(product.skus, key=lambda sku: not sku.available))
        for product in shown
        if product.skus and taken.isdisjoint(sku.id for sku in product.skus)
    ]
    return [
        {
            "sku_id": sku.id,
            "title": product.title,
            "sku_name": sku.name,
            "price": sku.price.model_dump(),
            "cover": product.cover.model_dump() if product.cover else None,
        }
        for product, sku in found
    ]


@routes.post("/studio/notes/<id:note_id>")
def save(note_id: str) -> Response:
    """Save, publish or delete. What is refused is shown with what was typed."""
    actor, action = current_actor(), request.form.get("action", "save")
    if action == "delete":
        notes = find(NoteService)
        return attempt(lambda: notes.delete(actor, note_id), "/studio", gettext("The note is deleted."))
    note = _own(actor, note_id)
    pictures = _kept(note)
    try:
        pictures += _uploads(actor)
        saved = _save(actor, note, pictures)
        if action == "submit" and saved.state == "draft":
            find(NoteService).submit(actor, note_id)
    except (Unauthenticated, NotFound):
        raise
    except AppError as refused:
        return _again(actor, note, pictures, refused)
    say(gettext("Handed in. It appears as soon as it is checked.") if action == "submit" else gettext("Saved."))
    return go(f"/studio/notes/{note_id}")


def _kept(note: NoteOut) -> list[dict[str, Any]]:
    """The pictures that stay, with what their author says they show."""
    keep = set(request.form.getlist("keep"))
    told = {one.media: request.form.get(f"alt-{one.media}", one.alt).strip() for one in note.pictures}
    return [{**one.model_dump(), "alt": told[one.media]} for one in note.pictures if one.media in keep]


def _uploads(actor: Actor) -> list[dict[str, Any]]:
    given = [one for one in request.files.getlist("images") if one.filename]
    return [{**find(MediaService).upload(actor, one.read()).value, "alt": ""} for one in given]


def _save(actor: Actor, note: NoteOut, pictures: list[dict[str, Any]]) -> NoteOut:
    """A new version, unless nothing has changed: that would only be checked again."""
    words = typed("title", "text", "topics")
    topics = [word for word in re.split(r"[\s#,，、]+", words.pop("topics")) if word]
    images = [{"media": one.get("media") or one["id"], "alt": one["alt"]} for one in pictures]
    patch: NotePatch = parse(NotePatch, {**words, "topics": topics, "images": images})
    old = [{"media": one.media, "alt": one.alt} for one in note.pictures]
    if (patch.title, patch.text, patch.topics, images) == (note.title, note.text, note.topics, old):
        return note
    return find(NoteService).edit(actor, note.id, patch, request.form.get("version", ""))


def _again(actor: Actor, note: NoteOut, pictures: list[dict[str, Any]], refused: AppError) -> Response:
    """The form with what was typed; pictures that arrived well stay."""
    errors = phrases.fields(refused)
    if refused.code.startswith("media."):
        errors = {"images": phrases.refusal(refused)}
    if not errors or isinstance(refused, PreconditionFailed):
        say(phrases.refusal(refused), "error")
    kept = [{**one, "media": one.get("media") or one["id"]} for one in pictures]
    values = {**typed("title", "text", "topics"), "pictures": kept}
    path = f"/studio/notes/{note.id}"
    return _desk_of(actor, note.id, status_of(refused), values=values, errors=errors, path=path)


@routes.post("/studio/notes/<id:note_id>/products")
def attach(note_id: str) -> Response:
    """Replace the note's product cards."""
    actor, notes = current_actor(), find(NoteService)
    skus = request.form.getlist("sku")

    def put() -> None:
        patch: NotePatch = parse(NotePatch, {"products": skus})
        notes.set_products(actor, note_id, patch.products, request.form.get("version") or None)

    return attempt(put, f"/studio/notes/{note_id}", gettext("Saved."))
