"""Comments through HTTP."""

from __future__ import annotations

from notes.models import Note
from tests.house import House, problem
from tests.writing import draft, publish


def counted(house: House, note_id: str) -> int:
    with house.engines.db.read() as session:
        return session.get_one(Note, note_id).comments


def test_a_comment_is_counted_and_read_by_everybody(any_house: House) -> None:
    author, fan = any_house.as_("author"), any_house.as_("fan")
    path = f"notes/{publish(any_house, author)}"
    made = fan.post(f"{path}/comments", {"text": "Which size?\nM or L?"}, key="c")
    assert (made.status_code, made.json["author"]["handle"], made.json["text"]) == (201, "fan", "Which size?\nM or L?")
    again = fan.post(f"{path}/comments", {"text": "Which size?\nM or L?"}, key="c")
    assert (again.json, again.headers["Idempotency-Replayed"]) == (made.json, "true")
    assert any_house.anonymous().get(f"{path}/comments").json == {"items": [made.json], "next_cursor": None}
    assert any_house.anonymous().get(path).json["comments"] == counted(any_house, path[6:]) == 1


def test_comments_page_newest_first_past_those_one_may_not_see(any_house: House) -> None:
    author, reader = any_house.as_("author"), any_house.as_("reader")
    path = f"notes/{publish(any_house, author)}"
    nice, rude = any_house.as_("nice"), any_house.as_("rude")
    for number in range(9):
        (rude if 2 <= number <= 6 else nice).post(f"{path}/comments", {"text": str(number)})
    reader.put(f"accounts/{rude.id}/block")
    first = reader.get(f"{path}/comments?limit=3").json
    rest = reader.get(f"{path}/comments?limit=3&cursor={first['next_cursor']}").json
    assert [item["text"] for item in first["items"]] == ["8", "7", "1"]
    assert ([item["text"] for item in rest["items"]], rest["next_cursor"]) == (["0"], None)
    assert len(author.get(f"{path}/comments").json["items"]) == 9
    assert problem(reader.get(f"{path}/comments?cursor=WyJjbXRfXHUwMDAwIl0")) == (400, "cursor.malformed")


def test_what_one_cannot_see_one_cannot_comment(house: House) -> None:
    author, fan = house.as_("author"), house.as_("fan")
    private, public = draft(author)["id"], publish(house, author)
    absent = (404, "note.not_found")
    assert problem(fan.post(f"notes/{private}/comments", {"text": "x"})) == absent
    assert problem(author.post(f"notes/{private}/comments", {"text": "x"})) == absent
    assert problem(fan.get(f"notes/{private}/comments")) == absent
    author.put(f"accounts/{fan.id}/block")
    assert problem(fan.post(f"notes/{public}/comments", {"text": "x"})) == absent
    assert problem(house.anonymous().post(f"notes/{public}/comments", {"text": "x"})) == (401, "session.required")
    assert counted(house, private) == counted(house, public) == 0


def test_empty_long_and_dirty_comments_are_refused(house: House) -> None:
    author = house.as_("author")
    note_id = publish(house, author)
    for text in ("", "   ", "x" * 501, "a\x00", "a\u202eb", 7, None):
        assert problem(author.post(f"notes/{note_id}/comments", {"text": text})) == (422, "request.invalid"), text
    assert counted(house, note_id) == 0


def test_a_comment_is_deleted_by_its_author_or_the_notes_author(any_house: House) -> None:
    author, fan, other = any_house.as_("author"), any_house.as_("fan"), any_house.as_("other")
    note_id = publish(any_house, author)
    ids = [fan.post(f"notes/{note_id}/comments", {"text": str(n)}).json["id"] for n in range(2)]
    assert problem(other.delete(f"comments/{ids[0]}")) == (403, "comment.not_yours")
    assert counted(any_house, note_id) == 2
    assert fan.delete(f"comments/{ids[0]}").status_code == author.delete(f"comments/{ids[1]}").status_code == 204
    assert problem(fan.delete(f"comments/{ids[0]}")) == (404, "comment.not_found")
    assert (counted(any_house, note_id), fan.get(f"notes/{note_id}/comments").json["items"]) == (0, [])


def test_the_rules_hide_a_comment_and_a_moderator_brings_it_back(any_house: House) -> None:
    author, fan, staff = any_house.as_("author"), any_house.as_("fan"), any_house.as_("mod", "moderator")
    note_id = publish(any_house, author)
    comment = fan.post(f"notes/{note_id}/comments", {"text": "Cheaper at www.sample-goods.shop"}).json["id"]
    assert (counted(any_house, note_id), author.get(f"notes/{note_id}/comments").json["items"]) == (0, [])
    case = staff.get("cases").json["items"][0]["id"]
    staff.post(f"cases/{case}/claim")
    acted = staff.post(f"cases/{case}/actions", {"action": "approve", "version": 1, "reason": "Their own shop."})
    assert acted.status_code in (200, 201), acted.json
    assert [item["id"] for item in fan.get(f"notes/{note_id}/comments").json["items"]] == [comment]
    assert counted(any_house, note_id) == 1


def test_a_moderator_hides_a_reported_comment_and_takes_that_back(house: House) -> None:
    author, fan, staff = house.as_("author"), house.as_("fan"), house.as_("mod", "moderator")
    note_id = publish(house, author)
    comment = fan.post(f"notes/{note_id}/comments", {"text": "Rubbish."}).json["id"]
    reported = author.post("reports", {"target": {"kind": "comment", "id": comment}, "reason": "offensive"})
    assert reported.status_code == 201
    case = staff.get("cases").json["items"][0]["id"]
    staff.post(f"cases/{case}/claim")
    acted = staff.post(f"cases/{case}/actions", {"action": "hide", "version": 1, "reason": "Rude."})
    assert (counted(house, note_id), fan.get(f"notes/{note_id}/comments").json["items"]) == (0, [])
    staff.post(f"actions/{acted.json['id']}/undo", {"reason": "Not that rude."})
    assert counted(house, note_id) == 1
