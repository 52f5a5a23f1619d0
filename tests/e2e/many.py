"""A community of many processes: two for the web, two for jobs, nginx in front; one PostgreSQL, Redis and Elasticsearch behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import redis
import requests

from demo.people import DEMO_PASSWORD
from tests.conftest import fresh_alias, fresh_schema, require
from tests.e2e.served import PATIENCE, ROOT, environ_of
from tests.models import exported_model
from web.tour.client import Client

REDIS_URL = os.environ.get("OFFSHELF_TEST_REDIS_URL", "")
COOKIE = "offshelf_route"


@dataclass
class Running:
    """A process of the community; `name` is what it said when it was ready: where it answers, or as whom it works."""

    process: subprocess.Popen[str]
    name: str = ""

    def await_ready(self) -> Running:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith(("Offshelf answers at ", "Offshelf works as ")), line
        self.name = line.split()[-1]
        return self

    def kill(self) -> None:
        """kill -9, and gone."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self) -> int:
        """The exit status after SIGTERM."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


@dataclass
class Many:
    """`url` is nginx's; `webs` and `workers` are the processes behind."""

    url: str
    environ: dict[str, str]
    webs: list[Running]
    workers: list[Running]

    @property
    def data(self) -> Path:
        return Path(self.environ["OFFSHELF_DATA"])

    def log_in(self, url: str, handle: str) -> tuple[str, str]:
        """Account and token."""
        session = Client(url, handle).post("sessions", {"handle": handle, "password": DEMO_PASSWORD})
        return session["account"]["id"], session["token"]

    def route_to(self, web: Running) -> dict[str, str]:
        """The cookie with which nginx leads a socket to this process: only the process that gave a session out knows it."""
        for number in count():
            cookie = {"Cookie": f"{COOKIE}=way{number}"}
            sid = handshake(self.url, cookie).json_sid
            if requests.post(f"{web.name}{polling(sid)}", data="40/live,", timeout=20).ok:
                return cookie
        raise AssertionError("unreachable")

    def streaming(self, room: str) -> list[int]:
        """The processes that write this room's stream."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if process.joinpath("cwd").readlink() == self.data / "live" / room:
                    found.append(int(process.name))
        return found


@dataclass
class Handshake:
    json_sid: str
    cookie: str


def handshake(url: str, headers: dict[str, str] | None = None) -> Handshake:
    """Begin a long-polling socket."""
    answer = requests.get(f"{url}{polling()}", headers=headers, timeout=20)
    assert answer.ok, answer.text
    return Handshake(str(answer.text.split('"sid":"')[1].split('"')[0]), answer.headers.get("Set-Cookie", ""))


def polling(sid: str = "") -> str:
    return "socket.io/?EIO=4&transport=polling" + (f"&sid={sid}" if sid else "")


@contextmanager
def community(folder: Path) -> Iterator[Many]:
    """All processes start at once on nothing: whoever comes first makes schema, secret and index. Then it is peopled."""
    require("nginx", nginx() is not None, "there is no nginx: .ci/nginx gets one")
    require("postgres", bool(os.environ.get("OFFSHELF_TEST_POSTGRES_URL")), "no OFFSHELF_TEST_POSTGRES_URL")
    require("redis", bool(REDIS_URL), "no OFFSHELF_TEST_REDIS_URL")
    (folder / "data").mkdir()
    (folder / "data" / "models").symlink_to(exported_model().parent, target_is_directory=True)
    with fresh_schema() as database, fresh_alias() as index, own_redis() as kv:
        environ = environ_of(
            folder / "data",
            DATABASE_URL=database,
            KV_URL=kv,
            INDEX_URL=index,
            DEMO="true",
            LOG_LEVEL="WARNING",
            TRUSTED_PROXIES="1",
        )
        with processes(environ) as (webs, workers), before(folder, [web.name for web in webs]) as url:
            people = [sys.executable, "-m", "tests.e2e.community"]
            subprocess.run(people, cwd=ROOT, env=environ, check=True, timeout=PATIENCE)
            yield Many(url, environ, webs, workers)


@contextmanager
def processes(environ: dict[str, str]) -> Iterator[tuple[list[Running], list[Running]]]:
    """Two and two, started at once; at the end each that is left goes in peace."""
    serve, work = ["serve", "--no-jobs", "--port", "0"], ["work"]
    started = [
        Running(
            subprocess.Popen(
                [sys.executable, "-m", "web.cli", *verb], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
            )
        )
        for verb in (serve, serve, work, work)
    ]
    try:
        for one in started:
            one.await_ready()
        yield started[:2], started[2:]
        left = [one for one in started if one.process.poll() is None]
        assert [one.stop() for one in left] == [0] * len(left)
    finally:
        for one in started:
            one.kill()
            assert one.process.stdout is not None
            one.process.stdout.close()


@contextmanager
def own_redis() -> Iterator[str]:
    """The database beside the one that the contract tests use, emptied before and after."""
    parts = urlsplit(REDIS_URL)
    url = urlunsplit(parts._replace(path=f"/{(int(parts.path.strip('/') or 0) + 1) % 16}"))
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


def nginx() -> str | None:
    """The program: the machine's, or the one that `.ci/nginx` unpacked."""
    return shutil.which("nginx") or shutil.which(Path(sys.prefix) / "nginx" / "usr" / "sbin" / "nginx")


@contextmanager
def before(folder: Path, webs: list[str]) -> Iterator[str]:
    """nginx with the documented configuration, which names other ports here."""
    port = free_port()
    text = (ROOT / "docs" / "nginx.conf").read_text().replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    for number, web in enumerate(webs, 8001):
        text = text.replace(f"127.0.0.1:{number}", urlsplit(web).netloc)
    (folder / "nginx.conf").write_text(text)
    user = "user root; " if os.getuid() == 0 else ""
    command = [str(nginx()), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    process = subprocess.Popen([*command, "-g", f"{user}daemon off;"])
    try:
        await_answer(port, process)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def await_answer(port: int, process: subprocess.Popen[bytes]) -> None:
    """nginx says nothing when it is ready."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError("nginx did not start")
