"""The schema's history (Alembic), the same for SQLite and PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from engines.preflight import check_database
from kernel.db import Base
from kernel.errors import SettingError

if TYPE_CHECKING:
    from alembic.config import Config

_FOLDER = Path(__file__).parent / "migrations"
_SETTING = "The database (OFFSHELF_DATABASE_URL)"
_LOCK = 0x0FF54E1F
"""The advisory lock of PostgreSQL under which one process migrates."""
_PATIENCE = 600
"""Seconds for which another's migration is waited for on SQLite."""
_NAMED = re.compile(r"""^(down_)?revision\b[^=]*=\s*["'](\w+)["']""", re.MULTILINE)


def upgrade(url: str, applied: Callable[[str], object] = len) -> str:
    """Bring the database to the newest revision, all of it or nothing; its name. Each is told to `applied` as it is made.

    Whoever comes while another migrates waits, and finds nothing left to do. Raises SettingError.
    """
    from alembic import command

    check_database(url)
    try:
        with _connect(url, alone=True) as connection:
            _refuse_unknown(_stands_at(connection))
            config = alembic_config(connection)
            config.attributes["applied"] = applied
            command.upgrade(config, "head")
    except DBAPIError as error:
        why = str(error.orig).partition("\n")[0]
        cure = "make room, run it as the role that owns the tables, or restore a backup"
        raise SettingError(f"{_SETTING} could not be migrated and is as it was ({why}): {cure}.") from None
    return history()[-1]


def waiting(url: str) -> list[str]:
    """The revisions that `upgrade` would make, in its order. Changes nothing. Raises SettingError."""
    known = history()
    if not _is_there(url):
        return known
    check_database(url)
    with _connect(url) as connection:
        at = _stands_at(connection)
    _refuse_unknown(at)
    return known[known.index(at) + 1 :] if at else known


def ensure_current(url: str) -> None:
    """A fresh database gets the schema; one that is too old or too new is refused with what to run (`SettingError`)."""
    if _is_fresh(url):
        upgrade(url)
    else:
        refuse_other_schema(url)


def refuse_other_schema(url: str) -> None:
    """`SettingError`, with what to run, unless the database is at this version's schema. Changes nothing."""
    if not _is_there(url):
        raise SettingError(f"There is no database at {_path(url)} (OFFSHELF_DATA, OFFSHELF_DATABASE_URL).")
    check_database(url)
    with _connect(url) as connection:
        at = _stands_at(connection)
    _refuse_unknown(at)
    if at != history()[-1]:
        raise SettingError(f"{_SETTING} is at schema {at}, this version needs {history()[-1]}: run `offshelf migrate`.")


def inhabited(url: str) -> bool:
    """Whether anybody has an account there. Changes nothing; `SettingError` for a database that cannot be used."""
    if not _is_there(url):
        return False
    check_database(url)
    with _connect(url) as connection:
        known = inspect(connection).has_table("accounts")
        return known and connection.scalar(text("SELECT 1 FROM accounts LIMIT 1")) is not None


def _refuse_unknown(at: str | None) -> None:
    if at is not None and at not in history():
        cure = "install the version of Offshelf that made it"
        raise SettingError(f"{_SETTING} is at schema {at}, this version needs {history()[-1]}: {cure}.")


def _stands_at(connection: Connection) -> str | None:
    versioned = inspect(connection).has_table("alembic_version")
    return connection.scalar(text("SELECT version_num FROM alembic_version")) if versioned else None


def _is_fresh(url: str) -> bool:
    check_database(url)
    with _connect(url) as connection:
        tables = inspect(connection)
        return not (tables.has_table("alembic_version") or tables.has_table("accounts"))


def _is_there(url: str) -> bool:
    """A SQLite file is made by whoever looks into it."""
    return not url.startswith("sqlite:") or Path(_path(url)).exists()


def _path(url: str) -> str:
    return url.removeprefix("sqlite:///")


def history() -> list[str]:
    """All revisions, the newest last, read from the files: loading alembic would take a tenth of a start."""
    after: dict[str, str] = {}
    for path in (_FOLDER / "versions").glob("*.py"):
        named = dict(_NAMED.findall(path.read_text()))
        after[named.get("down_", "")] = named[""]
    found: list[str] = []
    while (last := found[-1] if found else "") in after:
        found.append(after[last])
    return found


def differences(url: str) -> list[object]:
    """What the models say and the database does not; empty when the history is complete."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with _connect(url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        return list(compare_metadata(context, Base.metadata))


def alembic_config(connection: Connection | None) -> Config:
    from alembic.config import Config

    import web.app  # noqa: F401  (every service's tables are known once the wiring is)

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _connect(url: str, alone: bool = False) -> Iterator[Connection]:
    """A connection in one transaction; `alone` waits until nobody else migrates."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), poolclass=NullPool)
    lite = engine.dialect.name == "sqlite"

    @event.listens_for(engine, "connect")
    def _by_hand(connection: Any, _record: Any) -> None:
        if lite:  # the driver would begin no transaction before a CREATE TABLE: half a migration would stay
            connection.isolation_level = None
            connection.execute(f"PRAGMA busy_timeout={_PATIENCE * 1000}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if lite:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if alone else "BEGIN")
        elif alone:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")

    with engine.begin() as connection:
        yield connection
