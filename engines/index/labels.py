"""Exact-match terms as both engines keep them: one label per name and value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

Terms = Mapping[str, str | Sequence[str]]


def labels(terms: Terms) -> Iterator[str]:
    """`{"kind": "note", "topic": ["a", "b"]}` -> kind=note, topic=a, topic=b."""
    for name, values in terms.items():
        for value in [values] if isinstance(values, str) else values:
            yield f"{name}={value}"
