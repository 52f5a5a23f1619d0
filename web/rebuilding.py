"""`offshelf rebuild`: the search index filled anew from SQL, here or, where a server has the folder open, by that server."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from kernel.config import Settings
from kernel.errors import SettingError
from kernel.jobs import JobRow
from search import REBUILD
from web.process import FolderInUse, data_folder, database_beside

_LOOK = 0.2
Progress = Callable[[str, int], None]


def rebuild(settings: Settings, progress: Progress) -> dict[str, Any]:
    """Fill a new copy beside the one in use and swap; `{"documents", "seconds", "by"}`. Raises Conflict, SettingError.

    `progress(kind, done)` is told about each batch that this process indexes.
    """
    began = time.monotonic()
    documents: int | None
    try:
        documents, by = _here(settings, progress), "command"
    except FolderInUse:
        _by_the_server(settings)
        documents, by = None, "server"
    return {"documents": documents, "seconds": round(time.monotonic() - began, 1), "by": by}


def _here(settings: Settings, progress: Progress) -> int:
    from web.app import build_services, open_engines
    from web.migrate import ensure_current

    with data_folder(settings), contextlib.ExitStack() as closing:
        ensure_current(settings.sql_url)
        engines = open_engines(settings)
        closing.callback(engines.close)
        return build_services(settings, engines).search.rebuild(progress)


def _by_the_server(settings: Settings) -> None:
    """Leave a job and wait until it is done; what the server counted stays in its log."""
    with database_beside(settings) as db:
        job_id = db.write(lambda tx: tx.enqueue(REBUILD, {}))
        while True:
            with db.read() as session:
                job = session.get(JobRow, job_id)
            if job is None:
                return
            if job.status == "parked":
                raise SettingError(f"The running server could not rebuild the index: {job.error}")
            time.sleep(_LOOK)  # another process does the work; its only sign is this row
