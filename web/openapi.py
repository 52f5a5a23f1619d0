"""OpenAPI 3.1, generated from the views that are really there. `python -m web.openapi` prints it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from werkzeug.routing import Rule

from kernel.http import JSON, Endpoint
from web.errors import STATUS, TITLES

Pair = tuple[type[BaseModel], JsonSchemaMode]
Named = dict[Pair, str]
PROBLEM = "application/problem+json"
_REF = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"<(?:([^:<>]+):)?([^<>]+)>")
_ID = {"type": "string", "pattern": "^[a-z]{2,12}_[0-9a-z]{26}$"}
_SAFE = ("get", "head")
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "one sentence for a person"},
        "code": {"type": "string", "pattern": r"^[a-z_]+\.[a-z_]+$", "description": "stable, noun.reason"},
        "request_id": {"type": ["string", "null"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "message"],
                "properties": {"field": {"type": "string"}, "code": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
_HEADERS: dict[str, tuple[str, str]] = {
    "X-Request-Id": ("string", "Names this answer in the server's log"),
    "RateLimit": ("string", 'Units left and seconds until the window is empty: `"default";r=119;t=60`'),
    "RateLimit-Policy": ("string", 'Units per window: `"default";q=120`'),
    "Retry-After": ("integer", "Seconds after which another try makes sense"),
    "ETag": ("string", "The version, for If-Match"),
    "Idempotency-Replayed": ("string", "`true` when this key had been answered before"),
    "WWW-Authenticate": ("string", "`Bearer`"),
}
_ALWAYS = ("X-Request-Id", "RateLimit", "RateLimit-Policy")
_REFUSAL_HEADERS = {401: ("WWW-Authenticate",), 412: (), 429: ("Retry-After",), 503: ("Retry-After",)}


def document(app: Flask) -> dict[str, Any]:
    """The API of this app as an OpenAPI 3.1 document."""
    views = sorted(_views(app), key=lambda view: view[0].rule)
    models = sorted(
        _models(spec for _, spec in views), key=lambda pair: (pair[0].__module__, pair[0].__name__, pair[1])
    )
    named, schemas = shapes(models)
    paths: dict[str, dict[str, Any]] = {}
    for rule, spec in views:
        path = _PARAMETER.sub(r"{\2}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(path, {})[method.lower()] = _operation(spec, rule, method.lower(), named)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Offshelf",
            "version": "1",
            "description": "Shoppable notes, live rooms, orders.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in sorted({_tag(rule) for rule, _ in views})],
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM, **schemas.get("$defs", {})},
            "headers": {
                name: {"description": about, "schema": {"type": kind}} for name, (kind, about) in _HEADERS.items()
            },
            "responses": {f"Problem{status}": _refusal(status) for status in sorted({*STATUS.values(), 414, 415})},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "device": {"type": "apiKey", "in": "header", "name": "X-Device"},
            },
        },
    }


def shapes(models: Sequence[Pair]) -> tuple[Named, dict[str, Any]]:
    """References and schemas by pydantic; where two services use one word, the service's name comes before it."""
    references, schemas = models_json_schema(models, ref_template=_REF)
    named: Named = {pair: _short(reference["$ref"]) for pair, reference in references.items()}  # type: ignore[misc]
    return named, orjson.loads(_short(orjson.dumps(schemas).decode()))


def _short(text: str) -> str:
    return re.sub(r"\b([a-z]+)__schemas__([A-Z])", lambda found: found[1].title() + found[2], text)


def _views(app: Flask) -> Iterator[tuple[Rule, Endpoint]]:
    for rule in app.url_map.iter_rules():
        spec = getattr(app.view_functions[rule.endpoint], "endpoint", None)
        if isinstance(spec, Endpoint):
            yield rule, spec


def _models(specs: Iterator[Endpoint]) -> set[Pair]:
    """What comes in as it is validated, what goes out as it is written: the two differ where there are defaults."""
    found: set[Pair] = set()
    for spec in specs:
        if spec.body is not None:
            found.add((spec.body, "validation"))
        if spec.returns is not None:
            found.add((spec.returns, "serialization"))
    return found


def _operation(spec: Endpoint, rule: Rule, method: str, named: Named) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": rule.endpoint.replace(".", "_"),
        "tags": [_tag(rule)],
        "summary": spec.summary,
        "security": [{"bearer": []}] if spec.auth else [{}, {"bearer": []}, {"device": []}],
        "parameters": [*_in_path(rule), *_in_query(spec), *_in_headers(spec)],
        "responses": {
            str(spec.status if spec.returns else 204): _success(spec, named),
            **_refusals(spec, rule, method),
        },
    }
    if spec.body is not None:
        content = {JSON: {"schema": {"$ref": named[spec.body, "validation"]}}}
        operation["requestBody"] = {"required": True, "content": content}
    elif spec.raw is not None:
        operation["requestBody"] = {"required": True, "content": {spec.raw: {"schema": _raw(spec.raw)}}}
    return operation


def _tag(rule: Rule) -> str:
    return str(rule.endpoint).split(".")[0]


def _raw(content_type: str) -> dict[str, Any]:
    if content_type != "multipart/form-data":
        return {"type": "object"}
    file = {"type": "string", "contentMediaType": "application/octet-stream"}
    return {"type": "object", "required": ["file"], "properties": {"file": file}}


def _success(spec: Endpoint, named: Named) -> dict[str, Any]:
    headers = [*_ALWAYS, *(["ETag"] if spec.etag else []), *(["Idempotency-Replayed"] if spec.idempotent else [])]
    success: dict[str, Any] = {"description": "Done", "headers": _header_refs(headers)}
    if spec.returns is not None:
        success["content"] = {JSON: {"schema": {"$ref": named[spec.returns, "serialization"]}}}
    return success


def _refusals(spec: Endpoint, rule: Rule, method: str) -> dict[str, Any]:
    """Every status an operation can refuse with: by its shape, and by what its service says of it.

    A bad token is refused everywhere (401), an unknown parameter too (422), and a page's request without its CSRF
    token wherever something is changed (403); an address can only grow by its parameters (414).
    """
    found = {401, 422, 429, 503} | {STATUS[kind] for kind in spec.refuses}
    found |= {404} if rule.arguments else set()
    found |= {414} if spec.query is not None else set()
    found |= {403} if method not in _SAFE else set()
    found |= {400, 413, 415} if method in ("post", "put", "patch") else set()
    found |= {400} if spec.query is not None and "cursor" in spec.query.model_fields else set()
    found |= {409} if spec.idempotent else set()
    found |= {412} if spec.if_match or spec.may_match else set()
    return {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in sorted(found)}


def _refusal(status: int) -> dict[str, Any]:
    return {
        "description": TITLES[status],
        "headers": _header_refs([*_ALWAYS, *_REFUSAL_HEADERS.get(status, ())]),
        "content": {PROBLEM: {"schema": {"$ref": _REF.format(model="Problem")}}},
    }


def _header_refs(names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _in_path(rule: Rule) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _ID if kind == "id" else {"type": "string"}}
        for kind, name in _PARAMETER.findall(rule.rule)
    ]


def _in_query(spec: Endpoint) -> list[dict[str, Any]]:
    if spec.query is None:
        return []
    schema = spec.query.model_json_schema(ref_template=_REF)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _present(part)}
        for name, part in schema["properties"].items()
    ]


def _present(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is there or not; it cannot be null."""
    kinds = [part for part in schema.get("anyOf", []) if part != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf" and (name, value) != ("default", None)}
    return {**rest, **kinds[0]}


def _in_headers(spec: Endpoint) -> list[dict[str, Any]]:
    found = []
    if spec.idempotent:
        about = "The same key gets the first answer again; another request under it is refused."
        key = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[\\x20-\\x7e]+$"}
        found.append(_header("Idempotency-Key", True, about, key))
    if spec.if_match or spec.may_match:
        about = "The ETag of the version that was seen."
        found.append(_header("If-Match", spec.if_match, about, {"type": "string"}))
    return found


def _header(name: str, required: bool, about: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "description": about, "schema": schema}
