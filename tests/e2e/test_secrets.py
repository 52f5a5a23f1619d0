"""No secret reaches a log line or an error: a real server is driven with all of them, and everything it said is read."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from kernel.config import Settings
from kernel.ids import new_id
from kernel.jobs import JobRow
from tests.e2e.served import PATIENCE, ROOT, Served, environ_of
from web.logs import JsonLines, TextLines, configure, fields, secrets_of

SECRET = "the-servers-own-secret-0123456789abcdef"
PASSWORD, WRONG, QUERY = "correct horse 77 battery", "wrong-horse-88-battery", "leaked-in-a-query-99"
COOKIE, BEARER = "cookie-that-is-no-session-11", "bearer-that-is-no-token-22"
CAUSE = "cause-of-it-all.0001"


@dataclass
class Said:
    served: Served
    output: Path

    def lines(self) -> list[dict]:  # type: ignore[type-arg]
        whole = self.output.read_text().rpartition("\n")[0]  # the last line may be half written
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def await_line(self, part: str) -> list[dict]:  # type: ignore[type-arg]
        """The lines that hold `part`, as soon as there is one."""
        deadline = time.monotonic() + PATIENCE
        while not (found := [line for line in self.lines() if part in str(line)]):
            assert time.monotonic() < deadline, f"nobody said {part}"
            time.sleep(0.05)
        return found


@pytest.fixture
def talkative(tmp_path: Path) -> Iterator[Said]:
    """A server that logs everything it can, into one file."""
    environ = environ_of(tmp_path / "data", ENCODER="hash", LOG_LEVEL="DEBUG", LOG_FORMAT="json", SECRET=SECRET)
    path = tmp_path / "output"
    with path.open("w") as output:
        command = [sys.executable, "-m", "web.cli", "serve", "--port", "0"]
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=output, text=True)
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        try:
            yield Said(Served(process, url, environ), path)
        finally:
            process.kill()
            process.wait(PATIENCE)
            process.stdout.close()


def test_no_secret_reaches_a_log(talkative: Said, tmp_path: Path) -> None:
    url = f"{talkative.served.url}api/v1"
    ask = requests.Session()
    handed = [SECRET, PASSWORD, WRONG, QUERY, COOKIE, BEARER]
    account = {"handle": "ann", "name": "Ann", "password": PASSWORD}
    token = ask.post(f"{url}/accounts", json=account, timeout=PATIENCE).json()["token"]
    handed.append(token)
    mine = {"Authorization": f"Bearer {token}"}
    for password in (PASSWORD, WRONG):
        ask.post(f"{url}/sessions", json={"handle": "ann", "password": password}, timeout=PATIENCE)
    ask.post(f"{url}/sessions", data=f'{{"handle": "ann", "password": "{WRONG}"', timeout=PATIENCE)
    ask.get(f"{url}/me", headers={**mine, "X-Request-Id": CAUSE}, timeout=PATIENCE)
    ask.get(f"{url}/me", headers={"Authorization": f"Bearer {BEARER}"}, timeout=PATIENCE)
    ask.get(f"{url}/nowhere/{QUERY}?access_token={QUERY}", timeout=PATIENCE)
    ask.get(f"{url}/feed?token={QUERY}", timeout=PATIENCE)
    ask.get(talkative.served.url, cookies={"offshelf_session": COOKIE}, timeout=PATIENCE)
    ask.get(f"{talkative.served.url}socket.io/?EIO=4&transport=polling&token={QUERY}", timeout=PATIENCE)
    refused = ask.post(f"{url}/sessions", json={"handle": "ann", "password": WRONG, "x": QUERY}, timeout=PATIENCE).text
    refused += fail_a_job(tmp_path / "data" / "offshelf.db", QUERY, talkative)
    said = talkative.output.read_text() + refused
    said += "".join(path.read_text(errors="replace") for path in (tmp_path / "data").rglob("*.log"))
    assert [secret for secret in handed if secret in said] == []
    access = [line for line in talkative.lines() if line["logger"] == "offshelf.access"]
    assert {line["route"] for line in access} >= {"/api/v1/sessions", "/api/v1/me", "none"}
    me = next(line for line in access if line["request_id"] == CAUSE)
    assert (me["method"], me["status"], me["person"], me["level"]) == ("GET", 200, "account", "info")
    assert me["duration_ms"] > 0


def fail_a_job(database: Path, secret: str, talkative: Said) -> str:
    """A job whose statement is given a secret and fails; what its row then says of the error."""
    engine = create_engine(f"sqlite:///{database}", connect_args={"timeout": PATIENCE})
    now = datetime.now(UTC)
    job = JobRow(id=new_id("job", now), name="notes.drop_files", args={"names": [{"is": secret}]}, run_at=now)
    job.created_at, job.request_id, job_id = now, CAUSE, job.id
    with Session(engine) as session:
        session.add(job)
        session.commit()
    failed = [line for line in talkative.await_line(job_id) if line["level"] == "warning"]
    assert (failed[0]["request_id"], failed[0]["job"]) == (CAUSE, f"notes.drop_files {job_id}")
    error, deadline = None, time.monotonic() + PATIENCE
    while error is None:  # the row is written after the line
        assert time.monotonic() < deadline
        with Session(engine) as session:
            error = session.get_one(JobRow, job_id).error
    engine.dispose()
    return error


def test_a_wrong_setting_is_refused_without_its_password(tmp_path: Path) -> None:
    nowhere = {
        "DATABASE_URL": "postgresql://ann:hunter2hunter2@127.0.0.1:1/none",
        "INDEX_URL": "http://ann:hunter2hunter2@127.0.0.1:1/none",
        "KV_URL": "redis://ann:hunter2hunter2@127.0.0.1:1/none",
    }
    for name, value in nowhere.items():
        environ = environ_of(tmp_path / name, ENCODER="hash", LOG_LEVEL="DEBUG", **{name: value})
        command = [sys.executable, "-m", "web.cli", "serve", "--port", "0"]
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode != 0
        assert "hunter2" not in done.stdout + done.stderr


@pytest.mark.parametrize("form", [JsonLines, TextLines])
def test_what_a_library_says_is_scrubbed(form: type[JsonLines] | type[TextLines]) -> None:
    settings = Settings(secret="s3cret" * 8, database_url="postgresql://ann:p%40ssword@db/x")  # type: ignore[call-arg]
    lines = form(secrets_of(settings))
    try:
        raise RuntimeError("at https://elastic:changeme@es:9200/ with Bearer abc.def and p@ssword")
    except RuntimeError:
        record = logging.LogRecord(
            "x", logging.ERROR, "", 0, "key %s, passphrase=tell-nobody&x=1", ("s3cret" * 8,), sys.exc_info()
        )
    said = lines.format(record)
    for secret in ("s3cret", "changeme", "abc.def", "p@ssword", "tell-nobody"):
        assert secret not in said
    assert "https://***@es:9200/" in said
    assert "x=1" in said


def test_a_terminal_reads_text_and_a_file_json(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    former = logging.getLogger().handlers[:]
    try:
        for chosen, begins in (("auto", "{"), ("json", "{"), ("text", "2")):
            configure(Settings(log_format=chosen))  # type: ignore[call-arg, arg-type]
            logging.getLogger("offshelf.test").info("hello", extra=fields(route="/x"))
            said = capfd.readouterr().err
            assert said.startswith(begins)
            assert "hello" in said
            assert "/x" in said
    finally:
        logging.getLogger().handlers[:] = former
