"""What screening keeps back in the demo, so that whoever opens the queue finds real work: `held.jsonl`, by people of the crowd."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from demo.content import Account, Comment, Note
from demo.covers import CoverSpec
from demo.posts import moment

REJECTED = "held-0"
"""The one that a moderator has sent back already."""


def make_held_notes(rng: random.Random, today: date, accounts: Sequence[Account]) -> tuple[Note, ...]:
    """Notes with a phone number, a link, a cure: handed in during the last days and waiting, the oldest first."""
    lines = [line for line in _lines() if line["kind"] == "note"]
    authors = rng.sample(_crowd(accounts), len(lines))
    return tuple(_note(rng, today, n, *pair) for n, pair in enumerate(zip(lines, authors, strict=True)))


def make_held_comments(
    rng: random.Random, today: date, notes: Sequence[Note], accounts: Sequence[Account]
) -> tuple[Comment, ...]:
    """Comments that ask people away from the house, under the oldest note."""
    lines = [line for line in _lines() if line["kind"] == "comment"]
    authors = rng.sample([handle for handle in _crowd(accounts) if handle != notes[0].author], len(lines))
    return tuple(
        Comment(notes[0].key, author, line["text"], moment(rng, today - timedelta(days=line["days"])))
        for line, author in zip(lines, authors, strict=True)
    )


def _note(rng: random.Random, today: date, number: int, line: dict[str, Any], author: str) -> Note:
    key = f"held-{number}"
    return Note(
        key=key,
        kind="held",
        author=author,
        title=line["title"],
        text=line["text"],
        topics=tuple(line["topics"]),
        published_at=moment(rng, today - timedelta(days=line["days"])),
        cover=CoverSpec(key, line["theme"], "3:4"),
        alt=f"Illustration: {line['theme']}",
        language="zh" if max(line["title"]) > "\u4e00" else "en",
    )


def _crowd(accounts: Sequence[Account]) -> list[str]:
    return [account.handle for account in accounts if account.password is None]


def _lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(__file__).with_name("held.jsonl").read_text("utf-8").splitlines()]
