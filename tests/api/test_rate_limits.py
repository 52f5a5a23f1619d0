"""Limits per person, operation and time."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.house import House, problem

NOTHING = "notes/note_" + "0" * 26 + "/comments"
LIMIT = 20  # comments in a minute


@pytest.fixture
def limited(build: Callable[..., House]) -> House:
    return build(rate_limits=True)


def left(header: str) -> tuple[int, int]:
    """Units left and seconds until the window is empty."""
    found = re.fullmatch(r'"default";r=(\d+);t=(\d+)', header)
    assert found is not None, header
    return int(found[1]), int(found[2])


def test_one_too_many_is_refused_and_says_when_to_try_again(limited: House) -> None:
    eager = limited.as_("eager")
    for spent in range(1, LIMIT + 1):
        answer = eager.post(NOTHING, {"text": "First!"})
        assert problem(answer) == (404, "note.not_found")
        assert left(answer.headers["RateLimit"])[0] == LIMIT - spent
        assert answer.headers["RateLimit-Policy"] == f'"default";q={LIMIT}'
    refused = eager.post(NOTHING, {"text": "First!"})
    assert problem(refused) == (429, "rate.limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    remaining, reset = left(refused.headers["RateLimit"])
    assert (remaining, abs(reset - int(refused.headers["Retry-After"])) <= 1) == (0, True)
    assert refused.json["retry_after"] > 0


def test_a_limit_is_ones_own_and_of_one_operation(limited: House) -> None:
    eager, calm = limited.as_("eager"), limited.as_("calm")
    while eager.post(NOTHING, {"text": "First!"}).status_code != 429:
        pass
    assert eager.get("me").status_code == 200
    assert problem(calm.post(NOTHING, {"text": "Hello"})) == (404, "note.not_found")


def test_rubbish_spends_too(limited: House) -> None:
    eager = limited.as_("eager")
    first = eager.post(NOTHING, {"text": 7})
    assert problem(first) == (422, "request.invalid")
    assert left(first.headers["RateLimit"])[0] == LIMIT - 1


def test_answers_say_what_is_left(limited: House) -> None:
    answer = limited.as_("reader").get("me")
    assert left(answer.headers["RateLimit"])[0] == 599
    assert answer.headers["RateLimit-Policy"] == '"default";q=600'


def test_without_limits_nothing_is_said_of_them(house: House) -> None:
    assert "RateLimit" not in house.as_("reader").get("me").headers
