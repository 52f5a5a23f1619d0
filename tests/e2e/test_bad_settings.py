"""A wrong setting stops the start: one sentence that names it and the cure, exit 2, no trace, no secret."""

from __future__ import annotations

import resource
import secrets
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from sqlalchemy import create_engine, text

from engines.kv import _server_program
from kernel.config import Settings
from tests.conftest import POSTGRES_URL, fresh_schema, require
from tests.e2e.served import PATIENCE, ROOT, environ_of
from web.folder import data_folder
from web.migrate import upgrade

PASSWORD = "open-sesame"
NOBODY = f"user:{PASSWORD}@127.0.0.1:1"


def refusal(folder: Path, limit: int | None = None, **settings: str) -> str:
    """The one line with which `offshelf serve` ends at once."""
    environ = environ_of(folder, **{"ENCODER": "hash", "PORT": "0", "LOG_LEVEL": "INFO", **settings})
    ended = subprocess.run(
        [sys.executable, "-m", "web.cli", "serve"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        preexec_fn=limit and (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))),
    )
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    assert PASSWORD not in ended.stderr
    assert "Traceback" not in ended.stderr
    (line,) = ended.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "-1", "0 to 65535"),
        ("PORT", "1e9", "0 to 65535"),
        ("HOST", "no.such.host.invalid", "Cannot listen on"),
        ("MAX_BODY", "-5", "1024 to"),
        ("MAX_BODY", "9" * 40, "1024 to"),
        ("JOB_THREADS", "0", "1 to 32"),
        ("TRUSTED_PROXIES", "1000", "0 to 10"),
        ("INGEST_PORTS", "0-99999999", "FIRST-LAST"),
        ("PUBLIC_URL", f"ftp://{NOBODY}", "https://HOST"),
        ("DATA", "~nobody-of-this-name/x", "folder"),
        ("DATA", "/dev/null/x", "name another folder"),
        ("DATA", "/proc", "name another folder"),
        ("DATA", "/tmp/" + "a" * 301, "the folder that keeps everything"),
        ("DATA", "/tmp/x\udcff", "no UTF-8"),
        ("HOST", "x\udcff", "no UTF-8"),
        ("ENCODER", "no-such-encoder", "no-such-encoder"),
        ("DATABASE_URL", f"mysql://{NOBODY}/x", "sqlite:///PATH"),
        ("DATABASE_URL", "sqlite://", "path of a file"),
        ("DATABASE_URL", "sqlite:////nowhere/at/all.db", "a folder that this user may write"),
        ("DATABASE_URL", f"sqlite:///{ROOT / 'README.md'}", "a file that Offshelf made"),
        ("DATABASE_URL", f"postgresql://{NOBODY}/x", "no PostgreSQL answers"),
        ("DATABASE_URL", f"postgresql://user:{PASSWORD}@127.0.0.1:port/x", "postgresql://USER:PASSWORD@HOST"),
        ("DATABASE_URL", f"postgresql://user:half@{PASSWORD}@127.0.0.1:1/x", "no PostgreSQL answers"),
        ("DATABASE_URL", f"postgresql://{NOBODY}/x?nonsense=1", "does not understand"),
        ("KV_URL", f"memcached://{NOBODY}", "redis://HOST:PORT/DB"),
        ("KV_URL", f"redis://{NOBODY}/first", "the database is a number"),
        ("KV_URL", f"redis://{NOBODY}/0", "no Redis answers"),
        ("KV_URL", f"rediss://{NOBODY}/0", "no Redis answers"),
        ("INDEX_URL", f"elastic://{NOBODY}/x", "https://USER:PASSWORD@HOST"),
        ("INDEX_URL", f"http://{NOBODY}/A B", "small letters"),
        ("INDEX_URL", f"http://{NOBODY}/x", "no Elasticsearch answers"),
    ],
)
def test_a_wrong_value_is_refused(tmp_path: Path, name: str, value: str, said: str) -> None:
    line = refusal(tmp_path, **{name: value})
    assert f"OFFSHELF_{name}" in line
    assert said in line


def test_a_secret_that_was_cut_short_signs_nothing(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("")
    assert "OFFSHELF_SECRET" in refusal(tmp_path)


def test_a_full_disk_is_said_before_anything_is_changed(tmp_path: Path) -> None:
    line = refusal(tmp_path, limit=2**20)
    assert "OFFSHELF_DATA" in line
    assert "make room" in line
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_port_or_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "OFFSHELF_PORT" in refusal(tmp_path, PORT=port)
    with data_folder(Settings(data=tmp_path)):
        assert "set OFFSHELF_DATA to another folder" in refusal(tmp_path)
    assert "run `offshelf serve` with its jobs" in refusal(tmp_path, JOBS="false")


# -- what answers is not what we need -------------------------------------------------------------------------------


class _Elastic(BaseHTTPRequestHandler):
    said: tuple[int, str, bool]

    def do_GET(self) -> None:
        status, body, named = self.said
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if named:
            self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


class _Postgres(socketserver.BaseRequestHandler):
    """Refuses every password, as PostgreSQL does; one that trusts its own machine, as in tests, never would."""

    def handle(self) -> None:
        while (start := self.request.recv(4096))[4:8] == b"\x04\xd2\x16\x2f":  # may we speak TLS?
            self.request.sendall(b"N")
        fields = b'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "user"\0\0'
        if start:
            self.request.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)


@contextmanager
def served(server: socketserver.TCPServer) -> Iterator[int]:
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, '{"version": {"number": "8.15.0"}}', True), "Elasticsearch 8.15.0; name an Elasticsearch 9"),
        ((400, '{"error": "compatible-with=9"}', True), "name an Elasticsearch 9"),
        ((200, '{"version": {"number": "9.0.0"}}', False), "not Elasticsearch"),
        ((200, "[]", True), "not Elasticsearch"),
        ((404, "{}", False), "name an Elasticsearch 9"),
        ((401, "{}", True), "refuses this user or password"),
        ((403, "{}", True), "refuses this user or password"),
    ],
)
def test_another_elasticsearch_or_none_is_refused(tmp_path: Path, answer: tuple[int, str, bool], said: str) -> None:
    handler = type("Answers", (_Elastic,), {"said": answer})
    with served(HTTPServer(("127.0.0.1", 0), handler)) as port:
        line = refusal(tmp_path, INDEX_URL=f"http://user:{PASSWORD}@127.0.0.1:{port}/shelf")
    assert line.startswith("offshelf: OFFSHELF_INDEX_URL")
    assert said in line


def test_a_wrong_password_of_postgresql_is_named_and_not_repeated(tmp_path: Path) -> None:
    with served(socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Postgres)) as port:
        line = refusal(tmp_path, DATABASE_URL=f"postgresql://user:{PASSWORD}@127.0.0.1:{port}/shop")
    assert "OFFSHELF_DATABASE_URL: PostgreSQL refuses this user or password" in line


@contextmanager
def valkey(folder: Path, **settings: str) -> Iterator[str]:
    """A private server on a port of its own, as HOST:PORT."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = {"port": str(port), "save": "", "requirepass": PASSWORD, **settings}
    command = [str(_server_program()), *(word for name, value in given.items() for word in (f"--{name}", value))]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert any("Ready to accept connections" in line for line in process.stdout)
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()


def test_a_redis_that_refuses_us_or_evicts_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with valkey(tmp_path, maxmemory="16mb", **{"maxmemory-policy": "volatile-lru"}) as address:
        assert "refuses the user or password" in refusal(data, KV_URL=f"redis://{address}/0")
        assert "refuses the user or password" in refusal(data, KV_URL=f"redis://:{PASSWORD[:-1]}@{address}/0")
        right = f"redis://:{PASSWORD}@{address}"
        evicts = refusal(data, KV_URL=f"{right}/0")
        assert "OFFSHELF_KV_URL: this Redis evicts keys (volatile-lru)" in evicts
        with redis.Redis.from_url(right) as client:
            client.config_set("maxmemory", 0)
            assert "no database of that number" in refusal(data, KV_URL=f"{right}/99")
            client.replicaof("127.0.0.1", "1")
            assert "name the one that takes writes" in refusal(data, KV_URL=f"{right}/0")
            client.replicaof("NO", "ONE")
            client.execute_command("ACL", "SETUSER", "reader", "on", f">{PASSWORD}", "~*", "+@read", "+info", "+ping")
            assert "may use every command" in refusal(data, KV_URL=f"redis://reader:{PASSWORD}@{address}/0")


def test_what_answers_in_a_redis_s_place_is_no_redis(tmp_path: Path) -> None:
    handler = type("Answers", (_Elastic,), {"said": (200, "{}", False)})
    with served(HTTPServer(("127.0.0.1", 0), handler)) as port:
        assert "OFFSHELF_KV_URL" in refusal(tmp_path, KV_URL=f"redis://user:{PASSWORD}@127.0.0.1:{port}/0")


@pytest.fixture
def role() -> Iterator[tuple[str, str]]:
    """A role without rights, and the URL of a schema where it may look; both are dropped."""
    require("postgres", bool(POSTGRES_URL), "OFFSHELF_TEST_POSTGRES_URL names no PostgreSQL")
    name = f"r_{secrets.token_hex(6)}"
    engine = create_engine(POSTGRES_URL.replace("postgresql://", "postgresql+psycopg://", 1))
    with fresh_schema() as url:
        schema = url.rpartition("%3D")[2]
        with engine.begin() as connection:
            connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'"))
            connection.execute(text(f"GRANT USAGE ON SCHEMA {schema} TO {name}"))
        yield url, url.replace(urlsplit(url).netloc.rpartition("@")[0], f"{name}:{PASSWORD}", 1)
        with engine.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {name}"))
            connection.execute(text(f"DROP ROLE {name}"))
    engine.dispose()


def test_a_role_without_rights_is_told_which_it_needs(tmp_path: Path, role: tuple[str, str]) -> None:
    owner, barred = role
    schema = owner.rpartition("%3D")[2]
    assert f"GRANT CREATE, USAGE ON SCHEMA {schema}" in refusal(tmp_path, DATABASE_URL=barred)
    upgrade(owner)
    assert "SELECT, INSERT, UPDATE, DELETE on all tables" in refusal(tmp_path, DATABASE_URL=barred)
    assert "search_path" in refusal(tmp_path, DATABASE_URL=barred.replace(schema, "no_such_schema"))
    assert "no_such_database" in refusal(
        tmp_path, DATABASE_URL=urlsplit(owner)._replace(path="/no_such_database").geturl()
    )
