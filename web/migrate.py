"""The schema's history (Alembic), the same for SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect
from sqlalchemy.pool import NullPool

from kernel.db import Base
from kernel.errors import SettingError

_FOLDER = Path(__file__).parent / "migrations"


def upgrade(url: str) -> str:
    """Bring the database to the newest revision; its name."""
    with _connect(url) as connection:
        command.upgrade(alembic_config(connection), "head")
        return _head()


def ensure_current(url: str) -> None:
    """A fresh database gets the schema; one that is too old or too new is refused with what to run (`SettingError`)."""
    with _connect(url) as connection:
        at = MigrationContext.configure(connection).get_current_revision()
        fresh = at is None and not inspect(connection).has_table("accounts")
    if fresh:
        upgrade(url)
        return
    if at == _head():
        return
    known = any(script.revision == at for script in _scripts().walk_revisions())
    cure = "run `offshelf migrate`" if known or at is None else "install the version of Offshelf that made it"
    raise SettingError(f"The database (OFFSHELF_DATABASE_URL) is at schema {at}, this version needs {_head()}: {cure}.")


def differences(url: str) -> list[object]:
    """What the models say and the database does not; empty when the history is complete."""
    with _connect(url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False, "render_as_batch": True})
        return list(compare_metadata(context, Base.metadata))


def _head() -> str:
    return _scripts().get_current_head() or ""


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(alembic_config(None))


def alembic_config(connection: Connection | None) -> Config:
    import web.app  # noqa: F401  (every service's tables are known once the wiring is)

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _connect(url: str) -> Iterator[Connection]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), poolclass=NullPool)
    with engine.begin() as connection:
        yield connection
