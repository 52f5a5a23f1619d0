"""What takes long and anybody may ask for: so many wait, and who comes then is refused before anything is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, select
from werkzeug.test import TestResponse

import accounts.service
import notes.media
from accounts.models import Account, Token
from notes.models import Media
from tests.house import House, problem
from tests.visitor import Visitor
from tests.writing import picture, upload
from web.services import PASSWORDS, PICTURES

MORE = 5


@pytest.fixture
def turn(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Hashing and decoding, the long work, begin when this is set."""
    house.anonymous().post("sessions", {})  # reads the interface's document, once rather than by everybody at once
    go = Event()

    def after(work: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: go.wait(30) and work(*args)

    slow = SimpleNamespace(hash=after(lambda password: "a hash"), verify=after(lambda known, password: False))
    monkeypatch.setattr(accounts.service, "_hasher", slow)
    monkeypatch.setattr(notes.media, "render", after(notes.media.render))
    yield go
    go.set()


def crowd(turn: Event, places: int, ask: Callable[[int], TestResponse]) -> list[TestResponse]:
    """More ask at once than there are places; those who are refused are so while the others wait. The others' answers."""
    with ThreadPoolExecutor(places + MORE) as pool:
        answers = as_completed([pool.submit(ask, number) for number in range(places + MORE)], timeout=60)
        try:
            for _ in range(MORE):
                refused = next(answers).result()
                assert problem(refused) == (503, "server.busy")
                assert refused.headers["Retry-After"] == "3"
        finally:
            turn.set()
        return [answer.result() for answer in answers]


def count(house: House, model: Any) -> int:
    with house.engines.db.read() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_log_ins_past_the_queue_are_refused(house: House, turn: Event) -> None:
    places, wrong = sum(PASSWORDS), {"handle": "nobody", "password": "a wrong password"}
    answers = crowd(turn, places, lambda number: house.anonymous().post("sessions", wrong))
    assert [problem(answer) for answer in answers] == [(401, "session.wrong_credentials")] * places
    assert count(house, Token) == 0


def test_registrations_past_the_queue_are_refused_and_make_no_account(house: House, turn: Event) -> None:
    places = sum(PASSWORDS)
    forms = [{"handle": f"person{number}", "password": "password-1234"} for number in range(places + MORE)]
    answers = crowd(turn, places, lambda number: house.anonymous().post("accounts", forms[number]))
    assert {answer.status_code for answer in answers} == {201}
    assert count(house, Account) == places


def test_uploads_past_the_queue_are_refused_and_keep_nothing(house: House, turn: Event) -> None:
    ann, places = house.as_("ann"), sum(PICTURES)
    answers = crowd(turn, places, lambda number: upload(ann, picture(), key=f"upload-{number}"))
    assert {answer.status_code for answer in answers} == {201}
    assert count(house, Media) == places


def test_the_log_in_page_says_when_to_try_again_and_keeps_what_was_typed(house: House, turn: Event) -> None:
    visitor, wrong = Visitor(house), {"handle": "nobody", "password": "a wrong password"}
    with ThreadPoolExecutor(sum(PASSWORDS) + 1) as pool:
        asked = [pool.submit(house.anonymous().post, "sessions", wrong) for _ in range(sum(PASSWORDS) + 1)]
        next(as_completed(asked, timeout=60))  # one too many: the queue is full
        page = visitor.send("/login", "/login", handle="june", password="password-1234")
        turn.set()
    assert (page.status_code, page.headers["Retry-After"]) == (503, "3")
    assert "Too many people ask for this at once" in page.text
    assert 'value="june"' in page.text
