"""What a verb does in a process of its own, and then ends: over the data folder, or beside who has it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernel.config import Settings
from kernel.errors import SettingError
from web.folder import data_folder

if TYPE_CHECKING:
    from engines.sql import AnyDatabase


@contextlib.contextmanager
def database_beside(settings: Settings) -> Iterator[AnyDatabase]:
    """The database without the folder's lock, for what may be done beside a running server: reads and short writes."""
    from engines.sql import open_database
    from kernel.clock import SystemClock
    from web.migrate import refuse_other_schema

    refuse_other_schema(settings.sql_url)
    db = open_database(settings.sql_url, SystemClock())
    try:
        yield db
    finally:
        db.close()


def migrate_schema(settings: Settings, applied: Callable[[str], object]) -> str:
    """Bring the schema up to date, with no server on an embedded database meanwhile; the revision it has then."""
    from web.migrate import upgrade

    embedded = settings.sql_url.startswith("sqlite:")
    with data_folder(settings) if embedded else contextlib.nullcontext():
        return upgrade(settings.sql_url, applied)


def recount_period(settings: Settings, first: date | None, last: date | None) -> dict[str, Any]:
    """Compare the stored figures of business days with their raw events; by default the last 30 days and today."""
    from engines.offloop import off_loop
    from engines.sql import open_database
    from kernel.clock import SystemClock, business_day
    from metrics import MetricsService
    from web.migrate import ensure_current

    clock = SystemClock()
    with data_folder(settings), contextlib.ExitStack() as closing:
        ensure_current(settings.sql_url)
        db = open_database(settings.sql_url, clock)
        closing.callback(db.close)
        last = last or business_day(clock.now(), settings.zone)
        metrics = MetricsService(db, settings.zone, settings.currency, off_loop)
        return metrics.check_period(first or last - timedelta(days=30), last).model_dump(mode="json")


def evaluate_search(
    settings: Settings,
    docs: Path,
    queries: Path,
    qrels: Path,
    progress: Callable[[str, int, int], None],
    gains: Mapping[float, float] | None = None,
) -> dict[str, Any]:
    """Index `docs` in an index of its own on the configured engine, through the production path, and score it."""
    from engines.encoder import open_encoder
    from engines.encoder_watch import BATCH_PATIENCE
    from engines.index import own_index
    from search import evaluate

    export_encoder(settings)
    with (
        contextlib.closing(open_encoder(settings.encoder, models_folder(settings), patience=BATCH_PATIENCE)) as encoder,
        own_index(settings.index_url, encoder.dimensions, encoder.name) as index,
    ):
        found = evaluate(docs, queries, qrels, encoder, index, progress, gains)
    return {"index": "embedded" if settings.index_url.startswith("embedded:") else "elasticsearch", **found}


def models_folder(settings: Settings) -> Path:
    """Where exported encoders lie."""
    return settings.data / "models"


def export_encoder(settings: Settings) -> None:
    """Export the configured encoder unless it is there and undamaged; in a process of its own, because it loads torch."""
    from engines.encoder import folder_of, whole

    folder = folder_of(settings.encoder, models_folder(settings))
    if settings.encoder == "hash" or whole(folder):
        return
    command = [sys.executable, "-m", "engines.encoder_export", str(folder), "--model", settings.encoder]
    if subprocess.run(command, check=False).returncode != 0:
        raise SettingError(f"OFFSHELF_ENCODER {settings.encoder} could not be exported; the lines above say why.")


def encoder_is_exported(settings: Settings) -> bool:
    """Whether the configured encoder can be opened."""
    from engines.encoder import exported, folder_of

    return settings.encoder == "hash" or exported(folder_of(settings.encoder, models_folder(settings)))
