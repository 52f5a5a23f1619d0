"""Requests that no browser sends and that the web's own parts stumble over: each gets the refusal that fits, never a 500."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.house import House, problem
from tests.visitor import Visitor
from tests.writing import picture, upload


@pytest.fixture(autouse=True)
def nothing_fails(caplog: pytest.LogCaptureFixture) -> Any:
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def raw(query: str) -> dict[str, Any]:
    """A query string as it came over the wire, byte for byte."""
    return {"environ_overrides": {"QUERY_STRING": query}}


@pytest.mark.parametrize("query", ["q=\xff", "\xff", "q=linen&\xc3=1", "q=\xed\xa0\x80"])
def test_a_query_that_is_no_utf_8_is_malformed(house: House, query: str) -> None:
    assert problem(house.anonymous().get("search", **raw(query))) == (400, "request.malformed")


def test_a_query_in_plain_utf_8_is_read(house: House) -> None:
    found = house.anonymous().get("search", **raw("q=" + "\N{SNOWMAN}".encode().decode("latin-1")))
    assert found.status_code == 200


@pytest.mark.parametrize("path", ["/", "/login", "/search", "/nowhere"])
def test_a_page_asked_for_in_no_utf_8_is_an_error_page(house: House, path: str) -> None:
    page = Visitor(house).get(path, **raw("next=\xff"))
    assert (page.status_code, page.mimetype) == (400, "text/html")
    assert "request.malformed" in page.text


@pytest.mark.parametrize("path", ["/healthz", "/media/images/x", "/static/x"])
def test_what_is_no_page_refuses_it_as_a_problem(house: House, path: str) -> None:
    assert problem(house.anonymous().get(path, **raw("\xff"))) == (400, "request.malformed")


@pytest.mark.parametrize("referer", ["http://[x", "http://[::1", "http://[::1]:99999999/", "//", "\xff"])
def test_a_referer_that_is_no_address_is_none(house: House, referer: str) -> None:
    visitor = Visitor(house)
    visitor.log_in("ann")
    visitor.headers["Referer"] = referer
    assert visitor.post("/language", {"language": "zh"}).status_code == 403  # an error page, drawn under this referer
    changed = visitor.send("/me", "/language", language="zh", next="")
    assert changed.status_code == 200
    assert changed.request.path == "/"


def test_a_form_that_is_too_large_is_an_error_page(house: House) -> None:
    visitor = Visitor(house)
    visitor.log_in("ann")
    page = visitor.post("/notes/" + "note_" + "0" * 26 + "/like", {"on": "b" * 9_000_000})
    assert (page.status_code, page.mimetype) == (413, "text/html")
    assert "body.too_large" in page.text


def test_a_form_that_is_too_large_from_who_is_not_known_leads_to_the_log_in(house: House) -> None:
    page = Visitor(house).client.post("/language", data={"x": "b" * 9_000_000}, headers={"Authorization": "Bearer no"})
    assert (page.status_code, page.location) == (303, "/login")


RUBBISH = (
    "bytes=abc",
    "items=0-5",
    "bytes=10-5",
    "bytes=",
    "bytes",
    "",
    "0-5",
    "bytes=0-1,4-5",
    "bytes=-",
    "bytes=\xb2-",
)


@pytest.mark.parametrize("asked", [*RUBBISH, "bytes=0-" + "9" * 5000])
def test_a_range_that_is_none_is_ignored(house: House, asked: str) -> None:
    ann = house.as_("ann")
    url = upload(ann, picture()).json["url"]
    answer = ann.get(url, headers={"Range": asked}, buffered=True)
    assert answer.status_code == 200
    assert len(answer.data) == answer.content_length > 30


def test_a_range_is_answered_with_that_part(house: House) -> None:
    ann = house.as_("ann")
    url = upload(ann, picture()).json["url"]
    whole = ann.get(url, buffered=True).data
    part = ann.get(url, headers={"Range": "bytes=10-19"}, buffered=True)
    assert (part.status_code, part.data) == (206, whole[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(whole)}"


def test_a_range_past_the_end_is_told_how_long_the_file_is(house: House) -> None:
    ann = house.as_("ann")
    url = upload(ann, picture()).json["url"]
    size = ann.get(url, buffered=True).content_length
    for path, length in ((url, size), ("/static/app.css", None)):
        refused = ann.get(path, headers={"Range": "bytes=9999999-"}, buffered=True)
        assert problem(refused) == (416, "range.not_satisfiable")
        assert refused.json["title"] == "Range not satisfiable"
        assert refused.headers["Content-Range"].startswith(f"bytes */{length or ''}")
