"""What moves a score: responses to what was shown, once each; rooms beside notes; and nothing that is forbidden."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from feed import quality
from feed.models import Broadcast, Candidate, Exposure, Responded, Taste
from feed.quality import RESPONSE_WEIGHTS, ROOM_GUARANTEE
from kernel.actor import Actor
from kernel.idempotency import new_key
from tests.api.test_feed import ids, publish
from tests.desk import decide
from tests.house import Client, House
from tests.market import buy, list_product, pay
from tests.studio import go_live


def counters(house: House, note: str) -> tuple[int, float]:
    """Exposures, and what the responses are worth."""
    with house.engines.db.read() as session:
        row = session.get_one(Candidate, note)
        return row.exposures, round(row.responses, 6)


def taste(house: House, person: str, about: str = "topic:linen") -> float:
    with house.engines.db.read() as session:
        return session.scalar(select(Taste.weight).where(Taste.person == person, Taste.about == about)) or 0.0


def comment(client: Client, note: str, words: str) -> str:
    said = client.post(f"notes/{note}/comments", {"text": words})
    assert said.status_code == 201
    return str(said.json["id"])


def test_a_like_counts_when_the_note_was_shown_to_whom_it_is_from(any_house: House) -> None:
    note = publish(any_house, any_house.as_("author"))
    linked, reader = any_house.as_("linked"), any_house.as_("reader")
    linked.put(f"notes/{note}/like")
    assert counters(any_house, note) == (0, 0.0)
    assert taste(any_house, linked.id) == 1.0  # they like it all the same
    assert ids(reader.get("feed")) == [note]
    reader.put(f"notes/{note}/like")
    assert counters(any_house, note) == (1, RESPONSE_WEIGHTS["liked"])


def test_a_ring_that_was_never_shown_a_note_moves_no_score(any_house: House) -> None:
    author = any_house.as_("author")
    note = publish(any_house, author)
    before = author.get(f"notes/{note}/quality").json["quality"]
    for number in range(4):
        member = any_house.as_(f"ring{number}")
        member.put(f"accounts/{author.id}/follow")
        assert ids(member.get("feed/following")) == [note]
        member.put(f"notes/{note}/like")
        member.put(f"notes/{note}/save")
        comment(member, note, "Wonderful")
    assert author.get(f"notes/{note}/quality").json["quality"] == before


def test_a_response_long_after_the_exposure_does_not_count(house: House) -> None:
    note = publish(house, house.as_("author"))
    soon, late = house.as_("soon"), house.as_("late")
    for reader in (soon, late):
        reader.get("feed")
    house.clock.advance(days=6, hours=23)
    soon.put(f"notes/{note}/like")
    house.clock.advance(hours=2)
    late.put(f"notes/{note}/like")
    assert counters(house, note) == (2, RESPONSE_WEIGHTS["liked"])


def test_a_bots_responses_do_not_count(house: House) -> None:
    note = publish(house, house.as_("author"))
    bot = house.as_("bot", synthetic=True)
    assert ids(bot.get("feed")) == [note]
    bot.put(f"notes/{note}/like")
    assert counters(house, note) == (0, 0.0)


def test_a_person_who_comments_thrice_responds_once(any_house: House) -> None:
    note = publish(any_house, any_house.as_("author"))
    reader = any_house.as_("reader")
    reader.get("feed")
    for words in ("Which size?", "And the hem?", "Thank you"):
        comment(reader, note, words)
    assert counters(any_house, note) == (1, RESPONSE_WEIGHTS["commented"])
    assert taste(any_house, reader.id) == pytest.approx(1.2)


def test_a_comment_counts_while_everybody_may_read_it(any_house: House) -> None:
    note = publish(any_house, any_house.as_("author"))
    reader, moderator = any_house.as_("reader"), any_house.as_("mod", "moderator")
    reader.get("feed")
    held = comment(reader, note, "Call me 13812345678")
    assert (counters(any_house, note), taste(any_house, reader.id)) == ((1, 0.0), pytest.approx(0.0))
    decide(moderator, held, "approve")
    assert counters(any_house, note) == (1, RESPONSE_WEIGHTS["commented"])
    public = comment(reader, note, "And the hem?")
    reader.delete(f"comments/{held}")
    assert counters(any_house, note) == (1, RESPONSE_WEIGHTS["commented"])
    reader.delete(f"comments/{public}")
    assert (counters(any_house, note), taste(any_house, reader.id)) == ((1, 0.0), pytest.approx(0.0))


def test_what_is_taken_back_leaves_nothing_behind(any_house: House) -> None:
    author = any_house.as_("author")
    note = publish(any_house, author)
    before = author.get(f"notes/{note}/quality").json
    reader = any_house.as_("reader")
    reader.get("feed")
    reader.put(f"notes/{note}/like")
    any_house.clock.advance(days=28)
    reader.delete(f"notes/{note}/like")
    assert counters(any_house, note) == (1, 0.0)
    assert taste(any_house, reader.id) == pytest.approx(0.0, abs=1e-9)
    assert author.get(f"notes/{note}/quality").json["content"] == before["content"]


def test_an_unlike_takes_what_is_left_of_the_like_and_never_more(any_house: House) -> None:
    note = publish(any_house, any_house.as_("author"))
    reader = any_house.as_("reader")
    reader.put(f"notes/{note}/like")
    any_house.clock.advance(days=14)
    reader.put(f"notes/{note}/save")
    reader.delete(f"notes/{note}/like")
    assert taste(any_house, reader.id) == pytest.approx(1.5)  # the save's own; half of the like was left and is gone
    reader.post("feedback", {"kind": "not_interested", "target": note})
    reader.delete(f"notes/{note}/save")
    assert taste(any_house, reader.id) == pytest.approx(-0.5)  # a dislike stays as it was


def test_a_device_and_its_account_respond_once(any_house: House) -> None:
    author = any_house.as_("author")
    note = publish(any_house, author)
    db, candidates = any_house.engines.db, any_house.services.candidates
    account = any_house.as_("reader")
    account.get("feed")
    visitor = any_house.device()
    visitor.get("feed")
    device = visitor.headers["X-Device"]
    for person in (account.id, device):
        db.write(lambda tx, person=person: candidates.respond(tx, person, note, "opened"))
    assert counters(any_house, note) == (2, 2 * RESPONSE_WEIGHTS["opened"])
    db.write(lambda tx: candidates.merge(tx, device, account.id))
    assert counters(any_house, note) == (2, RESPONSE_WEIGHTS["opened"])
    assert taste(any_house, account.id) == pytest.approx(0.3)
    with db.read() as session:
        assert session.execute(select(Responded.person, Responded.counted)).all() == [(account.id, True)]


def test_what_a_device_was_shown_counts_for_the_account_it_became(house: House) -> None:
    note = publish(house, house.as_("author"))
    visitor = house.device()
    assert ids(visitor.get("feed")) == [note]
    made = visitor.post("accounts", {"handle": "lin_mei", "password": "long enough 1"}).json
    Client(house, {"Authorization": f"Bearer {made['token']}"}).put(f"notes/{note}/like")
    assert counters(house, note) == (1, RESPONSE_WEIGHTS["liked"])


def test_scores_follow_what_is_usual_here(any_house: House) -> None:
    """Where everybody likes everything, a like says little."""
    notes = [publish(any_house, any_house.as_(f"author{number}"), number) for number in range(2)]
    candidates = any_house.services.candidates

    def count(tx: Any) -> None:
        for note, responses in zip(notes, (9000.0, 3000.0), strict=True):
            row = tx.session.get_one(Candidate, note)
            row.examined, row.responses = 10_000.0, responses

    any_house.engines.db.write(count)
    candidates.rescore_all()
    with any_house.engines.db.read() as session:
        liked, other = (session.get_one(Candidate, note).quality for note in notes)
    assert 0.45 < other < quality.TYPICAL < liked < 0.8
    assert candidates.rescore_all() == 0


# -- rooms ------------------------------------------------------------------------------------------------------------


def broadcast(house: House, room: str) -> Broadcast:
    with house.engines.db.read() as session:
        return session.get_one(Broadcast, room)


def test_a_room_is_as_good_as_its_hosts_notes_promise(any_house: House) -> None:
    deep, thin = any_house.as_("deep"), any_house.as_("thin")
    for number in range(4):
        publish(any_house, deep, number)
        publish(any_house, thin, number, text="New arrival! Buy now, link below. {n}0% off while stocks last.")
    first, second = go_live(deep), go_live(thin)
    new = go_live(any_house.as_("new"))
    assert (
        broadcast(any_house, first).quality > broadcast(any_house, new).quality > broadcast(any_house, second).quality
    )


def test_a_new_room_is_guaranteed_exposures_and_then_competes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = Random(1)  # once in a few hundred runs another would show the room on three pages only
    monkeypatch.setattr(house.services.feed, "_random", lambda: chance)
    for number in range(30):
        publish(house, house.as_(f"author{number}"), number)
    room = go_live(house.as_("host"))
    found = sum(room in ids(house.device().get("feed?limit=10")) for _ in range(12))
    assert found >= 4  # 1 - .9**10 = .65 of the pages
    assert broadcast(house, room).exposures == found
    house.engines.db.write(lambda tx: setattr(tx.session.get_one(Broadcast, room), "exposures", ROOM_GUARANTEE))
    viewer = house.device()
    item = next(i for page in range(4) for i in viewer.get("feed?limit=10").json["items"] if i["id"] == room)
    why = viewer.get(f"exposures/{item['exposure_id']}/why").json
    assert why["parts"]["quality"] == pytest.approx(broadcast(house, room).quality, abs=1e-4)


def test_a_room_is_judged_by_whom_the_feed_brought(any_house: House) -> None:
    room = go_live(any_house.as_("host"))
    brought, linked = any_house.as_("brought"), any_house.as_("linked")
    assert ids(brought.get("feed")) == [room]
    before = broadcast(any_house, room).quality
    presence, broadcasts = any_house.services.directory.presence, any_house.services.broadcasts

    def look(minutes: int) -> float:
        any_house.clock.advance(minutes=minutes)
        for viewer in (brought, linked):
            presence.enter(room, viewer.id)
        broadcasts.watch()
        return round(broadcast(any_house, room).responses, 6)

    assert look(1) == RESPONSE_WEIGHTS["joined"]
    assert look(1) == RESPONSE_WEIGHTS["joined"]
    assert look(3) == RESPONSE_WEIGHTS["joined"] + RESPONSE_WEIGHTS["stayed"]
    for viewer in (brought, brought, linked):
        any_house.services.chat.send(_actor(any_house, viewer), room, "Hello", new_key())
    assert look(1) == pytest.approx(sum(RESPONSE_WEIGHTS[act] for act in ("joined", "stayed", "chatted")))
    assert broadcast(any_house, room).quality > before


def test_the_next_broadcast_is_judged_anew(house: House) -> None:
    host, viewer = house.as_("host"), house.as_("viewer")
    room = go_live(host)
    viewer.get("feed")
    house.services.directory.presence.enter(room, viewer.id)
    house.services.broadcasts.watch()
    host.post(f"rooms/{room}/end")
    house.clock.advance(minutes=5)
    host.post(f"rooms/{room}/start")
    house.services.broadcasts.watch()  # who was shown the last one was not shown this one
    row = broadcast(house, room)
    assert (row.exposures, row.examined, row.responses) == (0, 0.0, 0.0)


def _actor(house: House, client: Client) -> Any:
    return house.services.accounts.actor(client.id)


# -- what is forbidden ------------------------------------------------------------------------------------------------


def test_no_score_changes_when_prices_followers_and_payments_do(any_house: House) -> None:
    """DESIGN's invariant 7, over every input that this house has of what is forbidden."""
    host = any_house.as_("host", "merchant")
    products = [list_product(host, amount=amount) for amount in (1_900, 990_000)]
    skus = [product["skus"][0]["id"] for product in products]
    notes = [publish(any_house, host, n, products=[skus[n % 2]]) for n in range(4)]
    room = go_live(host, shelf=[skus[0]])
    before = _scores(any_house, notes, room)
    any_house.add_followers(host.id, 30)
    buyer = any_house.as_("buyer")
    for note in notes[:2]:
        touch = {"placement": "note", "note_id": note}
        pay(any_house, buyer, buy(buyer, skus[notes.index(note)], touchpoint=touch)["order"])
    host.put(f"rooms/{room}/shelf", {"skus": [skus[1]]})  # the other price, the other payments
    any_house.services.candidates.refresh(notes)
    any_house.services.candidates.rescore_all()
    host.post(f"rooms/{room}/end")
    any_house.clock.advance(seconds=1)
    host.post(f"rooms/{room}/start")
    assert _scores(any_house, notes, room) == before


def _scores(house: House, notes: list[str], room: str) -> list[float]:
    with house.engines.db.read() as session:
        scores = [session.get_one(Candidate, note).quality for note in notes]
        return [*scores, session.get_one(Broadcast, room).quality]


def test_an_exposure_to_nobody_counts_for_nothing(house: House) -> None:
    """Who is not known again cannot respond."""
    note = publish(house, house.as_("author"))
    assert [item["id"] for item in house.services.feed.page(Actor(), None, 10).items] == [note]
    assert counters(house, note) == (0, 0.0)
    with house.engines.db.read() as session:
        (row,) = session.scalars(select(Exposure)).all()
    assert not row.counts
    assert row.shown_at > house.clock.now() - timedelta(days=1)
