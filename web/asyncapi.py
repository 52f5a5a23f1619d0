"""AsyncAPI 3, generated from the table of frames that the live namespace really takes."""

from __future__ import annotations

from typing import Any

from live import frames
from web.openapi import Pair, shapes
from web.sockets import Auth

Schema = dict[str, Any]
_PROBLEM: Schema = {
    "type": "object",
    "required": ["code", "detail"],
    "properties": {
        "code": {"type": "string", "description": "stable, noun.reason"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
_REFUSED: Schema = {
    "type": "object",
    "required": ["ok", "problem"],
    "properties": {"ok": {"const": False}, "problem": {"$ref": "#/components/schemas/Problem"}},
}


def document() -> dict[str, Any]:
    """The socket interface as an AsyncAPI 3.0 document."""
    named, schemas = shapes(sorted(_models(), key=lambda pair: (pair[0].__module__, pair[0].__name__, pair[1])))
    defined = schemas["$defs"]
    taken = {n: _message(n, f, named[f.body, "validation"]) for n, f in frames.IN.items()}
    sent = {n: _message(n, f, named[f.body, "serialization"]) for n, f in frames.OUT.items()}
    acks = {
        f"{n}.ack": _ack(n, {} if f.ack is None else defined[named[f.ack, "validation"].rpartition("/")[2]])
        for n, f in frames.IN.items()
    }
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
        "components": {"messages": {**taken, **sent, **acks}, "schemas": {"Problem": _PROBLEM, **defined}},
    }


def _models() -> set[Pair]:
    """What comes in, and acks with the fields that may be absent, as validated; what goes out, as written."""
    found: set[Pair] = {(Auth, "validation")}
    found |= {(frame.body, "validation") for frame in frames.IN.values()}
    found |= {(frame.ack, "validation") for frame in frames.IN.values() if frame.ack is not None}
    return found | {(frame.body, "serialization") for frame in frames.OUT.values()}


def _message(name: str, frame: frames.Frame, reference: str) -> dict[str, Any]:
    return {"name": name, "summary": frame.summary, "payload": {"$ref": reference}}


def _ack(name: str, shape: Schema) -> dict[str, Any]:
    """`ok` stands among the fields of the answer: the shape closes itself, so it is written out with `ok` in it."""
    done = {
        "type": "object",
        "required": ["ok", *shape.get("required", [])],
        "properties": {"ok": {"const": True}, **shape.get("properties", {})},
        "additionalProperties": False,
    }
    return {"name": f"{name}.ack", "payload": {"oneOf": [done, _REFUSED]}}


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
