"""`offshelf rebuild`, beside a running server and without one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engines.sql import open_database
from kernel.clock import SystemClock
from kernel.config import Settings
from kernel.job_desk import listed
from search import REBUILD
from tests.contract.test_kv import eventually
from tests.e2e.served import PATIENCE, ROOT, environ_of, start
from web.folder import data_folder


def _run(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False)


def _found(url: str) -> list[str]:
    with urllib.request.urlopen(f"{url}api/v1/search?q=linen") as answer:
        return [item["title"] for item in json.load(answer)["items"]]


@pytest.mark.timeout(300)
def test_the_index_is_rebuilt_by_the_server_that_has_it_open_or_by_the_command(tmp_path: Path) -> None:
    environ = environ_of(tmp_path, ENCODER="hash")
    assert _run(environ, "tests.e2e.market_seed", "1", "1").returncode == 0

    def rebuilt() -> dict[str, Any]:
        done = _run(environ, "web.cli", "rebuild", "--json")
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    assert rebuilt()["documents"] == 1
    server = start(environ)
    try:
        assert _found(server.url) == ["Linen"]
        assert rebuilt()["by"] == "server"
        assert _found(server.url) == ["Linen"]
    finally:
        assert server.stop(signal.SIGINT) == 0
    assert rebuilt()["by"] == "command"
    assert [path.name for path in (tmp_path / "index").iterdir() if path.is_dir()] == ["3"]


@pytest.mark.timeout(300)
def test_the_command_takes_its_turn_after_somebody_who_is_no_server(tmp_path: Path) -> None:
    """A recount or a restore has the folder as a server has it, and does no jobs: the command waited for ever."""
    environ = environ_of(tmp_path, ENCODER="hash")
    assert _run(environ, "tests.e2e.market_seed", "1", "1").returncode == 0
    command = [sys.executable, "-m", "web.cli", "rebuild", "--json"]
    with data_folder(Settings(data=tmp_path)):
        asked = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)
        with closing(open_database(f"sqlite:///{tmp_path / 'offshelf.db'}", SystemClock())) as db:
            assert eventually(lambda: any(job["name"] == REBUILD for job in listed(db)), PATIENCE)
    done, _ = asked.communicate(timeout=PATIENCE)
    assert (asked.returncode, json.loads(done)["by"], json.loads(done)["documents"]) == (0, "command", 1)
    with closing(open_database(f"sqlite:///{tmp_path / 'offshelf.db'}", SystemClock())) as db:
        assert not [job for job in listed(db) if job["name"] == REBUILD]
