"""The guarantee: every qualified new note is shown as often as it may count on, oldest first, whoever its author is."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import not_, select, update

from feed.guarantee import HEAD
from feed.models import Candidate
from feed.quality import GUARANTEE
from feed.recall import Person, recall_notes
from feed.rules import PER_AUTHOR
from kernel.db import Write
from tests.api.test_feed import publish
from tests.api.test_feed_people import add_candidate
from tests.house import House


@pytest.fixture
def crowd(any_house: House) -> None:
    """So many authors wait that each has no more places than a page takes of one."""
    add_crowd(any_house)


def add_crowd(house: House) -> None:
    def write(tx: Write) -> None:
        for number in range(HEAD // PER_AUTHOR):
            add_candidate(tx, 900_000 + number, author_id=f"crowd_{number}")

    house.engines.db.write(write)
    house.services.candidates.rescore_all()


def waiting(house: House) -> list[str]:
    """What waits, oldest first, but for the crowd's."""
    oldest = select(Candidate.note_id).where(Candidate.waiting, not_(Candidate.author_id.startswith("crowd_")))
    oldest = oldest.order_by(Candidate.published_at, Candidate.note_id)
    with house.engines.db.read() as session:
        return list(session.scalars(oldest))


def guaranteed(house: House, person: str = "acct_x") -> Counter[str]:
    """Of whom how many notes are recalled for their guarantee."""
    with house.engines.db.read() as session:
        items, _ = recall_notes(session, Person(person), [])
    return Counter(item.author_id for item in items if item.guaranteed)


def shown(house: House, note_id: str, times: int) -> None:
    def write(tx: Write) -> None:
        for _ in range(times):
            house.services.candidates.exposed(tx, [(note_id, 1)])

    house.engines.db.write(write)


def test_five_hundred_notes_of_one_author_leave_the_others_their_guarantee(any_house: House) -> None:
    def flood(tx: Write) -> None:
        for number in range(500):
            add_candidate(tx, 1000 + number, author_id="acct_busy")  # all older than the others'
        for number in range(30):
            add_candidate(tx, number)

    any_house.engines.db.write(flood)
    any_house.services.candidates.rescore_all()
    found = guaranteed(any_house)
    assert found.pop("acct_busy") == PER_AUTHOR
    assert len(found) == 30


@pytest.mark.usefixtures("crowd")
def test_whose_guarantee_is_spent_makes_room_for_its_authors_next(any_house: House) -> None:
    author = any_house.as_("author")
    notes = [publish(any_house, author, number) for number in range(4)]
    assert waiting(any_house) == notes[:2]
    shown(any_house, notes[0], GUARANTEE - 1)
    any_house.jobs()
    assert waiting(any_house) == notes[:2]
    shown(any_house, notes[0], 1)
    assert waiting(any_house) == notes[1:2]
    any_house.jobs()
    assert waiting(any_house) == notes[1:3]


@pytest.mark.usefixtures("crowd")
def test_a_hidden_note_makes_room_and_one_that_returns_takes_its_place_again(any_house: House) -> None:
    author, notes = any_house.as_("author"), any_house.services.notes
    first, second, third = (publish(any_house, author, number) for number in range(3))
    any_house.engines.db.write(lambda tx: notes.hide(tx, first, "spam"))
    assert waiting(any_house) == [second]
    any_house.jobs()
    assert waiting(any_house) == [second, third]
    any_house.engines.db.write(lambda tx: notes.restore(tx, first))
    any_house.jobs()
    assert waiting(any_house) == [first, second]


def test_who_is_suspended_keeps_no_place_and_gets_it_back(any_house: House) -> None:
    author, other = any_house.as_("author"), any_house.as_("other")
    mine = [publish(any_house, author, number) for number in range(2)]
    theirs = publish(any_house, other, 3)
    accounts = any_house.services.accounts
    any_house.engines.db.write(lambda tx: accounts.suspend(tx, author.id))
    assert waiting(any_house) == [theirs]
    any_house.services.candidates.refresh(mine)  # a job that was late
    any_house.services.candidates.rescore_all()
    any_house.jobs()
    assert waiting(any_house) == [theirs]
    any_house.engines.db.write(lambda tx: accounts.reinstate(tx, author.id))
    any_house.jobs()
    assert waiting(any_house) == [*mine, theirs]


def test_the_oldest_authors_come_first_and_nobody_is_read_for_whom_there_is_no_room(any_house: House) -> None:
    any_house.engines.db.write(
        lambda tx: [add_candidate(tx, n, author_id=f"acct_{n // 3}") for n in range(600)] and None
    )
    any_house.services.candidates.rescore_all()
    assert len(waiting(any_house)) == 400
    found = guaranteed(any_house)
    assert found.total() == HEAD
    assert set(found.values()) == {2}
    assert min(found, key=lambda author: int(author.removeprefix("acct_"))) == "acct_180"


@pytest.mark.usefixtures("crowd")
def test_two_at_once_let_no_more_wait_than_may(any_house: House) -> None:
    author = any_house.as_("author").id

    def late(tx: Write) -> None:
        for number in range(8):
            add_candidate(tx, number, author_id=author, published_at=tx.now + timedelta(hours=number))

    any_house.engines.db.write(late)
    both = [Thread(target=any_house.services.candidates.line_up, args=(author,)) for _ in range(4)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert waiting(any_house) == [f"note_{number:026}" for number in range(2)]


def test_a_lone_author_has_the_places_that_nobody_else_needs(any_house: House) -> None:
    """Who has seen an author's two would else be offered none of the rest; it gives them up as others come."""
    any_house.engines.db.write(
        lambda tx: [add_candidate(tx, n, author_id="acct_first") for n in range(HEAD + 5)] and None
    )
    any_house.services.candidates.rescore_all()
    assert len(waiting(any_house)) == HEAD
    any_house.engines.db.write(
        lambda tx: [add_candidate(tx, 100 + n, author_id=f"acct_{n % 3}") for n in range(30)] and None
    )
    any_house.services.candidates.rescore_all()
    with any_house.engines.db.read() as session:
        places = Counter(session.scalars(select(Candidate.author_id).where(Candidate.waiting)))
    assert places == dict.fromkeys(("acct_first", "acct_0", "acct_1", "acct_2"), HEAD // 4)


ACTS = st.one_of(
    st.tuples(st.just("publish"), st.integers(0, 2)),
    st.tuples(st.sampled_from(["show", "drop", "suspend", "reinstate"]), st.integers(0, 30)),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(ACTS, max_size=14), late=st.booleans())
def test_each_authors_oldest_wait_whatever_happened(house: House, script: list[tuple[str, int]], late: bool) -> None:
    """With the jobs after each act or all at the end: the queue is the same."""
    run = house.runs = getattr(house, "runs", 0) + 1  # type: ignore[attr-defined]
    if run == 1:
        add_crowd(house)
    candidates, accounts, db = house.services.candidates, house.services.accounts, house.engines.db
    authors = [house.as_(f"author{run}_{n}").id for n in range(3)]
    notes: list[dict[str, Any]] = []
    suspended: set[str] = set()
    for act, n in script:
        if act == "publish":
            number = 1000 * run + len(notes)
            notes.append({"id": f"note_{number:026}", "author": authors[n], "open": True})
            at = {"published_at": house.clock.now() + timedelta(minutes=len(notes))}
            db.write(lambda tx, number=number, n=n, at=at: add_candidate(tx, number, author_id=authors[n], **at))
            candidates.line_up(authors[n])
        elif act in ("show", "drop") and notes:
            note = notes[n % len(notes)]
            note["open"] = False
            if act == "drop":
                db.write(lambda tx, note=note: candidates.drop(tx, note["id"]))
            else:
                nearly = update(Candidate).where(Candidate.note_id == note["id"]).values(exposures=GUARANTEE - 1)
                db.write(lambda tx, nearly=nearly: tx.session.execute(nearly) and None)
                shown(house, note["id"], 1)
        elif act in ("suspend", "reinstate"):
            author = authors[n % 3]
            db.write(lambda tx, author=author, act=act: getattr(accounts, act)(tx, author))
            (suspended.add if act == "suspend" else suspended.discard)(author)
        if not late:
            house.jobs()
    house.jobs()
    expected = {
        note["id"]
        for author in authors
        if author not in suspended
        for note in [note for note in notes if note["author"] == author and note["open"]][:PER_AUTHOR]
    }
    assert {note for note in waiting(house) if note in {n["id"] for n in notes}} == expected
    candidates.rescore_all()
    assert {note for note in waiting(house) if note in {n["id"] for n in notes}} == expected


@pytest.mark.parametrize("column", ["exposures", "public"])
def test_what_no_job_was_told_of_is_put_right_with_the_scores(any_house: House, column: str) -> None:
    author = any_house.as_("author")
    notes = [publish(any_house, author, number) for number in range(3)]
    spent = {"exposures": GUARANTEE} if column == "exposures" else {"public": False}
    change = update(Candidate).where(Candidate.note_id == notes[0]).values(**spent)
    any_house.engines.db.write(lambda tx: tx.session.execute(change) and None)
    any_house.services.candidates.rescore_all()
    assert waiting(any_house) == notes[1:]
