"""What travels with a call without being passed on: the request id that logs and the jobs it caused carry."""

from __future__ import annotations

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
