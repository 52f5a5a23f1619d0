"""One history of the schema for both databases, and the models say nothing that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from threading import Barrier

import pytest
from alembic import command
from pyroaring import BitMap
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.orm import Session

from kernel.errors import SettingError
from kernel.jobs import JobRow
from live.models import LogHead
from metrics.people import load
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


def test_every_note_of_the_feed_is_read_again_for_its_fingerprint_and_its_place(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "0008")
        for number in range(45):
            note = f"'n{number:02}', 'a', '2026-11-22', '[]', false, 'f', .5, '{{}}', .9, true, 3, 9.0, 8.0"
            connection.execute(text(f"INSERT INTO feed_candidates VALUES ({note})"))
    upgrade(url)
    with Session(engine) as session:
        jobs = session.scalars(select(JobRow)).all()
    engine.dispose()
    assert {(job.name, job.status, job.attempts) for job in jobs} == {("feed.refresh", "waiting", 0)}
    assert sorted(note for job in jobs for note in job.args["note_ids"]) == [f"n{number:02}" for number in range(45)]
    assert max(len(job.args["note_ids"]) for job in jobs) <= 20


@pytest.mark.parametrize("sealed", [False, True])
def test_who_only_paid_on_a_day_was_not_active_on_it(url: str, sealed: bool) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    acts = [("acct_1", "order.paid"), ("acct_2", "order.paid"), ("dev_2", "note.opened"), ("acct_3", "app.opened")]
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "0008")
        for n, (person, name) in enumerate(acts):
            told = f"'s{n}', '2026-11-22 04:00:00', '2026-11-22', '{person}', false, '{name}', 'app', NULL, 1"
            connection.execute(text(f"INSERT INTO metric_events VALUES ({told})"))
        connection.execute(text("INSERT INTO person_aliases VALUES ('dev_2', 'acct_2')"))
        for number in (1, 2, 3):
            connection.execute(text(f"INSERT INTO person_numbers VALUES ({number}, 'acct_{number}')"))
            if not sealed:
                connection.execute(
                    text(f"INSERT INTO day_people VALUES ('2026-11-22', 'dau', 'app', 'people', {number})")
                )
        if sealed:
            row = text("INSERT INTO day_sets VALUES ('2026-11-22', 'dau', 'app', 'people', :bitmap)")
            connection.execute(row, {"bitmap": BitMap([1, 2, 3]).serialize()})
    engine.dispose()
    upgrade(url)
    with Session(engine) as session:
        active = load(session, date(2026, 11, 22), date(2026, 11, 22), ["dau"])
    engine.dispose()
    assert active == {(date(2026, 11, 22), "dau", "app", "people"): BitMap([2, 3])}
    assert differences(url) == []


def test_a_picture_finds_the_versions_and_the_covers_that_show_it(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    at, cover = "2026-11-22 04:00:00", '{"url": "/media/images/a.webp", "width": 3, "height": 4}'
    shown = {
        1: '[{"media": "media_1"}, {"media": "media_2"}, {"media": "media_1"}]',
        2: '[{"media": "media_2"}]',
        3: "[]",
    }
    versions = (
        "INSERT INTO note_versions (note_id, n, title, text, topics, pictures, skus, state, was, reason, created_at)"
    )
    products = (
        "INSERT INTO products (id, merchant_id, title, description, category, cover, status, version, created_at)"
    )
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "0001")
        note = "'note_1', 'acct_1', 'draft', false, false, '', 3, 0, 0, 0"
        counted = "id, author_id, status, hidden, removed, hold_reason, latest, likes, saves, comments, created_at"
        connection.execute(text(f"INSERT INTO notes ({counted}) VALUES ({note}, '{at}')"))
        for n, pictures in shown.items():
            row = text(f"{versions} VALUES ('note_1', :n, '', '', '[]', :pictures, '[]', 'draft', '', '', '{at}')")
            connection.execute(row, {"n": n, "pictures": pictures})
        for name, told in (("a", cover), ("b", "null"), ("c", None)):
            row = text(f"{products} VALUES (:id, 'acct_1', '', '', '', :cover, 'listed', 1, '{at}')")
            connection.execute(row, {"id": f"prod_{name}", "cover": told})
    upgrade(url)
    with engine.connect() as connection:
        versions_of = connection.execute(text("SELECT media_id, n FROM version_pictures ORDER BY media_id, n")).all()
        covers = connection.execute(text("SELECT cover_url FROM products ORDER BY id")).scalars().all()
    engine.dispose()
    assert [tuple(row) for row in versions_of] == [("media_1", 1), ("media_2", 1), ("media_2", 2)]
    assert covers == ["/media/images/a.webp", None, None]
    assert differences(url) == []


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
