"""Where the next page of an answer begins. Each page is found and ranked anew, and things come and go between two of them.

`newest` has a keyset: what is older than the last thing shown. For `relevance` no key would hold: one thing more or less in
the index changes how rare a word is and how good the best match, and with them everybody's score. So that cursor carries a
mark of each thing shown (an answer is not deep), and the next page is the best of the others. Either way nothing is shown
twice, and what the answer still holds is shown, whatever was hidden, published or ranked otherwise meanwhile. What is
published meanwhile and fits comes next by relevance, and not at all by `newest`, where it belongs before the first page.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from kernel import cursors
from kernel.errors import Malformed
from search.fusion import Ranked

Found = tuple[Ranked, dict[str, Any]]
"""A result with its card."""
Page = tuple[list[Found], str | None]
MARK = 4
"""Bytes. That a thing is taken for one of 200 that were shown happens once in 20 million."""


def by_relevance(found: Sequence[Found], cursor: str | None, limit: int, depth: int) -> Page:
    """The best `limit` that were not shown yet, of an answer that ends after `depth`, and the cursor after them."""
    shown = _marks(cursor)
    left = [(entry, card) for entry, card in found if _mark(entry.id) not in shown][: max(0, depth - len(shown))]
    page = left[:limit]
    marks = b"".join([*sorted(shown), *(_mark(entry.id) for entry, _ in page)])
    return page, cursors.encode(urlsafe_b64encode(marks).decode()) if len(left) > limit else None


def by_time(found: Sequence[Found], cursor: str | None, limit: int) -> Page:
    """The newest `limit` after the cursor's place, and the cursor after them."""
    last = cursors.decode(cursor, str, str)
    left = sorted((pair for pair in found if last is None or _age(pair) < last), key=_age, reverse=True)
    page = left[:limit]
    return page, cursors.encode(*_age(page[-1])) if len(left) > limit else None


def _age(pair: Found) -> tuple[str, str]:
    entry, card = pair
    return card.get("published_at") or card.get("started_at") or "", entry.id


def _mark(thing: str) -> bytes:
    return blake2b(thing.encode(), digest_size=MARK).digest()


def _marks(cursor: str | None) -> set[bytes]:
    (text,) = cursors.decode(cursor, str) or ("",)
    try:
        marks = b64decode(text, altchars=b"-_", validate=True)
    except binascii.Error:
        marks = b"?"
    if len(marks) % MARK:
        raise Malformed("cursor.malformed", "The cursor is not one this server gave out.")
    return {marks[n : n + MARK] for n in range(0, len(marks), MARK)}
