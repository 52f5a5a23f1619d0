"""`wsgi.py`: the app under a WSGI server that is not ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import socketio
from werkzeug.test import Client

from kernel.config import Settings
from tests.e2e.served import PATIENCE, ROOT, environ_of
from web.process import opened

STOCK_GEVENT = """
from gevent import monkey; monkey.patch_all()
from gevent.pywsgi import WSGIServer
import gevent, signal
from wsgi import app
server = WSGIServer(("127.0.0.1", 0), app, log=None)
gevent.signal_handler(signal.SIGTERM, server.stop)
server.start()
print(server.server_port, flush=True)
server.serve_forever()
"""
STOCK_THREADS = """
import signal, sys
from werkzeug.serving import make_server
from wsgi import app
server = make_server("127.0.0.1", 0, app, threaded=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
print(server.server_port, flush=True)
server.serve_forever()
"""
FORKED = """
import atexit, os
from wsgi import app
from werkzeug.test import Client
child = os.fork()
if child == 0:
    print(Client(app).get("/healthz").status_code, flush=True)
    atexit._run_exitfuncs()
    os._exit(0)
os.waitpid(child, 0)
print(Client(app).get("/api/v1/feed").status_code, flush=True)
"""


@contextmanager
def program(source: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    environ = environ_of(folder, ENCODER="hash", LOG_LEVEL="WARNING")
    command, pipe = [sys.executable, "-c", source], subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def port_of(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_under_gevents_own_server_pages_and_sockets_are_served_and_the_end_is_clean(tmp_path: Path) -> None:
    with program(STOCK_GEVENT, tmp_path) as process:
        url = f"http://127.0.0.1:{port_of(process)}"
        assert requests.get(f"{url}/", headers={"User-Agent": "Mozilla"}, timeout=PATIENCE).status_code == 200
        client = socketio.Client()
        client.connect(url, transports=["websocket"], namespaces=["/live"], wait_timeout=PATIENCE)
        assert client.transport() == "websocket"
        client.disconnect()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
    assert (process.returncode, said) == (0, "")


def test_without_gevent_http_is_served_and_the_log_says_what_is_not(tmp_path: Path) -> None:
    with program(STOCK_THREADS, tmp_path) as process:
        url = f"http://127.0.0.1:{port_of(process)}"
        assert requests.get(f"{url}/api/v1/feed", timeout=PATIENCE).status_code == 200
        assert requests.get(f"{url}/socket.io/?EIO=4&transport=polling", timeout=PATIENCE).status_code == 404
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "live sockets need gevent" in said


def test_a_second_worker_is_told_who_has_the_folder(tmp_path: Path) -> None:
    with program(STOCK_THREADS, tmp_path) as first:
        port_of(first)
        with program(STOCK_THREADS, tmp_path) as second:
            _, said = second.communicate(timeout=PATIENCE)
        assert (second.returncode, len(said.splitlines())) == (2, 1)
        assert f"is in use by process {first.pid}" in said


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_worker_forked_from_it_refuses_and_closes_nothing_of_its_parents(tmp_path: Path) -> None:
    with program(FORKED, tmp_path) as process:
        out, said = process.communicate(timeout=PATIENCE)
    assert out.split() == ["503", "200"], said


def statuses(client: Client, addresses: list[str]) -> list[int]:
    """Log in with rubbish, as a proxy passes it on for these addresses."""
    sent = [
        client.post("/api/v1/sessions", json={"handle": 7}, headers={"X-Forwarded-For": address})
        for address in addresses
    ]
    return [answer.status_code for answer in sent]


@pytest.mark.parametrize("trusted", [0, 1])
def test_each_visitor_behind_a_trusted_proxy_has_limits_of_his_own(tmp_path: Path, trusted: int) -> None:
    with opened(Settings(data=tmp_path, encoder="hash", trusted_proxies=trusted)) as app:
        client = Client(app)
        tries = 0
        while statuses(client, ["203.0.113.9, 198.51.100.1"]) != [429]:
            tries += 1
            assert tries < 200
        others = statuses(client, ["198.51.100.2", "203.0.113.9, 198.51.100.1", "198.51.100.1, 198.51.100.3"])
        assert others == ([422, 429, 422] if trusted else [429, 429, 429])
        headers = {"User-Agent": "Mozilla", "Accept": "text/html", "X-Forwarded-Proto": "https"}
        cookie = client.get("/", headers=headers).headers["Set-Cookie"]
        assert ("Secure" in cookie) == bool(trusted)
