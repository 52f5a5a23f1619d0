"""AsyncAPI 3, generated from the table of frames that the live namespace really takes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from live import frames
from web.sockets import Auth

Named = dict[Any, str]
_REF = "#/components/schemas/{model}"
_PROBLEM = {
    "type": "object",
    "required": ["code", "detail"],
    "properties": {
        "code": {"type": "string", "description": "stable, noun.reason"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}


def document() -> dict[str, Any]:
    """The socket interface as an AsyncAPI 3.0 document."""
    models: list[type[BaseModel]] = [Auth]
    models += [frame.body for frame in (*frames.IN.values(), *frames.OUT.values())]
    models += [f.ack for f in frames.IN.values() if f.ack is not None]
    unique = sorted(set(models), key=lambda model: (model.__module__, model.__name__))
    references, schemas = models_json_schema([(model, "serialization") for model in unique], ref_template=_REF)
    named: Named = {model: reference["$ref"] for (model, _), reference in references.items()}
    taken = {name: _message(name, frame, named) for name, frame in frames.IN.items()}
    sent = {name: _message(name, frame, named) for name, frame in frames.OUT.items()}
    acks = {f"{name}.ack": _ack(name, frame, named) for name, frame in frames.IN.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Offshelf live rooms", "version": "1", "description": "Socket.IO, namespace /live."},
        "defaultContentType": "application/json",
        "channels": {
            "live": {
                "address": "/live",
                "description": "Connect with auth {token}, or none to watch only. Every frame is acked.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in {**taken, **sent, **acks}},
            }
        },
        "operations": {
            **{_operation_id(name): _receive(name) for name in taken},
            **{_operation_id(name): _send(name) for name in sent},
        },
        "components": {
            "messages": {**taken, **sent, **acks},
            "schemas": {"Problem": _PROBLEM, **schemas.get("$defs", {})},
        },
    }


def _message(name: str, frame: frames.Frame, named: Named) -> dict[str, Any]:
    return {"name": name, "summary": frame.summary, "payload": {"$ref": named[frame.body]}}


def _ack(name: str, frame: frames.Frame, named: Named) -> dict[str, Any]:
    done: dict[str, Any] = {"type": "object", "required": ["ok"], "properties": {"ok": {"const": True}}}
    refused = {
        "type": "object",
        "required": ["ok", "problem"],
        "properties": {"ok": {"const": False}, "problem": {"$ref": _REF.format(model="Problem")}},
    }
    # beside, not within: the shapes close themselves, and `ok` is not theirs
    if frame.ack is not None:
        done["description"] = f"`ok` and the fields of {frame.ack.__name__}"
        done["x-fields"] = {"$ref": named[frame.ack]}
    return {"name": f"{name}.ack", "payload": {"oneOf": [done, refused]}}


def _receive(name: str) -> dict[str, Any]:
    reply = {"channel": {"$ref": "#/channels/live"}, "messages": [_in_channel(f"{name}.ack")]}
    return {
        "action": "receive",
        "channel": {"$ref": "#/channels/live"},
        "messages": [_in_channel(name)],
        "reply": reply,
    }


def _send(name: str) -> dict[str, Any]:
    return {"action": "send", "channel": {"$ref": "#/channels/live"}, "messages": [_in_channel(name)]}


def _in_channel(name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/live/messages/{name}"}


def _operation_id(name: str) -> str:
    return name.replace(".", "_")
