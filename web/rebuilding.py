"""`offshelf rebuild`: the search index filled anew from SQL, here or, where a server has the folder open, by that server."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from kernel.config import Settings
from kernel.errors import SettingError
from kernel.job_desk import drop
from kernel.jobs import JobRow
from search import REBUILD
from web.errands import database_beside
from web.folder import FolderInUse, data_folder

_LOOK, _TURN = 0.2, 5
Progress = Callable[[str, int], None]


def rebuild(settings: Settings, progress: Progress) -> dict[str, Any]:
    """Fill a new copy beside the one in use and swap; `{"documents", "seconds", "by"}`. Raises Conflict, SettingError.

    `progress(kind, done)` is told about each batch that this process indexes.
    """
    began = time.monotonic()
    documents = _here(settings, progress)
    if documents is None:
        documents, by = _by_whoever_has_it(settings, progress)
    else:
        by = "command"
    return {"documents": documents, "seconds": round(time.monotonic() - began, 1), "by": by}


def _here(settings: Settings, progress: Progress) -> int | None:
    """How many documents; None where somebody else has the folder."""
    from web.app import build_services, open_engines
    from web.migrate import ensure_current

    with contextlib.ExitStack() as closing:
        try:
            closing.enter_context(data_folder(settings))
        except FolderInUse:
            return None
        ensure_current(settings.sql_url)
        engines = open_engines(settings, batch=True)
        closing.callback(engines.close)
        return build_services(settings, engines).search.rebuild(progress)


def _by_whoever_has_it(settings: Settings, progress: Progress) -> tuple[int | None, str]:
    """Leave a job and wait until it is done; what the server counted stays in its log. Should it be no server that has the
    folder (a recount, a restore, another rebuild), this process takes its turn after it."""
    with database_beside(settings) as db:
        job_id = db.write(lambda tx: tx.enqueue(REBUILD, {}))
        for looks in count(1):
            with db.read() as session:
                job = session.get(JobRow, job_id)
            if job is None:
                return None, "server"
            if job.status == "parked":
                raise SettingError(f"The running server could not rebuild the index: {job.error}")
            if looks % _TURN == 0 and job.lease_until is None and (documents := _here(settings, progress)) is not None:
                drop(db, [job_id])
                return documents, "command"
            time.sleep(_LOOK)  # another process does the work; its only sign is this row
    raise AssertionError("unreachable")
