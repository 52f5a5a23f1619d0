"""One history of the schema for both databases, and the models say nothing that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from kernel.errors import SettingError
from tests.conftest import POSTGRES_URL, fresh_schema, require
from web.migrate import differences, ensure_current, upgrade


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'schema.db'}"
        return
    require("postgres", bool(POSTGRES_URL), "OFFSHELF_TEST_POSTGRES_URL names no PostgreSQL")
    with fresh_schema() as fresh:
        yield fresh


def test_the_history_says_what_the_models_say(url: str) -> None:
    upgrade(url)
    assert differences(url) == []


def test_a_fresh_database_gets_the_schema_and_a_second_start_changes_nothing(url: str) -> None:
    ensure_current(url)
    ensure_current(url)
    assert differences(url) == []


def test_a_schema_of_another_version_is_refused_with_the_cure(url: str) -> None:
    upgrade(url)
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(SettingError, match=r"9999.*install the version"):
        ensure_current(url)


def test_tables_without_a_history_are_refused(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE accounts (id TEXT)"))
    engine.dispose()
    with pytest.raises(SettingError, match="offshelf migrate"):
        ensure_current(url)
