"""Bad input at every operation of the API: a clear problem with a code, nothing changed, and the house still stands.

The cases are made from the OpenAPI document, so a new operation is tested the day it is written.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote as escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from kernel.clock import FrozenClock
from kernel.config import Settings
from kernel.idempotency import new_key
from kernel.ports import KeyValue
from tests import rubbish
from tests.agreement import operations
from tests.conftest import NOON
from tests.house import Client, House, problem
from tests.world import World, populate
from web.auth import SESSION_COOKIE, csrf_token

OPERATIONS = operations()
ALL = sorted(OPERATIONS)
WRITING = [op for op in ALL if op[0] in ("POST", "PUT", "PATCH")]
WITH_JSON = [op for op in ALL if "application/json" in OPERATIONS[op].get("requestBody", {}).get("content", {})]
PARSED = [op for op in WITH_JSON if "$ref" in OPERATIONS[op]["requestBody"]["content"]["application/json"]["schema"]]
WITH_CURSOR = [op for op in ALL if any(p["name"] == "cursor" for p in OPERATIONS[op]["parameters"])]
WITH_PATH = [op for op in ALL if "{" in op[1]]
# What anybody may do with somebody else's things; everything else with an id in its path must refuse a stranger.
PUBLIC = {
    "accounts_profile", "accounts_follow", "accounts_unfollow", "accounts_block", "accounts_unblock", "notes_by_author",
    "notes_note", "notes_like", "notes_unlike", "notes_save", "notes_unsave", "notes_comments", "notes_comment",
    "live_room", "live_events", "live_recent_chat", "live_say", "shop_product", "shop_sku",
}  # fmt: skip
PROBE = settings(
    max_examples=250, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None
)


@pytest.fixture(scope="module")
def world(shared_kv: KeyValue, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all: whatever is refused leaves it as it was."""
    values: dict[str, Any] = {"encoder": "hash", "rate_limits": False, "secret": secrets.token_hex(20)}
    house = House(Settings(data=tmp_path_factory.mktemp("bad"), **values), FrozenClock(NOON), shared_kv)
    yield populate(house)
    house.close()


@pytest.fixture
def unchanged(world: World) -> Iterator[None]:
    """Nothing is changed by the test, and the app answers afterwards."""
    before = world.digest()
    yield
    after = world.digest()
    assert [name for name in before if before[name] != after[name]] == []
    assert world.stranger.get("me").status_code == 200


def address(world: World, op: tuple[str, str], **things: str) -> str:
    """The path of an operation, filled in."""
    return op[1].format(**{**world.things, **things})


def send(
    world: World, op: tuple[str, str], client: Client | None = None, path: str = "", **options: Any
) -> TestResponse:
    """A request that is right but for what the test makes wrong."""
    headers = {"Idempotency-Key": new_key(), "If-Match": '"1"', **options.pop("headers", {})}
    headers = {name: value for name, value in headers.items() if value is not None}
    path = path or address(world, op) + required_query(op)
    return (client or world.stranger)._open(op[0], path, headers=headers, **options)


def required_query(op: tuple[str, str], but: str = "") -> str:
    needed = [p for p in OPERATIONS[op]["parameters"] if p["in"] == "query" and p["required"] and p["name"] != but]
    return "?" + "&".join(f"{p['name']}={rubbish.example(p['schema'])}" for p in needed)


def valid(op: tuple[str, str]) -> dict[str, Any]:
    """The body of a request that is right."""
    if op in PARSED:
        schema = OPERATIONS[op]["requestBody"]["content"]["application/json"]["schema"]
        return {"json": rubbish.example(schema)}
    return {}


def refused(response: TestResponse, *statuses: int) -> str:
    status, code = problem(response)
    assert status in statuses, (status, code, response.json)
    assert len(response.data) < 20_000, "a refusal repeats what came in"
    return code


@pytest.mark.parametrize("op", PARSED, ids=" ".join)
def test_every_field_is_checked(world: World, op: tuple[str, str], unchanged: None) -> None:
    schema = OPERATIONS[op]["requestBody"]["content"]["application/json"]["schema"]
    for wrong, body in rubbish.bad_bodies(schema):
        answer = send(world, op, data=body, content_type="application/json")
        assert answer.status_code in (400, 422), (wrong, answer.status_code, answer.get_data(as_text=True)[:300])
        assert refused(answer, 400, 422) in ("json.malformed", "request.invalid"), wrong
        if answer.status_code == 422:
            assert all(error["field"] and error["code"] for error in answer.json["errors"]), wrong


@pytest.mark.parametrize("op", WRITING, ids=" ".join)
def test_what_is_no_json_or_not_ours_is_refused(world: World, op: tuple[str, str], unchanged: None) -> None:
    expected = next(iter(OPERATIONS[op].get("requestBody", {}).get("content", {})), "application/json")
    for body in rubbish.BODIES:
        if body or op in PARSED:
            refused(send(world, op, data=body, content_type=expected), 400, 403, 422)
    for kind in rubbish.KINDS:
        answer = send(world, op, data=b'{"x": 1}', content_type=kind)
        assert refused(answer, 415) == "body.unsupported_media_type"
    answer = send(world, op, data=b"{" + b" " * 10 * 2**20 + b"}", content_type=expected)
    assert refused(answer, 413) == "body.too_large"


@pytest.mark.parametrize("op", ALL, ids=" ".join)
def test_every_parameter_is_checked(world: World, op: tuple[str, str], unchanged: None) -> None:
    base = address(world, op)
    declared = [p for p in OPERATIONS[op]["parameters"] if p["in"] == "query"]
    for extra in ("surprise=1", "a=1&a=2", "%00=%00", "limit=1&limit=2", "%ff=1", "x" * 3000 + "=1"):
        path = f"{base}{required_query(op)}&{extra}"
        assert refused(send(world, op, path=path, **valid(op)), 422) == "request.invalid"
    for parameter in declared:
        rest = required_query(op, but=parameter["name"])
        if parameter["required"]:
            refused(send(world, op, path=base + rest), 422)
        for value in rubbish.bad_values(parameter["name"], parameter["schema"]):
            refused(send(world, op, path=f"{base}{rest}&{parameter['name']}={escape(value)}"), 400, 422)


@pytest.mark.parametrize("op", WITH_CURSOR, ids=" ".join)
def test_absurd_cursors_are_refused_or_end_the_list(world: World, op: tuple[str, str]) -> None:
    for client in (world.stranger, world.staff):
        for cursor in rubbish.CURSORS:
            answer = send(world, op, client, path=f"{address(world, op)}{required_query(op)}&cursor={escape(cursor)}")
            assert answer.status_code in (200, 400, 403, 422), (cursor, answer.get_data(as_text=True))
            if answer.status_code == 400:
                assert problem(answer) == (400, "cursor.malformed")


@pytest.mark.parametrize("op", WITH_PATH, ids=" ".join)
def test_malformed_and_unknown_ids_are_not_found(world: World, op: tuple[str, str], unchanged: None) -> None:
    names = [p["name"] for p in OPERATIONS[op]["parameters"] if p["in"] == "path" and p["name"] != "key"]
    for name in names:
        for wrong in rubbish.IDS:
            answer = send(world, op, world.staff, address(world, op, **{name: wrong}) + required_query(op), **valid(op))
            assert refused(answer, 404) == "resource.not_found"
        unknown = world.things[name].partition("_")[0] + "_" + "0" * 26
        answer = send(world, op, world.staff, address(world, op, **{name: unknown}) + required_query(op), **valid(op))
        if op[0] == "DELETE" and answer.status_code == 204:
            continue  # what is absent is as good as deleted
        assert refused(answer, 403, 404, 409), name


@pytest.mark.parametrize("op", ALL, ids=" ".join)
def test_tokens_of_nobody_are_refused(world: World, op: tuple[str, str], unchanged: None) -> None:
    nobody = world.house.anonymous()
    codes = set()
    for token in rubbish.TOKENS_OF_NOBODY:
        answer = send(world, op, nobody, headers={"Authorization": token}, **valid(op))
        codes.add(refused(answer, 401))
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert codes == {"session.malformed", "session.invalid"}
    assert refused(send(world, op, world.expired, **valid(op)), 401) == "session.expired"
    if OPERATIONS[op]["security"] == [{"bearer": []}]:
        assert refused(send(world, op, nobody, **valid(op)), 401) == "session.required"


@pytest.mark.parametrize("op", [op for op in ALL if op[0] != "GET"], ids=" ".join)
def test_a_pages_session_changes_nothing_without_its_csrf_token(
    world: World, op: tuple[str, str], unchanged: None
) -> None:
    token = world.stranger.headers["Authorization"].partition(" ")[2]
    other = csrf_token(world.staff.headers["Authorization"].partition(" ")[2])
    for csrf in (None, "", "x", "\xe9", other):
        headers = {"Cookie": f"{SESSION_COOKIE}={token}", "X-CSRF-Token": csrf}
        answer = send(world, op, world.house.anonymous(), headers=headers, **valid(op))
        assert refused(answer, 403) == "csrf.missing"


@pytest.mark.parametrize("op", ALL, ids=" ".join)
def test_keys_and_versions_are_checked(world: World, op: tuple[str, str], unchanged: None) -> None:
    headers = {p["name"]: p["required"] for p in OPERATIONS[op]["parameters"] if p["in"] == "header"}
    if "Idempotency-Key" in headers:
        assert (
            refused(send(world, op, headers={"Idempotency-Key": None}, **valid(op)), 422) == "idempotency.key_missing"
        )
        for key in rubbish.KEYS:
            answer = send(world, op, headers={"Idempotency-Key": key}, **valid(op))
            assert refused(answer, 422) == "idempotency.key_malformed"
    if headers.get("If-Match"):
        assert refused(send(world, op, headers={"If-Match": None}, **valid(op)), 412) == "version.missing"


@pytest.mark.parametrize("op", [op for op in WITH_PATH if OPERATIONS[op]["operationId"] not in PUBLIC], ids=" ".join)
def test_what_is_somebody_elses_is_left_alone(world: World, op: tuple[str, str], unchanged: None) -> None:
    for client in (world.stranger, world.house.anonymous()):
        refused(send(world, op, client, **valid(op)), 401, 403, 404)


@pytest.mark.parametrize("op", [op for op in WITH_PATH if "{note_id}" in op[1]], ids=" ".join)
def test_a_draft_is_as_good_as_absent(world: World, op: tuple[str, str], unchanged: None) -> None:
    path = address(world, op, note_id=world.things["draft_id"])
    assert refused(send(world, op, path=path, **valid(op)), 404) == "note.not_found"


def test_lists_hold_only_what_is_ones_own(world: World) -> None:
    for path in ("orders", "notices", "me/notes", "me/saves"):
        assert world.stranger.get(path).json["items"] == [], path
    assert problem(world.stranger.get("me/creator-application")) == (404, "application.not_found")


def test_somebody_elses_quote_cannot_be_ordered(world: World) -> None:
    sku = world.things["sku_id"]
    mine = world.staff.post("quotes", {"lines": [{"sku": sku}]}).json["quote"]
    before = world.digest()
    assert problem(world.stranger.post("orders", {"quote": mine})) == (404, "quote.not_found")
    assert world.digest() == before


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "X", "GET", "DELETE", "PATCH"])
def test_paths_and_methods_that_are_not_there(world: World, method: str, unchanged: None) -> None:
    for path in ("/api/v1/nothing", "/api/v1//notes", "/api/v1/notes/", "/api/v2/me", "/api/", "/api/v1/%00"):
        assert refused(world.stranger._open(method, path), 404, 405) in ("resource.not_found", "method.not_allowed")
    answer = world.stranger._open("PATCH" if method == "GET" else method, "/api/v1/feed")
    assert problem(answer) == (405, "method.not_allowed") or method == "GET"


LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.sampled_from(rubbish.TEXTS)
ANY_JSON = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@PROBE
@given(op=st.sampled_from(WITH_JSON), body=ANY_JSON, data=st.data())
def test_any_json_gets_an_answer_in_our_voice(
    world: World, op: tuple[str, str], body: Any, data: st.DataObject
) -> None:
    if op in PARSED and isinstance(body, dict):
        good = valid(op)["json"]
        kept = data.draw(st.sets(st.sampled_from(sorted(good)))) if good else set()
        body = {**{name: good[name] for name in kept}, **body}
    text = json.dumps(body).encode()
    answer = send(world, op, data=text, content_type="application/json")
    assert answer.status_code < 500, (op, text, answer.get_data(as_text=True))
    if answer.status_code >= 400:
        problem(answer)


@PROBE
@given(
    op=st.sampled_from(ALL),
    query=st.binary(max_size=60),
    tail=st.text(max_size=12),
    tag=st.text(st.characters(max_codepoint=255, min_codepoint=32), max_size=20),
)
def test_any_address_gets_an_answer_in_our_voice(
    world: World, op: tuple[str, str], query: bytes, tail: str, tag: str
) -> None:
    path = f"{address(world, op)}{escape(tail)}?{escape(query, safe='&=;%')}"
    answer = send(world, op, path=path, headers={"If-Match": tag, "X-Device": tag, "X-Request-Id": tag})
    assert answer.status_code < 500, (op, path, answer.get_data(as_text=True))
    if answer.status_code >= 400:
        problem(answer)
