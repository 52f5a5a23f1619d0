"""Limits per person, operation and time."""

from __future__ import annotations

import html
import json
import re
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from accounts.models import Device
from kernel.clock import rfc3339
from tests.house import House, problem
from tests.visitor import Visitor
from web.auth import DEVICES

NOTHING = "notes/note_" + "0" * 26 + "/comments"
LIMIT = 20  # comments in a minute


@pytest.fixture
def limited(build: Callable[..., House]) -> House:
    return build(rate_limits=True)


@pytest.fixture
def unhurried(limited: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """The same limits in windows that do not end while a slow machine spends them; passwords alone take it seconds."""
    name, spend = secrets.token_hex(4), limited.engines.kv.spend
    monkeypatch.setattr(
        limited.engines.kv, "spend", lambda key, limit, window: spend(f"{name}:{key}", limit, 60 * window)
    )
    return limited


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


def test_passwords_are_counted_by_address_whatever_device_tries_them(unhurried: House) -> None:
    for number in range(LIMIT):
        tried = {"handle": f"somebody{number}", "password": "not this one"}
        assert problem(unhurried.device().post("sessions", tried, **at("203.0.113.5"))) == (
            401,
            "session.wrong_credentials",
        )
    again = unhurried.device().post("sessions", {"handle": "one_more", "password": "not this one"}, **at("203.0.113.5"))
    assert problem(again) == (429, "rate.limited")


def test_passwords_of_one_handle_are_counted_over_all_addresses_and_both_doors(unhurried: House) -> None:
    tried = {"handle": "Lin_Mei", "password": "not this one"}
    for number in range(LIMIT):
        answer = unhurried.anonymous().post("sessions", tried, **at(f"198.51.100.{number}"))
        assert problem(answer) == (401, "session.wrong_credentials")
    assert problem(unhurried.anonymous().post("sessions", tried, **at("203.0.114.1"))) == (429, "rate.limited")
    visitor = Visitor(unhurried)
    assert visitor.send("/login", "/login", follow=False, handle="lin_mei", password="not this one").status_code == 429
    other = unhurried.anonymous().post("sessions", {**tried, "handle": "wu_han"}, **at("203.0.114.1"))
    assert problem(other) == (401, "session.wrong_credentials")


def test_nobody_keeps_an_account_from_its_own_device(unhurried: House) -> None:
    known, mine = unhurried.device(), {"handle": "lin_jia", "password": "one two three"}
    assert known.post("accounts", mine, **at("198.51.101.1")).status_code == 201
    for number in range(LIMIT):
        tried = {**mine, "password": "not this one"}
        assert problem(unhurried.anonymous().post("sessions", tried, **at(f"198.51.102.{number}")))[0] == 401
    assert problem(unhurried.anonymous().post("sessions", mine, **at("198.51.101.2"))) == (429, "rate.limited")
    assert known.post("sessions", mine, **at("198.51.101.3")).status_code == 201


def test_the_addresses_of_one_network_are_one(unhurried: House) -> None:
    for number in range(LIMIT):
        assert unhurried.anonymous().post("devices", **at(f"2001:db8:1:2::{number:x}")).status_code == 201
    assert problem(unhurried.device().post("devices", **at("2001:db8:1:2:ffff::1"))) == (429, "rate.limited")
    assert unhurried.anonymous().post("devices", **at("2001:db8:1:3::1")).status_code == 201
    for number in range(21):  # each IPv4 address has its own, as a server sees it that listens on `::`
        assert unhurried.anonymous().post("devices", **at(f"::ffff:192.0.2.{number}")).status_code == 201


def test_strangers_without_cookies_are_nobody_and_share_one_allowance(unhurried: House) -> None:
    answers = [Visitor(unhurried).get("/live", **at("192.0.2.7")).status_code for _ in range(601)]
    assert (answers[:600], answers[600]) == ([200] * 600, 429)
    assert devices(unhurried) == 0
    assert unhurried.services.metrics.people_today()["dau"] == 0


def test_who_comes_back_with_the_cookie_is_a_device_and_so_many_of_an_address(unhurried: House) -> None:
    visitors = [Visitor(unhurried) for _ in range(DEVICES.limit + 1)]
    for _ in range(2):
        assert {visitor.get("/live", **at("192.0.2.8")).status_code for visitor in visitors} == {200}
    assert devices(unhurried) == unhurried.services.metrics.people_today()["dau"] == DEVICES.limit
    assert visitors[-1].get("/live", **at("192.0.2.9")).status_code == 200
    assert devices(unhurried) == DEVICES.limit + 1


def test_a_device_cookie_that_nobody_gave_out_makes_no_device(house: House) -> None:
    for made_up in (house.services.accounts.next_device(), house.services.accounts.next_device() + "." + "0" * 32):
        visitor = Visitor(house)
        visitor.client.set_cookie("offshelf_device", made_up)
        visitor.get("/live")
    assert devices(house) == 0


def test_the_first_page_leaves_its_act_to_the_script(house: House) -> None:
    visitor = Visitor(house)
    told = re.search(r'data-act="([^"]+)"', visitor.text("/"))
    assert told is not None
    act = json.loads(html.unescape(told[1]))
    assert house.services.metrics.people_today()["dau"] == 0
    event = {"id": "first-visit", "at": rfc3339(house.clock.now()), **act}
    assert visitor.client.post("/api/v1/events", json={"events": [event]}).status_code == 202
    assert house.services.metrics.people_today()["dau"] == 1
    assert "data-act" not in visitor.text("/live")
    assert house.services.metrics.people_today()["dau"] == devices(house) == 1


def at(address: str) -> dict[str, Any]:
    return {"environ_overrides": {"REMOTE_ADDR": address}}


def devices(house: House) -> int:
    with house.engines.db.read() as session:
        return session.scalar(select(func.count()).select_from(Device)) or 0


def test_nobody_outruns_the_moderators_by_changing_their_profile_all_the_time(limited: House) -> None:
    author = limited.as_("author")
    for version in range(1, LIMIT + 1):
        assert author.patch("me", {"avatar": None}, etag=str(version)).status_code == 200
    assert problem(author.patch("me", {"avatar": None}, etag=str(LIMIT + 1))) == (429, "rate.limited")
    visitor = Visitor(limited)
    visitor.become(author.headers["Authorization"].removeprefix("Bearer "))
    assert visitor.send("/me/profile", "/me/profile", follow=False, name="Other").status_code == 429
    mine = author.get("me").json
    assert (mine["version"], mine["name"]) == (LIMIT + 1, "Author")
