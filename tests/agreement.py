"""What the API answers agrees with what its documents say: asked of every answer and frame that a test gets."""

from __future__ import annotations

import functools
from threading import Lock
from typing import Any

from flask import Flask
from jsonschema import Draft202012Validator
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from web.openapi import PROBLEM, document

Operation = dict[str, Any]


@functools.cache
def described() -> dict[str, Any]:
    """The document, made once for the whole run."""
    from web.app import add_services

    app = Flask("described")
    add_services(app)
    return document(app)


@functools.cache
def operations() -> dict[tuple[str, str], Operation]:
    """(method, path template) -> operation."""
    return {
        (method.upper(), path): operation
        for path, methods in described()["paths"].items()
        for method, operation in methods.items()
    }


@functools.cache
def _by_id() -> dict[tuple[str, str], Operation]:
    return {(method, operation["operationId"]): operation for (method, _), operation in operations().items()}


@functools.cache
def validator(reference: str) -> Draft202012Validator:
    """The validator of a schema by its `$ref`."""
    return Draft202012Validator({"$ref": reference, "components": described()["components"]})


def check(app: Flask, method: str, path: str, response: TestResponse) -> None:
    """Assert that the document foresees this status and that the answer has the shape it promises."""
    try:
        endpoint, _ = app.url_map.bind("").match(path.partition("?")[0], method)
    except HTTPException:
        return
    operation = _by_id().get((method, endpoint.replace(".", "_")))
    if operation is None:
        return
    answers = operation["responses"]
    said = f"{method} {path} answered {response.status_code}"
    if response.status_code >= 500 and response.status_code != 503:
        return
    assert str(response.status_code) in answers, f"{said}, which is not described: {response.get_data(as_text=True)}"
    answer = answers[str(response.status_code)]
    if "$ref" in answer:
        assert response.content_type == PROBLEM, said
        _fits("#/components/schemas/Problem", response, said)
        assert response.json is not None
        # Engines that a test puts in the place of ours are away in words of their own.
        known = response.status_code == 503 or response.status_code in _codes().get(response.json["code"], ())
        assert known, f"{said} with {response.json['code']}, which the code never says: see web/documents.py"
    elif "content" in answer:
        _fits(answer["content"]["application/json"]["schema"]["$ref"], response, said)
    else:
        assert response.get_data() == b"", said


@functools.cache
def _frames() -> dict[str, Any]:
    from web import asyncapi

    return asyncapi.document()


@functools.cache
def _frame(name: str) -> Draft202012Validator:
    components = _frames()["components"]
    return Draft202012Validator({**components["messages"][name]["payload"], "components": components})


def check_frame(name: str, data: Any) -> None:
    """Assert that a frame from the server, or an ack (`room.join.ack`), has the shape that AsyncAPI promises."""
    if name in _frames()["components"]["messages"]:
        wrong = next(_frame(name).iter_errors(data), None)
        assert wrong is None, f"{name} {data}: {wrong.message[:300] if wrong else ''}"


_READING = Lock()
"""Python 3.11 cannot parse in two threads at once, which tests that ask at once would do."""


def _codes() -> dict[str, set[int]]:
    with _READING:
        return _raised()


@functools.cache
def _raised() -> dict[str, set[int]]:
    from web import documents

    return documents.raised()


def _fits(reference: str, response: TestResponse, said: str) -> None:
    wrong = next(validator(reference).iter_errors(response.json), None)
    assert wrong is None, f"{said}: {wrong.json_path if wrong else ''} {wrong.message[:300] if wrong else ''}"
