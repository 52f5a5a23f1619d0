"""Ids: a prefix that says what it is, then 26 characters that sort by time (the ULID layout: 48 bits of ms, 80 random)."""

from __future__ import annotations

import re
import secrets
import threading
from datetime import UTC, datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PATTERN = re.compile(r"[a-z]{2,12}_[0-9a-hjkmnp-tv-z]{26}")
_lock = threading.Lock()
_last = (0, 0)


def new_id(prefix: str, now: datetime) -> str:
    """A new id, later than every id this process made for the same or an earlier millisecond."""
    global _last
    millis = int(now.timestamp() * 1000)
    with _lock:
        # A random step, so that one's own id does not give away the next one of the same millisecond.
        random = _last[1] + 1 + secrets.randbits(60) if _last[0] == millis else secrets.randbits(79)
        _last = (millis, random)
    return f"{prefix}_{_base32(millis << 80 | random)}"


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` has the form of an id with this prefix."""
    return text.startswith(prefix + "_") and _PATTERN.fullmatch(text) is not None


def made_at(text: str) -> datetime | None:
    """When an id was made; None for what is none."""
    if _PATTERN.fullmatch(text) is None:
        return None
    millis = 0
    for letter in text.rpartition("_")[2][:10]:
        millis = millis << 5 | _ALPHABET.index(letter)
    return datetime.fromtimestamp((millis & (1 << 48) - 1) / 1000, UTC)


def _base32(number: int) -> str:
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
