"""What is sent to the database, in order: the beginning and end of transactions left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

_FRAME = ("BEGIN", "SAVEPOINT", "RELEASE")


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect what every engine is told meanwhile."""
    told: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(_FRAME):
            told.append(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        yield told
    finally:
        event.remove(Engine, "before_cursor_execute", listen)
