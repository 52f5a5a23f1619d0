"""Log lines, for a person or as one JSON object a line, with the request id that reaches the jobs it caused; no secret in either."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from kernel.clock import rfc3339
from kernel.config import Settings
from kernel.context import job_at_hand, request_id

HIDDEN = "***"
KNOWN = 1000
"""Warnings that are known again at a time."""
_CREDENTIALS = re.compile(r"(?<=://)[^\s/@\"']*:[^\s/@\"']*@")
_NAMED = re.compile(
    r"((?:passphrase|password|token|secret|authorization)[\"']?\s*[=:]\s*[\"']?|bearer\s+)[^\s&\"',}]+", re.I
)


class Lines(logging.Formatter):
    """What both forms share: the fields of a record, scrubbed of credentials. `secrets` are those known by value."""

    def __init__(self, secrets: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self._secrets = sorted(secrets, key=len, reverse=True)

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """`time`, `level`, `logger`, `message`, `request_id`, `job`, `error`, and what the record adds as `fields`."""
        line = {
            "time": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.scrub(record.getMessage()),
            "request_id": request_id.get(),
            "job": job_at_hand.get(),
            **record.__dict__.get("fields", {}),
        }
        if record.exc_info:
            line["error"] = self.scrub(self.formatException(record.exc_info))
        return {name: value for name, value in line.items() if value is not None}

    def scrub(self, said: str) -> str:
        """Without credentials: a safety net, for what others' libraries say."""
        for secret in self._secrets:
            said = said.replace(secret, HIDDEN)
        return _NAMED.sub(rf"\1{HIDDEN}", _CREDENTIALS.sub(f"{HIDDEN}@", said))


class JsonLines(Lines):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.fields(record), ensure_ascii=False)


class TextLines(Lines):
    """For a person at a terminal: time, level, logger, message, then the rest by name."""

    def format(self, record: logging.LogRecord) -> str:
        line = self.fields(record)
        head = [line.pop("time"), line.pop("level").upper(), f"{line.pop('logger')}:", line.pop("message")]
        error = line.pop("error", None)
        return "\n".join(filter(None, [" ".join([*head, *(f"{name}={value}" for name, value in line.items())]), error]))


class Seldom(logging.Filter):
    """A loop that fails again and again says so once a minute, and then how often it kept it to itself.

    Only what is warned of in the same words, in the same request or outside of any, is the same.
    """

    def __init__(self, seconds: float = 60.0) -> None:
        super().__init__()
        self._seconds = seconds
        self._said: dict[tuple[object, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        error = repr(record.exc_info[1]) if record.exc_info else ""
        words = record.name, record.getMessage(), error, request_id.get()
        since, untold = self._said.pop(words, (-self._seconds, 0))
        if record.created < since + self._seconds:
            self._said[words] = since, untold + 1
            return False
        if untold:
            record.__dict__["fields"] = {**record.__dict__.get("fields", {}), "untold": untold}
        self._said[words] = record.created, 0
        if len(self._said) > KNOWN:
            del self._said[next(iter(self._said))]
        return True


def configure(settings: Settings) -> None:
    """Log to stderr, from the configured level up; `auto` is text on a terminal and JSON elsewhere."""
    text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter((TextLines if text else JsonLines)(secrets_of(settings)))
    handler.addFilter(Seldom())
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for noisy in ("alembic", "asyncio", "PIL"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for noisier in ("elastic_transport", "engineio", "socketio"):  # they warn of every lost connection and stray frame
        logging.getLogger(noisier).setLevel(logging.ERROR)


def secrets_of(settings: Settings) -> frozenset[str]:
    """What the settings hold that nobody else may read: the secret, and the passwords of URLs, as written and as meant."""
    urls = (settings.database_url, settings.kv_url, settings.index_url)
    found = {settings.secret, *(_password(url) for url in urls)}
    return frozenset(one for secret in found if secret for one in (secret, unquote(secret)) if len(one) >= 4)


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


def fields(**named: object) -> Mapping[str, Any]:
    """The `extra` of a log call: fields of their own in the line."""
    return {"fields": named}
