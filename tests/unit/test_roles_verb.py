"""`offshelf roles`: the first moderator and admin come from whoever has the machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from accounts import AccountService
from accounts.models import AccountRole
from engines.offloop import off_loop
from engines.sql import open_database
from kernel.clock import SystemClock
from kernel.config import Settings
from kernel.errors import SettingError
from moderation.models import AuditEntry
from web.cli import offshelf
from web.folder import data_folder
from web.migrate import ensure_current

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    settings = Settings(data=tmp_path)
    ensure_current(settings.sql_url)
    with closing(open_database(settings.sql_url, SystemClock())) as db:
        db.write(lambda tx: AccountService(db, off_loop).add(tx, "ann", "Ann", roles=("viewer",)))
    return lambda *words: CliRunner().invoke(offshelf, ["roles", *words], env={"OFFSHELF_DATA": str(tmp_path)})


def held(folder: Path) -> tuple[set[str], list[tuple[str, str]]]:
    with closing(open_database(f"sqlite:///{folder / 'offshelf.db'}", SystemClock())) as db, db.read() as session:
        roles = set(session.scalars(select(AccountRole.role)))
        lines = [(row.actor_id, row.what) for row in session.scalars(select(AuditEntry).order_by(AuditEntry.id))]
        return roles, lines


def test_a_role_is_given_and_taken_beside_a_server_and_audited_once(run: Run, tmp_path: Path) -> None:
    with data_folder(Settings(data=tmp_path)):
        assert "ann has the role moderator." in run("grant", "Ann", "moderator").output
        assert json.loads(run("grant", "ann", "moderator", "--json").output)["changed"] is False
        assert held(tmp_path) == ({"viewer", "moderator"}, [("operator", "role.grant")])
        assert run("revoke", "ann", "moderator").exit_code == 0
    assert held(tmp_path) == ({"viewer"}, [("operator", "role.grant"), ("operator", "role.revoke")])


def test_a_stranger_or_another_role_is_refused_and_changes_nothing(run: Run, tmp_path: Path) -> None:
    nobody = run("grant", "bob", "admin")
    assert isinstance(nobody.exception, SettingError)
    assert "Nobody has the handle bob" in str(nobody.exception)
    assert run("grant", "ann", "creator").exit_code == 2
    assert held(tmp_path) == ({"viewer"}, [])
