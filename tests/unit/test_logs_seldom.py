"""What a loop says again and again is said once a minute; what belongs to another request is said each time."""

from __future__ import annotations

import logging

from kernel.context import request_id
from web.logs import Seldom


def record(message: str, at: float, level: int = logging.WARNING) -> logging.LogRecord:
    made = logging.LogRecord("offshelf.jobs", level, "", 0, message, (), None)
    made.created = at
    return made


def test_the_same_warning_is_said_once_a_minute_and_then_how_often_it_was_not() -> None:
    seldom = Seldom()
    said = [second for second in range(100) if seldom.filter(record("the job loop stumbled", 1000.0 + second))]
    assert said == [0, 60]
    later = record("the job loop stumbled", 1000.0 + 120)
    assert seldom.filter(later)
    assert later.__dict__["fields"] == {"untold": 39}


def test_other_words_other_requests_and_what_is_no_warning_are_always_said() -> None:
    seldom = Seldom()
    assert seldom.filter(record("one", 1000.0))
    assert seldom.filter(record("two", 1000.0))
    token = request_id.set("a-request")
    assert seldom.filter(record("one", 1000.0))
    request_id.reset(token)
    assert not seldom.filter(record("one", 1001.0))
    assert all(seldom.filter(record("GET /", 1000.0, logging.INFO)) for _ in range(3))
