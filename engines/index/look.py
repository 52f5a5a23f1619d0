"""What an operator may know of an index."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class IndexLook:
    """`fresh`: it is whole and made for this encoder. `latency_ms` is the median of a few small questions; `left_over`
    names what nobody uses: copies of fillings that ended badly."""

    product: str
    latency_ms: float
    documents: int
    fresh: bool
    left_over: list[str]
