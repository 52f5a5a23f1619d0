"""The schema's history (Alembic), the same for SQLite and PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.pool import NullPool

from engines.preflight import check_database
from kernel.db import Base
from kernel.errors import SettingError

if TYPE_CHECKING:
    from alembic.config import Config

_FOLDER = Path(__file__).parent / "migrations"
_NAMED = re.compile(r"""^(down_)?revision\b[^=]*=\s*["'](\w+)["']""", re.MULTILINE)


def upgrade(url: str) -> str:
    """Bring the database to the newest revision; its name."""
    from alembic import command

    check_database(url)
    with _connect(url) as connection:
        command.upgrade(alembic_config(connection), "head")
        return revisions()[1]


def ensure_current(url: str) -> None:
    """A fresh database gets the schema; one that is too old or too new is refused with what to run (`SettingError`)."""
    if _is_fresh(url):
        upgrade(url)
    else:
        refuse_other_schema(url)


def refuse_other_schema(url: str) -> None:
    """`SettingError`, with what to run, unless the database is at this version's schema. Changes nothing."""
    path = url.removeprefix("sqlite:///")
    if path != url and not Path(path).exists():
        raise SettingError(f"There is no database at {path} (OFFSHELF_DATA, OFFSHELF_DATABASE_URL).")
    with _connect(url) as connection:
        versioned = inspect(connection).has_table("alembic_version")
        at = connection.scalar(text("SELECT version_num FROM alembic_version")) if versioned else None
    known, newest = revisions()
    if at == newest:
        return
    cure = "run `offshelf migrate`" if at is None or at in known else "install the version of Offshelf that made it"
    raise SettingError(f"The database (OFFSHELF_DATABASE_URL) is at schema {at}, this version needs {newest}: {cure}.")


def _is_fresh(url: str) -> bool:
    check_database(url)
    with _connect(url) as connection:
        tables = inspect(connection)
        return not (tables.has_table("alembic_version") or tables.has_table("accounts"))


def revisions() -> tuple[set[str], str]:
    """All revisions and the newest one, read from the files: loading alembic would take a tenth of a start."""
    named = [name for path in (_FOLDER / "versions").glob("*.py") for name in _NAMED.findall(path.read_text())]
    followed = {name for down, name in named if down}
    known = {name for down, name in named if not down}
    (newest,) = known - followed
    return known, newest


def differences(url: str) -> list[object]:
    """What the models say and the database does not; empty when the history is complete."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with _connect(url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False, "render_as_batch": True})
        return list(compare_metadata(context, Base.metadata))


def alembic_config(connection: Connection | None) -> Config:
    from alembic.config import Config

    import web.app  # noqa: F401  (every service's tables are known once the wiring is)

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _connect(url: str) -> Iterator[Connection]:
    engine = create_engine(
        url.replace("postgresql://", "postgresql+psycopg://", 1), poolclass=NullPool, hide_parameters=True
    )
    with engine.begin() as connection:
        yield connection
