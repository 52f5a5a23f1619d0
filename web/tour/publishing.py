"""Steps 1 and 2: past the gate, and found by those whom it concerns."""

from __future__ import annotations

import time
from typing import Any

from web.tour.checks import Failed, holds, same, until
from web.tour.client import Client, new_key
from web.tour.props import CHINESE, DISPLAY, ENGLISH, NOTE, NOTE_ZH, picture, shared
from web.tour.stage import MOST_PAGES, Stage

GATE = 1_000
PATIENCE = 15.0
FEED_PAGES, PAGE = 60, 50  # more than a feed holds: one scrolls to its end
RESULTS = 20  # a result that is further down is not found


def pass_the_gate(stage: Stage) -> None:
    """A creator with exactly 1,000 followers is refused product cards; one more, application, approval, publication."""
    creator, skus = stage.creator, [stage.spare]
    followers = creator.get(f"accounts/{stage.creator_id}")["followers"]
    if followers != GATE:
        stage.saw("somebody followed or unfollowed them by hand; `make demo RESET=1` begins anew")
    same("followers of the creator", followers, GATE)
    status, code, _ = creator.refused("POST", "notes", {**NOTE, "products": skus})
    same("a product card without approval", (status, code), (403, "creator.not_approved"))
    stage.saw(f"{creator.who} has {followers} followers; a product card is refused: {code}")
    status, code, problem = creator.refused("POST", "creator-applications", {"statement": "Notes about clay."})
    same("an application", (status, code), (403, "creator.not_enough_followers"))
    same("the followers that the refusal names", problem["followers"], GATE)
    stage.saw(f"the application is refused: {code} ({problem['detail']})")

    relation = stage.fan.put(f"accounts/{stage.creator_id}/follow")
    same("followers after one more", relation["followers"], GATE + 1)
    application = creator.post("creator-applications", {"statement": "Notes about clay."})
    decided = stage.admin.post(f"creator-applications/{application['id']}/decision", {"verdict": "approve"})
    same("the application", decided["status"], "approved")
    stage.saw(f"{stage.fan.who} follows: {relation['followers']}; the application is {decided['status']}")

    stage.note = publish(creator, NOTE, skus)
    note = stage.fan.get(f"notes/{stage.note}")
    kind = (note["disclosure"] or {}).get("kind")
    same("the disclosure of the note", (note["commercial"], kind), (True, "product"))
    same("the product that the note shows", note["product"]["sku_id"], stage.spare)
    stage.saw(f'{stage.note} is public with its product; labelled "{note["disclosure"]["label"]}"')


def publish(author: Client, note: dict[str, Any], skus: list[str]) -> str:
    """Write, illustrate and submit a note; its id once screening has made it public."""
    image = author.call(
        "POST", "media", files={"file": ("pot.png", picture(), "image/png")}, headers={"Idempotency-Key": new_key()}
    )
    images = [{"media": image["id"], "alt": "Drawing: a seedling in a clay pot"}]
    draft = author.post("notes", {**note, "images": images, "products": skus})
    same("the label on the draft", draft["disclosure"] is not None, bool(skus))
    submitted = author.post(f"notes/{draft['id']}/submit")
    holds("the state after submitting", submitted["state"] in ("in_review", "public"), "in_review", submitted["state"])

    def public() -> bool | None:
        state = author.get(f"notes/{draft['id']}")["state"]
        if state not in ("in_review", "public"):
            raise Failed("the verdict of screening", "public", state)
        return state == "public" or None

    until("the note passes screening", public, PATIENCE, lambda: "still in review")
    return str(draft["id"])


def is_found(stage: Stage) -> None:
    """Found by searches that share no word with it, and shown to a stranger; a mere display is not recommended."""
    stranger = stage.stranger()
    _found_by_meaning(stage, stranger, stage.note, NOTE, ENGLISH)
    _found_by_meaning(stage, stranger, publish(stage.fan, NOTE_ZH, []), NOTE_ZH, CHINESE)

    place, item = until("the note reaches a stranger", lambda: in_feed(stranger, stage.note), PATIENCE)
    why = stranger.get(f"exposures/{item['exposure_id']}/why")
    same("the label in the feed", (item["commercial"], item["disclosure"]["kind"]), (True, "product"))
    stage.saw(f"a stranger's feed shows it at position {place} (why: {why['reason']}, score {why['score']:.2f})")

    stage.display = publish(stage.merchant, DISPLAY, [stage.spare])
    quality = until("the display is scored", lambda: scored(stage.merchant, stage.display), PATIENCE)
    same("whether the mere display is recommended", quality["recommended"], False)
    holds("its quality", quality["content"] < quality["floor"], f"below {quality['floor']}", quality["content"])
    unwanted = in_feed(stage.stranger(), stage.display)
    same("the mere display in another stranger's feed", unwanted, None)
    stage.saw(
        f"a note that merely displays it scores {quality['content']:.2f} (floor {quality['floor']}): no stranger is shown it"
    )


def _found_by_meaning(stage: Stage, client: Client, note_id: str, note: dict[str, Any], query: str) -> None:
    same(f"words that {query!r} shares with the note", shared(query, note), set())
    since = time.monotonic()
    place, hit = until(f"{query!r} finds the note", lambda: search(client, query, note_id), PATIENCE)
    waited = time.monotonic() - since
    same("what found it", hit["matched_by"], ["meaning"])
    same("whether the result carries a label", hit["disclosure"] is not None, note_id == stage.note)
    stage.saw(f"'{query}' finds '{note['title']}' as number {place}, by meaning alone, after {waited:.1f} s")


def search(client: Client, query: str, note_id: str) -> tuple[int, dict[str, Any]] | None:
    """The place and the item of a note among the results of a search."""
    results = client.pages("search", 1, q=query, limit=RESULTS)
    return next(((place, item) for place, item in enumerate(results, 1) if item["id"] == note_id), None)


def in_feed(client: Client, item_id: str) -> tuple[int, dict[str, Any]] | None:
    """The position and the item in the recommended feed of somebody; None when it is not there to its very end."""
    items = client.pages("feed", FEED_PAGES, limit=PAGE)
    return next(((place, item) for place, item in enumerate(items, 1) if item["id"] == item_id), None)


def in_profile(client: Client, author_id: str, note_id: str) -> bool:
    """Whether the author's profile shows the note."""
    return any(note["id"] == note_id for note in client.pages(f"accounts/{author_id}/notes", MOST_PAGES))


def scored(author: Client, note_id: str) -> dict[str, Any] | None:
    """What the feed thinks of a note, once it does."""
    response = author.ask("GET", f"notes/{note_id}/quality")
    return response.json() if response.ok else None
