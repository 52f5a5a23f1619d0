"""OpenAPI 3.1, generated from the views that are really there."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from kernel.http import Endpoint

_REF = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "stable, noun.reason"},
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


def document(app: Flask) -> dict[str, Any]:
    """The API of this app as an OpenAPI 3.1 document."""
    views = [
        (rule, app.view_functions[rule.endpoint].endpoint)
        for rule in app.url_map.iter_rules()
        if hasattr(app.view_functions[rule.endpoint], "endpoint")
    ]  # type: ignore[attr-defined]
    models = {model for _, spec in views for model in (spec.body, spec.returns) if model is not None}
    references, schemas = models_json_schema(
        [(model, "serialization") for model in sorted(models, key=lambda m: (m.__module__, m.__name__))],
        ref_template=_REF,
    )
    named = {model: reference["$ref"] for (model, _), reference in references.items()}
    paths: dict[str, dict[str, Any]] = {}
    for rule, spec in sorted(views, key=lambda view: view[0].rule):
        path = _PARAMETER.sub(r"{\1}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            operation = _operation(spec, rule.endpoint, _PARAMETER.findall(rule.rule), named)
            paths.setdefault(path, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Offshelf", "version": "1", "description": "Shoppable notes, live rooms, orders."},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM, **schemas.get("$defs", {})},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "responses": {
                "Problem": {
                    "description": "A refusal",
                    "content": {"application/problem+json": {"schema": {"$ref": _REF.format(model="Problem")}}},
                }
            },
        },
    }


def _operation(
    spec: Endpoint, name: str, path_parameters: list[str], named: dict[type[BaseModel], str]
) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done"}
    if spec.returns is not None:
        success["content"] = {"application/json": {"schema": {"$ref": named[spec.returns]}}}
    operation: dict[str, Any] = {
        "operationId": name.replace(".", "_"),
        "tags": [name.split(".")[0]],
        "summary": spec.summary,
        "parameters": _parameters(spec, path_parameters),
        "responses": {
            str(spec.status if spec.returns else 204): success,
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    if spec.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": named[spec.body]}}},
        }
    if spec.auth:
        operation["security"] = [{"bearer": []}]
    return operation


def _parameters(spec: Endpoint, path_parameters: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in path_parameters
    ]
    if spec.query is not None:
        schema = spec.query.model_json_schema(ref_template=_REF)
        required = schema.get("required", [])
        found += [
            {"name": name, "in": "query", "required": name in required, "schema": part}
            for name, part in schema["properties"].items()
        ]
    if spec.idempotent:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": True,
                "schema": {"type": "string", "maxLength": 128},
            }
        )
    if spec.if_match:
        found.append({"name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"}})
    return found
