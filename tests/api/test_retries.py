"""A command whose answer was lost comes again: it gets its first answer, whatever became since of what it was about."""

from __future__ import annotations

import pytest
from werkzeug.test import TestResponse

from tests.house import Client, House, problem
from tests.market import list_product
from tests.studio import go_live, open_room
from tests.writing import draft, publish


def again(first: TestResponse, second: TestResponse) -> bool:
    assert first.status_code < 300, first.json
    return (second.status_code, second.json) == (first.status_code, first.json) and bool(
        second.headers.get("Idempotency-Replayed")
    )


@pytest.mark.parametrize("how", ["deleted", "removed", "blocked"])
def test_a_comment_is_answered_again_when_its_note_is_gone(any_house: House, how: str) -> None:
    author, reader = any_house.as_("author"), any_house.as_("reader")
    note = publish(any_house, author)
    path, said = f"notes/{note}/comments", {"text": "Lovely"}
    first = reader.post(path, said, key="k")
    if how == "deleted":
        author.delete(f"notes/{note}")
    elif how == "removed":
        any_house.engines.db.write(lambda tx: any_house.services.notes.remove(tx, note))
    else:
        author.put(f"accounts/{reader.id}/block")
    assert again(first, reader.post(path, said, key="k"))
    assert problem(reader.post(path, said)) == (404, "note.not_found")
    assert problem(reader.post(path, {"text": "Lonely"}, key="k")) == (409, "idempotency.key_reused")
    assert "Idempotency-Replayed" not in any_house.as_("other").post(path, said, key="k").headers


@pytest.mark.parametrize("how", ["deleted", "removed", "edited"])
def test_handing_in_is_answered_again_when_the_note_is_gone_or_goes_on(any_house: House, how: str) -> None:
    author = any_house.as_("author")
    note = draft(author)["id"]
    first = author.post(f"notes/{note}/submit", key="k")
    if how == "deleted":
        author.delete(f"notes/{note}")
    elif how == "removed":
        any_house.engines.db.write(lambda tx: any_house.services.notes.remove(tx, note))
    else:
        author.patch(f"notes/{note}", {"title": "Another"}, first.headers["ETag"])
    assert again(first, author.post(f"notes/{note}/submit", key="k"))
    refused = {"deleted": 404, "removed": 409, "edited": 409}[how]
    assert author.post(f"notes/{note}/submit").status_code == refused


def test_going_on_air_is_answered_again_when_the_shelf_would_not_pass_any_more(any_house: House) -> None:
    host = any_house.as_("host", "merchant")
    product = list_product(host)
    room = open_room(host, shelf=[product["skus"][0]["id"]])
    assert host.post(f"rooms/{room}/start", key="k").status_code == 200
    any_house.engines.db.write(lambda tx: any_house.services.products.hide(tx, product["id"]))
    retried = host.post(f"rooms/{room}/start", key="k")
    assert (retried.status_code, retried.json["id"], retried.json["status"]) == (200, room, "live")
    assert retried.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("how", ["hidden", "blocked", "ended"])
def test_a_message_is_answered_again_when_its_room_is_gone(any_house: House, how: str) -> None:
    host, viewer = any_house.as_("host", "merchant"), any_house.as_("viewer")
    room = go_live(host)
    first = viewer.post(f"rooms/{room}/chat", {"text": "Hello"}, key="k")
    _gone(any_house, how, host, viewer, room)
    assert again(first, viewer.post(f"rooms/{room}/chat", {"text": "Hello"}, key="k"))
    refused = (409, "room.not_live") if how == "ended" else (404, "room.not_found")
    assert problem(viewer.post(f"rooms/{room}/chat", {"text": "Hello"})) == refused


def _gone(house: House, how: str, host: Client, viewer: Client, room: str) -> None:
    if how == "hidden":
        house.engines.db.write(lambda tx: house.services.desk.hide(tx, room))
    elif how == "blocked":
        host.put(f"accounts/{viewer.id}/block")
    else:
        host.post(f"rooms/{room}/end")
