"""`offshelf jobs`: over the job table of a data folder that a server has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engines.sql import open_database
from kernel.clock import SystemClock
from kernel.config import Settings
from kernel.jobs import JobRow
from web.cli import offshelf
from web.folder import data_folder
from web.migrate import ensure_current

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return lambda *words: CliRunner().invoke(offshelf, ["jobs", *words], env={"OFFSHELF_DATA": str(tmp_path)})


@pytest.fixture
def gave_up(tmp_path: Path) -> str:
    """A parked job."""
    settings = Settings(data=tmp_path)
    ensure_current(settings.sql_url)
    clock = SystemClock()
    db = open_database(settings.sql_url, clock)
    row = {"id": "job_1", "name": "search.index", "args": {"ids": []}, "status": "parked", "attempts": 8, "error": "no"}
    now = clock.now()
    db.write(lambda tx: tx.session.add(JobRow(**row, run_at=now, created_at=now)))
    db.close()
    return "job_1"


def test_jobs_are_listed_retried_and_dropped_beside_who_has_the_folder(run: Run, gave_up: str, tmp_path: Path) -> None:
    with data_folder(Settings(data=tmp_path)):
        assert "job_1 search.index parked" in run("list").output
        (job,) = json.loads(run("list", "--status", "parked", "--json").output)
        assert (job["id"], job["attempts"], job["error"]) == (gave_up, 8, "no")
        assert run("retry", gave_up).exit_code == 0
        again = run("retry", gave_up, "--json")
        assert (again.exit_code, json.loads(again.output)) == (1, {"changed": 0, "asked": 1})
        assert json.loads(run("list", "--status", "waiting", "--json").output)[0]["attempts"] == 0
        assert run("drop", gave_up, gave_up).exit_code == 0
        assert run("list").output == "No jobs.\n"


def test_without_a_database_there_is_a_sentence_and_nothing_is_made(run: Run, tmp_path: Path) -> None:
    result = run("list")
    assert "There is no database" in str(result.exception)
    assert list(tmp_path.iterdir()) == []
