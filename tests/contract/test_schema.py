"""One history of the schema for both databases, and the models say nothing that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from alembic import command
from sqlalchemy import create_engine, inspect, select, text

from kernel.errors import SettingError
from live.models import LogHead
from tests.conftest import POSTGRES_URL, fresh_schema, on, require
from web.migrate import alembic_config, differences, ensure_current, history, upgrade, waiting


@pytest.fixture(params=[on("sqlite"), on("postgresql")])
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


def test_rooms_that_were_on_air_before_they_could_wait_for_a_picture_still_show_one(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "0001")
        for name, status in (("a", "live"), ("b", "ended")):
            room = {"id": f"room_{name}", "status": status, "state": f'{{"status": "{status}"}}'}
            connection.execute(
                text(
                    "INSERT INTO rooms (id, host_id, title, status, hidden, cut, slow, chat_n, created_at) VALUES"
                    " (:id, 'acc_1', 't', :status, false, false, 0, 0, '2026-11-22 04:00:00')"
                ),
                room,
            )
            connection.execute(text("INSERT INTO room_log_heads (room_id, seq, state) VALUES (:id, 1, :state)"), room)
    engine.dispose()
    upgrade(url)
    with engine.connect() as connection:
        rooms = connection.execute(text("SELECT stream, receiving FROM rooms ORDER BY id")).all()
        heads = select(LogHead.state["stream"].as_string()).order_by(LogHead.room_id)
        assert [tuple(row) for row in rooms] == [("test_picture", True), ("test_picture", False)]
        assert list(connection.scalars(heads)) == ["receiving", None]
    engine.dispose()
    assert differences(url) == []


def test_reporters_keep_what_they_were_told(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    at = "2026-11-22 04:00:00"
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "0001")
        for statement in (
            f"INSERT INTO cases VALUES ('case_1', 'note', 'note_1', 'acct_1', 'closed', 0.5, 0, 2, '{at}', NULL, NULL)",
            f"INSERT INTO moderation_actions VALUES ('act_1', 'case_1', 'hide', 1, 'r', 'acct_2', '{at}', NULL, NULL, NULL)",
            f"INSERT INTO moderation_actions VALUES ('act_2', 'case_1', 'hide', 1, 'r', 'acct_2', '{at}', NULL, NULL, NULL)",
            f"INSERT INTO reports VALUES ('rep_1', 'case_1', 'acct_3', 'spam', '', true, '{at}')",
            f"INSERT INTO reports VALUES ('rep_2', 'case_1', 'acct_4', 'spam', '', false, '{at}')",
        ):
            connection.execute(text(statement))
    upgrade(url)
    with engine.begin() as connection:
        told = connection.execute(text("SELECT id, answered_by FROM reports ORDER BY id")).all()
    engine.dispose()
    assert [tuple(row) for row in told] == [("rep_1", "act_2"), ("rep_2", None)]
    assert differences(url) == []


def test_tables_without_a_history_are_refused(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE accounts (id TEXT)"))
    engine.dispose()
    with pytest.raises(SettingError, match="offshelf migrate"):
        ensure_current(url)


def test_what_counted_without_an_exposure_starts_anew(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    note = "'n', 'a', '2026-11-22', '[]', false, 'f', .5, '{}', .9, true, 300, 90.0, 80.0"
    shown = "'e', 'p', 'feed', 'note', 'n', 'a', 'n', 1, false, 'pl-1', .5, '{}', '2026-11-22'"
    columns = (
        "id, person, placement, kind, item_id, author_id, state, position, commercial, policy_version, propensity, why"
    )
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "0001")
        connection.execute(text(f"INSERT INTO feed_candidates VALUES ({note})"))
        connection.execute(text(f"INSERT INTO exposures ({columns}, shown_at) VALUES ({shown})"))
    upgrade(url)
    with engine.connect() as connection:
        counters = connection.execute(text("SELECT exposures, examined, responses FROM feed_candidates")).one()
        counts = connection.execute(text("SELECT counts FROM exposures")).scalar_one()
    engine.dispose()
    assert (tuple(counters), bool(counts)) == ((300, 0.0, 0.0), False)


def test_revisions_wait_until_they_are_made_in_their_order(url: str) -> None:
    assert waiting(url) == history()
    made: list[str] = []
    assert upgrade(url, made.append) == history()[-1]
    assert (made, waiting(url)) == (history(), [])


def test_two_that_migrate_at_once_do_it_once(url: str) -> None:
    made: list[str] = []
    both = Barrier(2)

    def migrate(_: int) -> str:
        both.wait()
        return upgrade(url, made.append)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(migrate, range(2))) == [history()[-1]] * 2
    assert made == history()
    assert differences(url) == []


def test_a_migration_that_fails_leaves_the_schema_as_it_was(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "0001")
        connection.execute(text("CREATE TABLE feed_responses (id TEXT)"))  # which 0005 makes, after others
    tables, columns = set(inspect(engine).get_table_names()), len(inspect(engine).get_columns("rooms"))
    with pytest.raises(SettingError, match="could not be migrated and is as it was"):
        upgrade(url)
    assert set(inspect(engine).get_table_names()) == tables
    assert len(inspect(engine).get_columns("rooms")) == columns
    engine.dispose()
    assert waiting(url) == history()[1:]


def test_a_newer_schema_is_neither_migrated_nor_called_current(url: str) -> None:
    upgrade(url)
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    for look in (upgrade, waiting):
        with pytest.raises(SettingError, match=r"9999.*install the version"):
            look(url)
