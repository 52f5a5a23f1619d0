"""What travels with a call without being passed on: the request id that logs and the jobs it caused carry, and the job at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
job_at_hand: ContextVar[str | None] = ContextVar("job_at_hand", default=None)


@contextmanager
def working_on(job: str, caused_by: str | None) -> Iterator[None]:
    """While the block runs, its log lines and the jobs it causes carry the job's name and the request that caused it."""
    request, at_hand = request_id.set(caused_by), job_at_hand.set(job)
    try:
        yield
    finally:
        job_at_hand.reset(at_hand)
        request_id.reset(request)
