"""Bad requests, made from the OpenAPI document: a valid example of a schema, and all that may be wrong with it."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

from tests import agreement

Schema = dict[str, Any]
Path = tuple[str | int, ...]
SAMPLES = (
    "a" * 8,
    "note_" + "0" * 26,
    "/media/images/a.webp",
    "+86 138 0000 0000",
    "dau,gmv",
    "k1",
    "/media/images/" + "0" * 64 + ".webp",
)
FREE_TEXT = {"password"}
"""Fields that take any character, because nobody is ever shown them."""
VALUES: tuple[Any, ...] = (
    None, True, 7, -1, 1.5, 10**30, "x", "", [], {}, [[]], ["x"], {"x": {"y": 1}}, "x" * 30_000,
)  # fmt: skip
TEXTS = ("a\x00b", "a\x1bb", "a\x7fb", "a\u202eb", "a\u2066b", "a\ufeffb", "a\ue000b")
TOKENS = ("NaN", "Infinity", "-Infinity", "1e400", "1" + "0" * 5000, '"\\ud800"', '"a\\udc00b"', "'x'", "0x10")
BODIES = (
    b"", b"{", b"nonsense", b"[]", b"null", b"7", b'"x"', b"{}{}", b"\xff\xfe{}", b'{"a": "\\ud800"}', b"[" * 100_000,
    b'{"a":' * 100_000, b'{"a":' * 150 + b"1" + b"}" * 150, '{"a": 1}'.encode("utf-16"), b'{"\x00": 1}',
    b'{"' + b"x" * 300_000 + b'": 1}',
)  # fmt: skip
KINDS = (None, "text/plain", "application/x-www-form-urlencoded", "text/html", "application/jsonp", "nonsense")
NUMBERS = ("abc", "-1", "0", "1.5", "1e9", "9" * 30, "9" * 5000, "NaN", "", "true", "0x10", "1\x00")
WORDS = ("zzz", "\x00", "a\u202eb", "x" * 5000)


def _cursor(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


PARTS = (0, -1, 2**61, 10**30, 1e299, float("nan"), float("inf"), "", "\x00", "\ud800", "x" * 500, None, True, [[]], {})
CURSORS = (
    "x", "====", "\x00", "é", "💩", "A" * 5000, "null", "eA", _cursor({}), _cursor([[[[[]]]]]), _cursor("x"),
    *(_cursor([part]) for part in PARTS),
    *(_cursor([part, "note_" + "0" * 26]) for part in PARTS),
    *(_cursor([part, -1.0, "case_" + "0" * 26]) for part in PARTS),
    *(_cursor([0.0, part, "case_" + "0" * 26]) for part in PARTS),
    *(_cursor(["2026-11-22", part]) for part in PARTS),
    base64.urlsafe_b64encode(b"[" * 700).decode(),
)  # fmt: skip
IDS = (
    "x", "note_", "note_x", "NOTE_" + "0" * 26, "note_" + "0" * 25 + "%00", "note_" + "0" * 27, "..%2f..",
    "%F0%9F%92%A9", "%ff", "note-" + "0" * 26, "a" * 9000, "'%20OR%201=1",
)  # fmt: skip
TOKENS_OF_NOBODY = (
    "Bearer",
    "Bearer ",
    "Bearer x",
    "Bearer " + "x" * 5000,
    "Basic eDp5",
    "x",
    "Bearer \xe9",
    "bearer a b c",
    "Token x",
)
KEYS = ("", "x" * 129, "\xe9", "a\tb")


def resolved(schema: Schema) -> Schema:
    """The schema behind a reference, and of alternatives the first that is not null."""
    while True:
        if "$ref" in schema:
            schema = agreement.described()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        elif "anyOf" in schema:
            schema = next(part for part in schema["anyOf"] if part != {"type": "null"})
        else:
            return schema


def example(schema: Schema) -> Any:
    """Something valid, with every field there."""
    schema = resolved(schema)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: example(part) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [example(schema["items"])]
        case "integer" | "number":
            return max(schema.get("minimum", 1), 1)
        case "boolean":
            return True
        case "string":
            return _text(schema)
    return "x"


def _text(schema: Schema) -> str:
    if schema.get("format") in ("date", "date-time"):
        return "2026-12-22" + ("T04:00:00Z" if schema["format"] == "date-time" else "")
    if "pattern" not in schema:
        return "linen" * 2
    fitting = [sample for sample in SAMPLES if re.search(schema["pattern"], sample)]
    assert fitting, f"add a sample for {schema['pattern']}"
    return fitting[0]


def leaves(schema: Schema, at: Path = ()) -> Iterator[tuple[Path, Schema]]:
    """Every place in `example(schema)`, outermost first, with its schema."""
    inner = resolved(schema)
    yield at, schema
    if inner.get("type") == "object":
        for name, part in inner.get("properties", {}).items():
            yield from leaves(part, (*at, name))
    elif inner.get("type") == "array":
        yield from leaves(inner["items"], (*at, 0))


def bad_bodies(reference: Schema) -> Iterator[tuple[str, bytes]]:
    """(what is wrong, the bytes): each breaks the schema in one place."""
    good = example(reference)
    holds = agreement.validator(reference["$ref"])
    assert holds.is_valid(good), (good, next(holds.iter_errors(good)).message)
    for at, schema in leaves(reference):
        yield from _without(good, at, schema, holds)
        if resolved(schema).get("type") == "object" and "properties" in resolved(schema):
            yield f"extra field in {at}", _with(good, (*at, "surprise"), '"x"')
        for value in VALUES:
            if at and _breaks(good, at, schema, value, holds):
                yield f"{at} = {str(value)[:20]!r}", _with(good, at, json.dumps(value))
        if at and resolved(schema).get("type") == "string" and at[-1] not in FREE_TEXT:
            for text in TEXTS:
                yield f"{at} = {text!r}", _with(good, at, json.dumps(text))
        if at and "type" in resolved(schema):
            for token in TOKENS:
                yield f"{at} = {token[:20]}", _with(good, at, token)


def _without(good: Any, at: Path, schema: Schema, holds: Draft202012Validator) -> Iterator[tuple[str, bytes]]:
    if not at or not isinstance(at[-1], str):
        return
    less = copy.deepcopy(good)
    del _inside(less, at[:-1])[at[-1]]
    if not holds.is_valid(less):
        yield f"no {at}", json.dumps(less).encode()


def _breaks(good: Any, at: Path, schema: Schema, value: Any, holds: Draft202012Validator) -> bool:
    if isinstance(value, str) and resolved(schema).get("format"):
        return True
    other = copy.deepcopy(good)
    _inside(other, at[:-1])[at[-1]] = value
    return not holds.is_valid(other)


def _with(good: Any, at: Path, token: str) -> bytes:
    """The example with raw JSON in one place, valid JSON or not."""
    other = copy.deepcopy(good)
    _inside(other, at[:-1])[at[-1]] = "@here@"
    return json.dumps(other).replace('"@here@"', token).encode("utf-8", "surrogatepass")


def _inside(value: Any, at: Path) -> Any:
    for step in at:
        value = value[step]
    return value


def bad_values(name: str, schema: Schema) -> tuple[str, ...]:
    """Query values that a parameter with this schema must refuse."""
    if name == "cursor":
        return ()  # cursors have a test of their own: some of them might be somebody's
    kind = schema.get("type")
    if kind == "integer":
        least = schema.get("minimum", 0)
        return tuple(number for number in NUMBERS if number != "0" or least > 0)
    return (
        ("\x00", "a\u202eb", "x" * 5000)
        if kind == "string" and "enum" not in schema and "format" not in schema
        else WORDS
    )
