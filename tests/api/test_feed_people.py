"""What the feed keeps of a person: right when much happens at once, and kept when a device logs in."""

from __future__ import annotations

from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import select, update

from feed import tastes
from feed.likeness import fingerprint
from feed.models import Candidate, CandidateTopic, Taste
from feed.quality import GUARANTEE
from feed.recall import FRESH, PER_SOURCE, Person, recall_notes
from kernel import policy
from kernel.actor import Actor
from kernel.db import Write
from kernel.policy import Policies
from notes.models import Note
from tests.api.test_feed import ids, publish
from tests.house import Client, House

YEAR = timedelta(days=365)


def add_candidate(tx: Write, number: int, **fields: Any) -> None:
    row = {
        "note_id": f"note_{number:026}",
        "author_id": f"acct_{number:026}",
        "published_at": tx.now - timedelta(hours=number),
        "topics": ["linen"],
        "commercial": False,
        "fingerprint": fingerprint(f"{number}", ""),
        "content": 0.5,
        "parts": {},
        "quality": 0.5,
        "eligible": True,
        **fields,
    }
    tx.session.add(Candidate(**row))
    tx.session.add(CandidateTopic(topic="linen", note_id=row["note_id"], quality=row["quality"]))


def weight(house: House, person: str, about: str) -> float:
    with house.engines.db.read() as session:
        return session.scalar(select(Taste.weight).where(Taste.person == person, Taste.about == about)) or 0.0


def test_two_pages_at_once_show_nothing_twice(any_house: House) -> None:
    for number in range(6):
        publish(any_house, any_house.as_(f"author{number}"), number)
    feed, actor = any_house.services.feed, Actor(device_id=any_house.services.accounts.new_device())
    pages: list[Any] = []
    other = Thread(target=lambda: pages.append(feed.page(actor, None, 3)))
    log = feed._log

    def overtaken(*arguments: Any) -> Any:
        if not other.ident:
            other.start()
            other.join()
        return log(*arguments)

    feed._log = overtaken  # type: ignore[method-assign]
    pages.append(feed.page(actor, None, 3))
    shown = [item["id"] for page in pages for item in page.items]
    assert len(shown) == len(set(shown)) == 6


def test_what_a_device_saw_and_said_is_its_accounts(any_house: House) -> None:
    notes = [publish(any_house, any_house.as_(f"author{number}"), number) for number in range(4)]
    visitor = any_house.device()
    visitor.post("feedback", {"kind": "not_interested", "target": notes[0]})
    (seen,) = ids(visitor.get("feed?limit=1"))
    device = visitor.headers["X-Device"]
    any_house.engines.db.write(lambda tx: any_house.services.candidates.respond(tx, device, notes[1], "opened"))
    disliked = weight(any_house, device, "topic:linen")
    made = visitor.post("accounts", {"handle": "lin_mei", "password": "long enough 1"}).json
    account = Client(any_house, {"Authorization": f"Bearer {made['token']}"})
    assert set(ids(account.get("feed"))) == {*notes} - {notes[0], seen}
    assert weight(any_house, made["account"]["id"], "topic:linen") == disliked != 0
    assert weight(any_house, device, "topic:linen") == 0


def test_two_acts_at_once_both_move_the_taste(any_house: House) -> None:
    db = any_house.engines.db

    def like(tx: Write) -> None:
        tastes.move(tx, "acct_1", ["topic:linen"], 1.0)

    for round_ in (1, 2):
        other = Thread(target=lambda: db.write(like))

        def first(tx: Write, other: Thread = other) -> None:
            like(tx)
            other.start()
            other.join(0.3)

        db.write(first)
        other.join()
        assert weight(any_house, "acct_1", "topic:linen") == 2.0 * round_


def test_what_is_not_wanted_counts_beside_many_likes(house: House) -> None:
    note = publish(house, house.as_("author"))
    viewer = house.as_("viewer")
    other = publish(house, house.as_("other"), 2)

    def like_much(tx: Write) -> None:
        for number in range(80):
            tastes.move(tx, viewer.id, [f"topic:t{number}"], 1.0)

    house.engines.db.write(like_much)
    viewer.post("feedback", {"kind": "not_interested", "target": note})
    (item,) = viewer.get("feed").json["items"]
    assert item["id"] == other
    assert viewer.get(f"exposures/{item['exposure_id']}/why").json["parts"]["affinity"] < 0


def test_guaranteed_notes_never_crowd_out_the_rest(any_house: House) -> None:
    any_house.engines.db.write(lambda tx: [add_candidate(tx, number) for number in range(400)] and None)
    any_house.services.candidates.rescore_all()
    seen = frozenset((f"note_{n:026}", f"note_{n:026}") for n in range(1000, 1300))
    with any_house.engines.db.read() as session:
        items, whole = recall_notes(session, Person("acct_x", seen=seen), [])
    guaranteed = {item.id for item in items if item.guaranteed}
    assert guaranteed == {f"note_{number:026}" for number in range(400 - FRESH, 400)}
    assert len(items) > len(guaranteed)
    assert whole  # so many are seen that all were read


def test_a_flood_of_the_best_by_one_author_does_not_end_the_feed(any_house: House) -> None:
    """Two of them may be shown in ten; of the others' notes none was recalled, and the viewer was told to have seen everything."""
    theirs = {publish(any_house, any_house.as_(f"author{number}"), number) for number in range(8)}
    busy = any_house.as_("busy").id

    def flood(tx: Write) -> None:
        for number in range(1, PER_SOURCE + FRESH * 3):
            add_candidate(tx, number, author_id=busy, quality=0.99, commercial=number % 2 == 0)
        tx.session.execute(update(Candidate).values(exposures=GUARANTEE))
        tx.session.execute(update(Candidate).where(Candidate.note_id.in_(theirs)).values(published_at=tx.now - YEAR))

    any_house.engines.db.write(flood)
    shown = {item["id"] for item in any_house.device().get("feed").json["items"]}
    assert theirs <= shown


def test_the_oldest_waits_for_its_guarantee_whatever_found_it(any_house: House) -> None:
    any_house.engines.db.write(lambda tx: add_candidate(tx, 1, waiting=True))
    with any_house.engines.db.read() as session:
        (item,), whole = recall_notes(session, Person("acct_x", tastes={"topic:linen": 1.0}), [])
    assert (item.source, item.guaranteed, whole) == ("topic", True, True)


def test_a_topics_best_follow_the_responses(any_house: House) -> None:
    note = publish(any_house, any_house.as_("author"))
    any_house.device().get("feed")
    any_house.as_("viewer").put(f"notes/{note}/like")
    any_house.services.candidates.rescore_all()
    with any_house.engines.db.read() as session:
        best = session.scalar(select(CandidateTopic.quality))
        assert best == session.scalar(select(Candidate.quality))


def test_an_exposure_counts_by_its_position(any_house: House) -> None:
    for number in range(3):
        publish(any_house, any_house.as_(f"author{number}"), number)
    shown = ids(any_house.device().get("feed"))
    with any_house.engines.db.read() as session:
        rows = session.execute(select(Candidate.note_id, Candidate.exposures, Candidate.examined)).all()
    assert {row.note_id: (row.exposures, round(row.examined, 9)) for row in rows} == {
        note_id: (1, round(position**-0.5, 9)) for position, note_id in enumerate(shown, 1)
    }


def test_a_note_hidden_while_it_is_refreshed_stays_out(any_house: House) -> None:
    note = publish(any_house, any_house.as_("author"))
    db, notes = any_house.engines.db, any_house.services.notes
    hide = Thread(target=lambda: db.write(lambda tx: notes.hide(tx, note)))
    read = notes.contents_within

    def hidden_after_the_read(tx: Write, ids: Any) -> Any:
        contents = read(tx, ids)
        hide.start()
        hide.join(0.3)
        return contents

    notes.contents_within = hidden_after_the_read  # type: ignore[method-assign]
    any_house.services.candidates.refresh([note])
    hide.join()
    with db.read() as session:
        assert not session.get_one(Candidate, note).eligible
        assert session.scalars(select(CandidateTopic)).all() == []


def test_pages_of_many_people_at_once_count_every_exposure(any_house: House) -> None:
    for number in range(6):
        publish(any_house, any_house.as_(f"author{number}"), number)
    readers = [Actor(device_id=any_house.services.accounts.new_device()) for _ in range(8)]
    pages = [Thread(target=any_house.services.feed.page, args=(reader, None, 6)) for reader in readers]
    for page in pages:
        page.start()
    for page in pages:
        page.join()
    with any_house.engines.db.read() as session:
        assert session.scalars(select(Candidate.exposures)).all() == [8] * 6


def test_a_note_hidden_while_the_page_is_made_does_not_shorten_it(house: House) -> None:
    notes = [publish(house, house.as_(f"author{number}"), number) for number in range(4)]

    def limit(tx: Write) -> None:  # the feed's own copy follows later
        tx.session.execute(update(Note).where(Note.id == notes[0]).values(status="limited"))

    house.engines.db.write(limit)
    for _ in range(6):
        shown = ids(house.device().get("feed?limit=3"))
        assert sorted(shown) == sorted(notes[1:])


def test_a_policy_is_followed_at_once_here_and_within_a_second_elsewhere(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "KEPT_FOR", 3600.0)
    here, elsewhere = house.services.policies, Policies(house.engines.db)
    elsewhere.declare("feed.commercial_cap", 2, low=0, high=5)
    admin = house.services.accounts.actor(house.as_("boss", "admin").id)
    assert here.lately(["feed.commercial_cap"]) == elsewhere.lately(["feed.commercial_cap"]) == [2]
    here.change(admin, "feed.commercial_cap", 0, "a quiet week")
    assert here.lately(["feed.commercial_cap"]) == [0]
    assert elsewhere.lately(["feed.commercial_cap"]) == [2]
    monkeypatch.setattr(policy, "KEPT_FOR", 0.0)
    assert elsewhere.lately(["feed.commercial_cap"]) == [0]


def test_while_few_authors_wait_who_has_seen_the_oldest_is_offered_the_next(any_house: House) -> None:
    any_house.engines.db.write(
        lambda tx: [add_candidate(tx, 100 - n, author_id="acct_busy") for n in range(5)] and None
    )
    any_house.services.candidates.rescore_all()
    with any_house.engines.db.read() as session:
        waiting = select(Candidate.note_id).where(Candidate.waiting).order_by(Candidate.published_at)
        oldest = session.scalars(waiting).all()[:2]
        items, _ = recall_notes(session, Person("acct_x", seen=frozenset((note, note) for note in oldest)), [])
    assert sum(item.guaranteed for item in items) == 3
