"""One JSON object a line, with the request id that reaches the jobs it caused."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from kernel.clock import rfc3339
from kernel.context import request_id


class JsonLines(logging.Formatter):
    """`{"at", "level", "logger", "message", "request_id", "error"}`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in line.items() if value is not None}, ensure_ascii=False)


def configure(level: str) -> None:
    """Log to stderr from `level` up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("alembic", "engineio", "socketio", "PIL"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("elastic_transport").setLevel(logging.ERROR)  # a warning with a trace for every lost connection
