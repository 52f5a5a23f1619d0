"""The closed model of everything that crosses a boundary: what it does not name, it does not take."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Schema(BaseModel):
    """Base of what comes in and goes out, over HTTP and sockets alike; an unknown field is refused by name."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, defer_build=True)
