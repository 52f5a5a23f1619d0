"""How a view is made: parse, one call, present. The only kernel file that knows Flask."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any, TypeVar, cast

import orjson
from flask import Blueprint, Response, current_app, g, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from kernel.actor import ANONYMOUS, Actor
from kernel.errors import AppError, FieldError, Invalid, Malformed, PreconditionFailed, TooMany
from kernel.idempotency import Answer, check_key
from kernel.ports import Allowance, KeyValue
from kernel.schema import Schema

T = TypeVar("T")
View = Callable[..., Any]


@dataclass(frozen=True)
class Rate:
    """At most `limit` calls per `window` seconds and person (or address, for who has none). `by_address`: whoever it is,
    for what is asked before anybody is known, because a device is to be had for the asking."""

    limit: int
    window: float
    by_address: bool = False


READ_RATE = Rate(600, 60)
WRITE_RATE = Rate(120, 60)
JSON = "application/json"
JSON_LIMIT = 2**20
"""No command needs more JSON than this many bytes; only uploads may be as large as the server takes."""
_NAME_LIMIT = 80
_BODYLESS = ("GET", "HEAD", "DELETE", "OPTIONS")


class Nothing(Schema):
    """Neither parameters nor fields: what a view takes that declares none."""


@dataclass(frozen=True)
class Endpoint:
    """What the generated OpenAPI document says of a view."""

    summary: str
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    returns: type[BaseModel] | None
    status: int
    auth: bool
    idempotent: bool
    if_match: bool
    etag: str | None
    rate: Rate
    raw: str | None
    may_match: bool
    refuses: tuple[type[AppError], ...]


def register(service: type[T], instance: T) -> None:
    """Make `instance` what `find(service)` gives in this app."""
    current_app.extensions.setdefault("offshelf", {})[service] = instance


def find(service: type[T]) -> T:
    """The service of this app, by its class."""
    return cast(T, current_app.extensions["offshelf"][service])


def current_actor() -> Actor:
    """Who makes this request; `web/auth.py` has found out."""
    return cast(Actor, g.get("actor", ANONYMOUS))


def late_actor() -> Actor:
    """Who makes a request that `web/auth.py` lets in without asking: asked only where the answer depends on it."""
    return cast(Actor, g.ask_actor())


def endpoint(
    *,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    returns: type[BaseModel] | None = None,
    status: int = 200,
    auth: bool = True,
    idempotent: bool = False,
    if_match: bool = False,
    etag: str | None = None,
    rate: Rate | None = None,
    raw: str | None = None,
    may_match: bool = False,
    refuses: tuple[type[AppError], ...] = (),
) -> Callable[[View], View]:
    """Turn a function into a JSON view.

    It gets `actor`, the path's parameters, and as declared `body`, `query`, `key` (the Idempotency-Key) and
    `if_match` (the ETag without quotes; None where `may_match` and there is none). It returns a model, a dict, an
    `Answer`, or None for 204. `etag` names the field of the result that is the version. `raw` is the content type of
    a body that the view reads by itself. `refuses` is for the document: refusals that its shape does not tell.
    """

    def decorate(view: View) -> View:
        spec = Endpoint(
            (view.__doc__ or view.__name__).strip().splitlines()[0],
            body,
            query,
            returns,
            status,
            auth,
            idempotent,
            if_match,
            etag,
            rate or WRITE_RATE,
            raw,
            may_match,
            refuses,
        )

        @functools.wraps(view)
        def run(**arguments: Any) -> Response:
            actor = current_actor()
            if auth:
                actor.require_account()
            _spend(actor, view.__name__, rate)
            _parse(spec, arguments)
            return _present(view(actor=actor, **arguments), spec)

        run.endpoint = spec  # type: ignore[attr-defined]
        return run

    return decorate


def blueprint(name: str, module: str) -> Blueprint:
    """A service's blueprint under `/api/v1`."""
    return Blueprint(name, module, url_prefix="/api/v1")


def parse(model: type[BaseModel], data: bytes | dict[str, Any], *, strict: bool = True) -> Any:
    """Validate against a schema; `Malformed` for what is no JSON, `Invalid` with a line per field for the rest."""
    try:
        return (
            model.model_validate_json(data, strict=strict)
            if isinstance(data, bytes)
            else model.model_validate(data, strict=strict)
        )
    except ValidationError as error:
        raise refusal(error) from None


def refusal(error: ValidationError) -> Malformed | Invalid:
    """A schema's complaint in our own form."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return Malformed("json.malformed", "The body is not JSON.")
    errors = [FieldError(_field(line["loc"]), _code(line["type"]), line["msg"]) for line in found[:50]]
    return Invalid("request.invalid", f"{errors[0].field}: {errors[0].message}", errors)


def _field(location: tuple[int | str, ...]) -> str:
    """The dotted path. An unknown field is named by the caller, so its name is cut rather than sent back whole."""
    return ".".join(str(part)[:_NAME_LIMIT] for part in location) or "body"


def _code(kind: str) -> str:
    return kind if "." in kind else f"field.{kind}"


def _parse(spec: Endpoint, arguments: dict[str, Any]) -> None:
    query = parse(spec.query or Nothing, _query(), strict=False)
    if spec.query is not None:
        arguments["query"] = query
    if spec.idempotent:
        arguments["key"] = _idempotency_key()
    if spec.if_match or spec.may_match:
        arguments["if_match"] = _if_match(spec.if_match)
    if spec.body is not None:
        arguments["body"] = parse(spec.body, _json_body())
    elif spec.raw is not None:
        _raw_body(spec.raw)
    elif request.method not in _BODYLESS:
        _no_body()


def _json_body() -> bytes:
    _limit_body()
    _require_type(JSON)
    return _whole_body()


def _raw_body(content_type: str) -> None:
    if content_type == JSON:
        _limit_body()
    _require_type(content_type)


def _require_type(content_type: str) -> None:
    if request.mimetype != content_type:
        raise UnsupportedMediaType(f"Send {content_type}.")


def _no_body() -> None:
    """A command without fields takes no body, or an empty object."""
    _limit_body()
    sent = _whole_body()
    if sent and request.mimetype != JSON:
        raise UnsupportedMediaType("This takes no body.")
    if sent:
        parse(Nothing, sent)


def _whole_body() -> bytes:
    """The body. One sent in chunks has no length to refuse, and reading just stops at the limit."""
    sent = request.get_data(cache=False)
    if request.content_length is None and len(sent) >= (request.max_content_length or JSON_LIMIT):
        raise RequestEntityTooLarge
    return sent


def _limit_body() -> None:
    request.max_content_length = min(JSON_LIMIT, current_app.config["MAX_CONTENT_LENGTH"])


def _query() -> dict[str, Any]:
    repeated = [name for name in request.args if len(request.args.getlist(name)) > 1]
    if repeated:
        raise Invalid(
            "request.invalid",
            f"{repeated[0][:_NAME_LIMIT]} is given twice.",
            [FieldError(repeated[0][:_NAME_LIMIT], "field.repeated", "is given twice")],
        )
    return request.args.to_dict()


def _idempotency_key() -> str:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        error = FieldError("Idempotency-Key", "field.missing", "this header is required")
        raise Invalid("idempotency.key_missing", "This command takes an Idempotency-Key header.", [error])
    check_key(key)
    return key


def _if_match(required: bool) -> str | None:
    tag = request.headers.get("If-Match")
    if tag is None:
        if not required:
            return None
        raise PreconditionFailed(
            "version.missing", "Editing takes an If-Match header with the ETag of the version you saw."
        )
    return tag.removeprefix("W/").strip('"')


def _spend(actor: Actor, name: str, rate: Rate | None) -> None:
    rate = rate or (READ_RATE if request.method in ("GET", "HEAD") else WRITE_RATE)
    spend(name, caller_address() if rate.by_address else actor.person or caller_address(), rate)


def caller_address() -> str:
    """Where the request comes from; of IPv6 the network, because one household has all of its addresses."""
    told = request.remote_addr or ""
    try:
        address = ip_address(told)
    except ValueError:
        return told or "unknown"
    if isinstance(address, IPv4Address):
        return told
    # A server that listens on `::` sees who comes by IPv4 as ::ffff:1.2.3.4.
    return str(address.ipv4_mapped or ip_network((address, 64), strict=False))


def spend(name: str, who: str, rate: Rate) -> None:
    """Count one more of `name` by `who`; `rate.limited` when the rate is spent."""
    if not current_app.config["RATE_LIMITS"]:
        return
    allowance = find(KeyValue).spend(f"rate:{name}:{who}", rate.limit, rate.window)  # type: ignore[type-abstract]
    g.allowance = allowance
    if not allowance.allowed:
        raise TooMany(
            "rate.limited", f"At most {rate.limit} of these in {rate.window:g} seconds.", retry_after=allowance.reset
        )


def rate_headers(allowance: Allowance) -> dict[str, str]:
    """The RateLimit header fields (draft-ietf-httpapi-ratelimit-headers)."""
    reset = max(0, round(allowance.reset))
    return {
        "RateLimit": f'"default";r={allowance.remaining};t={reset}',
        "RateLimit-Policy": f'"default";q={allowance.limit}',
    }


def _present(result: Any, spec: Endpoint) -> Response:
    replayed = isinstance(result, Answer) and result.replayed
    value = result.value if isinstance(result, Answer) else result
    if isinstance(value, Response):
        return value
    if value is None:
        return _with_allowance(Response(status=204))
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    response = Response(orjson.dumps(value), status=spec.status, mimetype="application/json")
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    if spec.etag is not None:
        response.set_etag(str(value[spec.etag]))
    return _with_allowance(response)


def _with_allowance(response: Response) -> Response:
    allowance = g.get("allowance")
    if allowance is not None:
        response.headers.update(rate_headers(allowance))
    return response
