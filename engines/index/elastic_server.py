"""How Elasticsearch is asked: the client, who answers there, and what its refusals mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from elastic_transport import TransportError
from elasticsearch import (
    ApiError,
    AuthenticationException,
    AuthorizationException,
    Elasticsearch,
    UnsupportedProductError,
)
from elasticsearch.serializer import NdjsonSerializer, OrjsonSerializer

from engines.index import ACCEPTED
from kernel.errors import SettingError, Unavailable

MAJOR = 9
REFUSED = "OFFSHELF_INDEX_URL: Elasticsearch refuses this user or password; name a user that may make and fill indices."
_AWAY = (404, 429, 502, 503, 504)


class OrjsonLines(OrjsonSerializer, NdjsonSerializer):
    """The lines of a bulk by orjson, which writes a row of numpy as it is: json took a third of a rebuild."""


def open_client(url: str) -> tuple[Elasticsearch, str]:
    """The client and the alias; nothing of the URL is repeated in an error, it may hold a password."""
    try:
        parts = urlsplit(url)
        alias = parts.path.strip("/") or "offshelf"
        if not parts.hostname or parts.query or parts.fragment:
            raise ValueError
        port = parts.port or (443 if parts.scheme == "https" else 9200)
    except ValueError:
        raise SettingError(f"OFFSHELF_INDEX_URL cannot be used; it takes {ACCEPTED}.") from None
    if not (alias.isascii() and alias.replace("-", "").replace("_", "").isalnum() and alias == alias.lower()):
        raise SettingError("OFFSHELF_INDEX_URL: the alias after the host takes small letters, digits, - and _.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    login = (parts.username, parts.password or "") if parts.username else None
    client = Elasticsearch(
        f"{parts.scheme}://{host}:{port}",
        basic_auth=login,
        request_timeout=5,
        max_retries=1,
        retry_on_timeout=False,
        serializers={
            "application/vnd.elasticsearch+json": OrjsonSerializer(),
            "application/vnd.elasticsearch+x-ndjson": OrjsonLines(),
        },
    )
    return client, alias


def check(client: Elasticsearch) -> None:
    """There is an Elasticsearch of our major version that lets us in. Raises SettingError with the cure."""
    try:
        version = str(client.info()["version"]["number"])
    except (AuthenticationException, AuthorizationException):
        raise SettingError(REFUSED) from None
    except (UnsupportedProductError, KeyError, TypeError):
        raise SettingError(
            "OFFSHELF_INDEX_URL: what answers there is not Elasticsearch; correct the address."
        ) from None
    except ApiError as error:
        raise SettingError(
            f"OFFSHELF_INDEX_URL: what answers there says {error.status_code}; name an Elasticsearch {MAJOR}."
        ) from None
    except TransportError as error:
        raise SettingError(
            f"OFFSHELF_INDEX_URL: no Elasticsearch answers there ({type(error).__name__}); start it or correct the address."
        ) from None
    if version.partition(".")[0] != str(MAJOR):
        raise SettingError(f"OFFSHELF_INDEX_URL: this is Elasticsearch {version}; name an Elasticsearch {MAJOR}.")


@contextmanager
def answering() -> Iterator[None]:
    try:
        yield
    except TransportError as error:
        raise gone() from error
    except ApiError as error:
        if error.status_code in _AWAY:
            raise gone() from error
        raise


def checked(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    if answer.get("status") in _AWAY:
        raise gone()
    if "error" in answer:
        raise refused([answer])
    return answer


def refused(failed: Sequence[Mapping[str, Any]]) -> Exception:
    """What the server could not do now (its queue or its disk is full) is `Unavailable`; what it will never do is a fault of ours."""
    problems = [item["error"] for item in failed]
    now = any("rejected" in problem.get("type", "") or "unavailable" in problem.get("type", "") for problem in problems)
    if now or any(item.get("status") in _AWAY for item in failed):
        return Unavailable("index.unavailable", "The search index takes nothing at the moment.", retry_after=2)
    return RuntimeError(f"Elasticsearch refused a step: {problems[0].get('type')}: {problems[0].get('reason')}")


def gone() -> Unavailable:
    return Unavailable("index.unavailable", "The search index does not answer.", retry_after=5)
