"""The documents of the interfaces: valid, whole, committed as they are generated, and true of every answer in the tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import validate

from kernel.http import Endpoint
from tests.agreement import described, operations
from tests.house import House
from web import asyncapi, documents

REFRESH = "refresh it: python -m web.documents"
RENDERED = documents.rendered()


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (found for name, part in value.items() for found in ([part] if name == "$ref" else references(part)))
    elif isinstance(value, list):
        yield from (found for part in value for found in references(part))


def test_the_document_is_valid_openapi() -> None:
    validate(described())


def test_the_server_serves_the_documents(house: House) -> None:
    assert house.anonymous().get("openapi.json").json == described()
    assert house.anonymous().get("asyncapi.json").json == asyncapi.document()


def test_who_has_a_document_is_not_sent_it_again(house: House) -> None:
    for name in ("openapi.json", "asyncapi.json"):
        known = house.anonymous().get(name).headers["ETag"]
        again = house.anonymous().get(name, headers={"If-None-Match": known})
        assert (again.status_code, again.get_data()) == (304, b"")
        assert house.anonymous().get(name, headers={"If-None-Match": '"another"'}).status_code == 200


@pytest.mark.parametrize("path", RENDERED, ids=lambda path: path.name)
def test_what_is_committed_is_what_the_code_says(path: Any) -> None:
    assert path.read_text() == RENDERED[path], REFRESH


def test_every_view_of_the_api_is_described(house: House) -> None:
    known = {operation["operationId"] for operation in operations().values()}
    rules = [rule for rule in house.app.url_map.iter_rules() if rule.rule.startswith("/api/")]
    named = {rule.endpoint for rule in rules} - {"openapi", "asyncapi"}
    assert {name.replace(".", "_") for name in named} == known
    assert all(isinstance(house.app.view_functions[name].endpoint, Endpoint) for name in named)  # type: ignore[attr-defined]


def test_operations_have_names_of_their_own_and_a_summary() -> None:
    ids = [operation["operationId"] for operation in operations().values()]
    assert len(set(ids)) == len(ids)
    assert [name for name, operation in operations().items() if operation["summary"][-1] not in ".?"] == []


def test_every_shape_that_comes_in_is_closed() -> None:
    schemas, seen = described()["components"]["schemas"], set()
    waiting = [ref for op in operations().values() for ref in references(op.get("requestBody", {}))]
    while waiting:
        name = waiting.pop().rpartition("/")[2]
        if name not in seen:
            seen.add(name)
            waiting += references(schemas[name])
            assert schemas[name].get("additionalProperties") is False, name


def test_what_comes_in_is_described_as_it_is_validated() -> None:
    draft = described()["components"]["schemas"]["NoteDraft"]
    assert draft.get("required", []) == []
    assert draft["properties"]["images"]["items"]["$ref"].endswith("ImageIn")
    assert "sku" in described()["components"]["schemas"]["LineIn"]["required"]


def test_an_upload_is_multipart_with_one_file() -> None:
    content = operations()["POST", "/api/v1/media"]["requestBody"]["content"]
    assert list(content) == ["multipart/form-data"]
    assert content["multipart/form-data"]["schema"]["required"] == ["file"]


def test_headers_are_described() -> None:
    edit = operations()["PATCH", "/api/v1/notes/{note_id}"]
    assert [p["required"] for p in edit["parameters"] if p["name"] == "If-Match"] == [True]
    assert {"ETag", "RateLimit", "RateLimit-Policy", "X-Request-Id"} <= edit["responses"]["200"]["headers"].keys()
    place = operations()["POST", "/api/v1/orders"]
    assert [p["required"] for p in place["parameters"] if p["name"] == "Idempotency-Key"] == [True]
    assert "Idempotency-Replayed" in place["responses"]["200"]["headers"]
    problems = described()["components"]["responses"]
    assert "Retry-After" in problems["Problem429"]["headers"]
    assert "WWW-Authenticate" in problems["Problem401"]["headers"]


def test_parameters_are_there_or_not_and_never_null() -> None:
    found = [p for op in operations().values() for p in op["parameters"] if p["in"] == "query"]
    assert {p["name"] for p in found} >= {"cursor", "limit", "q", "from", "to"}
    assert [p["name"] for p in found if {"type": "null"} in p["schema"].get("anyOf", [])] == []


def test_every_problem_code_has_one_meaning_and_no_meaning_is_left_over() -> None:
    lines = [line.split()[0] for line in documents.MEANINGS.read_text().splitlines() if line and line[0] != "#"]
    assert len(set(lines)) == len(lines)
    assert set(lines) == set(documents.raised()) | documents.of_fields(), f"{documents.MEANINGS}; then {REFRESH}"
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*", code) for code in lines)
    assert all(meaning.endswith(".") for meaning in documents.meanings().values())


def test_the_socket_document_refers_only_to_what_is_there() -> None:
    document = asyncapi.document()
    assert document["asyncapi"] == "3.0.0"
    for reference in references(document):
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    replies = {name for name, op in document["operations"].items() if op["action"] == "receive" and "reply" in op}
    assert {"room_join", "chat_send", "offer_quote", "order_purchase"} <= replies
