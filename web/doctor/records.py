"""What is written down: each service answers for its own tables; here their answers become findings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

import live
import notes
import shop
from engines.blobs import FileBlobs
from engines.index import look_at
from engines.sql import AnyDatabase, open_database
from kernel.clock import SystemClock
from kernel.db import Instant
from kernel.idempotency import IdempotencyKey
from kernel.job_desk import overdue, tally
from kernel.jobs import JobRow
from web import archive
from web.doctor.finding import Case, Finding, graded, listed, ok, problem, warning
from web.services import uploads_of

LATE, STUCK = 10.0, 60.0
"""Seconds by which a due job is late enough for a word, and by which nobody works."""
INDEXING = "search.index"


def records(case: Case) -> Iterator[Finding]:
    """Jobs, outbox, stock, uploads, streams, and the index against what it should hold."""
    if not case.current:
        return
    with closing(open_database(case.settings.sql_url, SystemClock())) as db:
        with db.read() as session:
            yield from _jobs(session, case)
            yield from _outbox(session, case)
            yield from _stock(session)
            yield from _streams(session, case.settings.data / "live")
        yield from _uploads(db, case)
        yield from _index(db, case)


def newest_row(case: Case) -> datetime | None:
    """When the newest command or job was written down."""
    if not case.current:
        return None
    with closing(open_database(case.settings.sql_url, SystemClock())) as db, db.read() as session:
        times = [
            session.scalar(select(func.max(column, type_=Instant)))
            for column in (IdempotencyKey.created_at, JobRow.created_at)
        ]
    return max((at for at in times if at), default=None)


def _jobs(session: Session, case: Case) -> Iterator[Finding]:
    found, now = tally(session), SystemClock().now()
    waiting = sum(one.count for one in found if one.status == "waiting")
    parked = [one for one in found if one.status == "parked"]
    first = min(overdue(session, now).values(), default=now)
    late = (now - first).total_seconds()
    seen = f"{waiting:,} waiting, the oldest due {late:,.0f} s late"
    if case.serving:
        cure = "See that a server or worker runs and is not overloaded; its log tells which jobs take long."
        yield graded("jobs", seen, cure, late > STUCK, late > LATE)
    else:
        yield ok("jobs", f"{waiting:,} waiting for a server")
    if parked:
        names = listed([f"{one.count:,} {one.name}" for one in parked])
        cure = "Look with `offshelf jobs list --status parked`, mend the cause, then `offshelf jobs retry ID`."
        yield problem("jobs parked", names, cure)


def _outbox(session: Session, case: Case) -> Iterator[Finding]:
    count, oldest = live.outbox_waiting(session)
    age = (SystemClock().now() - oldest).total_seconds() if oldest else 0.0
    cure = "Restart the server: at its start it numbers what waits, so that viewers see it."
    seen = f"{count:,} events without a number, the oldest {age:,.0f} s old" if count else "every event has its number"
    yield graded("outbox", seen, cure, case.serving and age > STUCK, False)


def _stock(session: Session) -> Iterator[Finding]:
    faults = shop.stock_faults(session)
    if not faults:
        yield ok("stock", "rows, ledger and orders agree")
        return
    told = listed([f"{one.sku_id} ({one.what})" for one in faults])
    cure = "Stop selling them and find out who wrote these rows: nothing of Offshelf writes one without the others."
    yield problem("stock", f"{len(faults)} SKUs are wrong: {told}", cure)


def _streams(session: Session, folder: Path) -> Iterator[Finding]:
    rooms = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    gone = sorted({*rooms} - live.known_rooms(session, rooms))
    if gone:
        yield problem("streams", f"folders of rooms that are gone: {listed(gone)}", f"Remove them from {folder}.")
    else:
        yield ok("streams", f"{len(rooms):,} folders, each of a room")


def _uploads(db: AnyDatabase, case: Case) -> Iterator[Finding]:
    folder = case.settings.data / archive.IMAGES
    found = uploads_of(db, FileBlobs(folder, SystemClock())).audit()
    if found.unnamed:
        cure = f"Remove them from {folder}: no row names them, so nobody can see them."
        yield problem("uploads", f"{len(found.unnamed):,} files that no row names: {listed(found.unnamed)}", cure)
    if found.missing:
        cure = f"Copy them from a backup into {folder}, each below the first two characters of its name."
        yield problem("uploads", f"{len(found.missing):,} files are missing: {listed(found.missing)}", cure)
    if found.young:
        seen = f"{found.young:,} files of the last seconds have no row yet"
        yield warning("uploads", seen, "Run `offshelf doctor` again in a minute: an upload may be under way.")
    if not (found.unnamed or found.missing or found.young):
        yield ok("uploads", f"{found.files:,} files, each named by a row and all there")


def _index(db: AnyDatabase, case: Case) -> Iterator[Finding]:
    """Twice, because a server may be just indexing; and what waits for a job is no fault yet."""
    if case.documents is None:
        return
    difference, seen = _difference(db, case, case.documents)
    if difference:
        settings = case.settings
        again = look_at(settings.index_url, settings.data / "index", case.dimensions, case.fingerprint)
        difference, seen = _difference(db, case, again.documents if again else 0)
    yield graded("index size", seen, "Run `offshelf rebuild`.", bool(difference), False)


def _difference(db: AnyDatabase, case: Case, documents: int) -> tuple[int, str]:
    """By how many documents the index differs beyond what jobs will put right."""
    with db.read() as session:
        expected = notes.findable(session) + shop.listed(session) + live.broadcasting(session)
        waiting = sum(one.count for one in tally(session) if one.name == INDEXING and one.status == "waiting")
        first = overdue(session, SystemClock().now()).get(INDEXING)
    lag = (SystemClock().now() - first).total_seconds() if first else 0.0
    seen = f"{documents:,} documents of {expected:,} things to find, {waiting:,} changes wait, {lag:,.0f} s behind"
    return max(0, abs(documents - expected) - waiting), seen
