"""`offshelf doctor`: well where all is well, and each fault named with its cure."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from engines.encoder import HashEncoder
from engines.index import open_index
from engines.kv import open_kv
from kernel.config import Settings
from kernel.ids import new_id
from kernel.ports import IndexDocument, KeyValue
from tests.conftest import POSTGRES_URL, fresh_schema, require
from tests.contract.test_kv import REDIS_URL
from tests.e2e.served import PATIENCE, ROOT, environ_of, start
from tests.e2e.test_bad_settings import PASSWORD, valkey
from tests.folder import PICTURES, Left, leave, settings_of
from web.archive import DATABASE, IMAGES
from web.cli import offshelf
from web.doctor import Finding, document, examine, exit_code, line
from web.folder import PLACING
from web.migrate import history

pytestmark = pytest.mark.timeout(240)
NAMES = {
    "versions", "server", "disk", "fsync", "database", "schema", "kv", "encoder", "index", "clock", "processes", "jobs",
    "outbox", "stock", "streams", "uploads", "index size",
}  # fmt: skip


@dataclass
class Patient:
    """A data folder of its own, and what is in it."""

    settings: Settings
    left: Left

    @property
    def data(self) -> Path:
        return self.settings.data

    def sql(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.data / DATABASE)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    def add_job(self, status: str, created: datetime) -> None:
        values = (new_id("job", created), "feed.refresh", "{}", status, "2020-01-01 00:00:00", 8, str(created)[:19])
        columns = "id, name, args, status, run_at, attempts, created_at"
        with closing(sqlite3.connect(self.data / DATABASE)) as connection:
            connection.execute(f"INSERT INTO jobs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)
            connection.commit()


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory, shared_kv: KeyValue) -> tuple[Path, Left]:
    folder = tmp_path_factory.mktemp("settled") / "data"
    return folder, leave(settings_of(folder), shared_kv)


@pytest.fixture
def patient(settled: tuple[Path, Left], tmp_path: Path) -> Patient:
    shutil.copytree(settled[0], tmp_path / "data")
    return Patient(settings_of(tmp_path / "data"), settled[1])


def weigh(folder: Path) -> dict[str, bytes]:
    """Every file with its content, the shared memory of SQLite left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal")))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def problems(settings: Settings) -> dict[str, Finding]:
    """What is wrong, by name; each with a cure of one sentence, and no password in any."""
    found = examine(settings)
    wrong = {one.name: one for one in found if one.status == "problem"}
    assert all(one.cure.endswith(".") or one.cure.startswith("End them") for one in wrong.values()), wrong
    assert PASSWORD not in json.dumps(document(found)) + "".join(map(line, found))
    assert exit_code(found) == (2 if any(one.refused for one in found) else int(bool(wrong)))
    return wrong


# -- the command ----------------------------------------------------------------------------------------------------


def test_a_server_that_is_well_is_found_well_while_it_runs(patient: Patient) -> None:
    server = start(environ_of(patient.data, ENCODER="hash"))
    try:
        command = [sys.executable, "-m", "web.cli", "doctor", "--json"]
        ended = subprocess.run(command, cwd=ROOT, env=server.environ, capture_output=True, text=True, timeout=PATIENCE)
        assert (ended.returncode, ended.stderr) == (0, "")
        checks = {one["name"]: one for one in json.loads(ended.stdout)["checks"]}
        assert checks.keys() >= NAMES
        assert f"process {server.process.pid} at work" in checks["server"]["seen"]
        assert (checks["database"]["status"], checks["schema"]["status"], checks["stock"]["status"]) == ("ok",) * 3
        assert "a round trip" in checks["kv"]["seen"]
        assert "Valkey" in checks["clock"]["seen"]
        assert checks["processes"]["seen"] == "1 beside the server"
    finally:
        assert server.stop(signal.SIGTERM) == 0


def test_wrong_passwords_end_with_2_and_are_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "disable", lambda: None)  # for the tests that follow
    nobody = f"user:{PASSWORD}@127.0.0.1:1"
    urls = {
        "DATABASE_URL": f"postgresql://{nobody}/x",
        "KV_URL": f"redis://{nobody}/0",
        "INDEX_URL": f"http://{nobody}/x",
    }
    environ = environ_of(tmp_path / "none", ENCODER="hash", **urls)
    ended = CliRunner(env=environ).invoke(offshelf, ["doctor"])
    assert ended.exit_code == 2
    assert all(f"-> OFFSHELF_{name}" in ended.stdout for name in urls)
    assert PASSWORD not in ended.output
    assert not (tmp_path / "none").exists()


# -- nothing wrong, nothing changed ---------------------------------------------------------------------------------


def test_a_stopped_server_s_folder_is_well_and_stays_as_it_is(patient: Patient) -> None:
    before = weigh(patient.data)
    found = examine(patient.settings)
    assert exit_code(found) == 0
    assert {one.name for one in found} == NAMES
    assert weigh(patient.data) == before


def test_where_nothing_is_nothing_is_made(tmp_path: Path) -> None:
    found = examine(settings_of(tmp_path / "none"))
    assert exit_code(found) == 0
    assert {one.name for one in found if one.status == "warning"} >= {"server", "database", "index"}
    assert not (tmp_path / "none").exists()


# -- faults ---------------------------------------------------------------------------------------------------------


def _orphan(patient: Patient) -> str:
    file = patient.data / IMAGES / "ab" / f"ab{'c' * 62}.webp"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"nobody's")
    os.utime(file, (time.time() - 3600, time.time() - 3600))
    return file.name


def _missing(patient: Patient) -> str:
    name = patient.left.pictures[0]
    (patient.data / IMAGES / name[:2] / name).unlink()
    return name


def _stock(statement: str) -> Callable[[Patient], str]:
    def spoil(patient: Patient) -> str:
        patient.sql("PRAGMA ignore_check_constraints=ON", statement)
        return patient.left.sku

    return spoil


def _parked(patient: Patient) -> str:
    patient.add_job("parked", datetime.now(UTC))
    return "1 feed.refresh"


def _clock_back(patient: Patient) -> str:
    patient.add_job("waiting", datetime.now(UTC) + timedelta(hours=2))
    return "s behind the newest row"


def _pending(patient: Patient) -> str:
    patient.sql(f"UPDATE alembic_version SET version_num = '{history()[-2]}'")
    return f"1 waiting: {history()[-1]}"


def _stream(patient: Patient) -> str:
    (patient.data / "live" / "room_gone").mkdir(parents=True)
    return "room_gone"


def _not_indexed(patient: Patient) -> str:
    encoder = HashEncoder()
    index = open_index("embedded://", patient.data / "index", encoder.dimensions, name=encoder.fingerprint)
    index.put([IndexDocument("note_x", "note", ["linen"])])
    index.close()
    return "2 documents of 1 things"


def _half_restored(patient: Patient) -> str:
    (patient.data / PLACING).mkdir()
    return "a restore was interrupted"


@pytest.mark.parametrize(
    ("name", "spoil", "cure"),
    [
        ("uploads", _orphan, "Remove them"),
        ("uploads", _missing, "from a backup"),
        ("stock", _stock("UPDATE stock SET available = available + 1"), "find out who"),
        ("stock", _stock("UPDATE stock SET reserved = reserved - 1, available = available + 1"), "find out who"),
        ("stock", _stock("UPDATE orders SET status = 'closed'"), "find out who"),
        ("stock", _stock("DELETE FROM stock_moves WHERE kind = 'reserved'"), "find out who"),
        ("jobs parked", _parked, "offshelf jobs retry"),
        ("clock", _clock_back, "NTP"),
        ("schema", _pending, "offshelf migrate"),
        ("streams", _stream, "Remove them"),
        ("index size", _not_indexed, "offshelf rebuild"),
        ("left over", _half_restored, "offshelf restore FILE --replace"),
    ],
)
def test_a_fault_is_named_with_its_cure(
    patient: Patient, name: str, spoil: Callable[[Patient], str], cure: str
) -> None:
    said = spoil(patient)
    before = weigh(patient.data)
    wrong = problems(patient.settings)
    assert wrong.keys() == {name}
    assert said in wrong[name].seen
    assert cure in wrong[name].cure
    assert weigh(patient.data) == before


def test_what_a_killed_start_left_of_a_key_is_told(patient: Patient) -> None:
    left = patient.data / ".secret-0123abcd"
    left.write_text("half a key")
    os.utime(left, (0, 0))
    (told,) = [one for one in examine(patient.settings) if one.name == "left over"]
    assert left.name in told.seen


def test_an_upload_under_way_is_no_problem_yet(patient: Patient) -> None:
    _orphan(patient)
    for path in (patient.data / IMAGES / "ab").iterdir():
        path.touch()
    found = {one.name: one for one in examine(patient.settings)}
    assert (found["uploads"].status, exit_code([*found.values()])) == ("warning", 0)


def test_a_valkey_that_outlived_its_server_is_found(patient: Patient) -> None:
    kv = open_kv("embedded://", patient.data / "kv")
    try:
        wrong = problems(patient.settings)
        assert wrong.keys() == {"processes"}
        assert f"valkey-server {kv.server and kv.server.child.pid}" in wrong["processes"].seen
    finally:
        kv.close()


def test_a_redis_that_evicts_is_a_problem_and_a_wrong_password_a_wrong_setting(
    patient: Patient, tmp_path: Path
) -> None:
    with valkey(tmp_path, maxmemory="16mb", **{"maxmemory-policy": "allkeys-lru"}) as address:
        settings = settings_of(patient.data, kv_url=f"redis://:{PASSWORD}@{address}/0")
        wrong = problems(settings)
        assert wrong.keys() == {"kv memory"}
        assert "16 MiB, allkeys-lru: it evicts" in wrong["kv memory"].seen
        assert "noeviction" in wrong["kv memory"].cure
        refused = problems(settings_of(patient.data, kv_url=f"redis://:not-{PASSWORD}@{address}/0"))["kv"]
        assert refused.refused
        assert "refuses the user or password" in refused.cure


@pytest.fixture
def postgres() -> Iterator[str]:
    """A schema of its own; the password is never asked for on this machine, and must never be shown."""
    require("postgres", bool(POSTGRES_URL), "OFFSHELF_TEST_POSTGRES_URL names no PostgreSQL")
    with fresh_schema() as url:
        user, _, place = url.removeprefix("postgresql://").partition("@")
        yield f"postgresql://{user.partition(':')[0]}:{PASSWORD}@{place}"


def test_the_engines_of_many_machines_are_asked_too(
    postgres: str, elasticsearch_url: str, tmp_path: Path, shared_kv: KeyValue
) -> None:
    require("redis", bool(REDIS_URL), "OFFSHELF_TEST_REDIS_URL names no Redis")
    settings = settings_of(tmp_path / "data", database_url=postgres, index_url=elasticsearch_url, kv_url=REDIS_URL)
    leave(settings, shared_kv)
    assert problems(settings) == {}
    seen = {one.name: one.seen for one in examine(settings)}
    assert seen.keys() >= NAMES
    assert ("PostgreSQL" in seen["database"], "Redis" in seen["kv"], "Elasticsearch 9" in seen["index"]) == (True,) * 3
    assert all(f"{name} " in seen["clock"] for name in ("PostgreSQL", "Redis"))
    assert seen["index size"].startswith("1 documents of 1 things")
    assert seen["uploads"].startswith(f"{PICTURES} files")
    loses = settings_of(settings.data, database_url=f"{postgres}%20-csynchronous_commit%3Doff")
    wrong = problems(loses)
    assert wrong.keys() == {"database"}
    assert "synchronous_commit off" in wrong["database"].seen
