"""A private Redis that is reached by TLS and a password only, with a certificate made for it here."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import redis

from engines.children import Child, spawn
from tests.conftest import require

_PROGRAMS = ("redis-server", "valkey-server")
_PATIENCE = 60.0


@contextmanager
def secure_redis(folder: Path) -> Iterator[str]:
    """Its URL: `rediss://`, with the password and the file of the certificate. Skips where no server here knows TLS."""
    require("redis-tls", bool(shutil.which("openssl")), "no openssl here makes a certificate")
    certificate, key = _certificate(folder)
    for program in 3 * [*filter(None, map(shutil.which, _PROGRAMS))]:  # somebody may take the port in between
        password, port = secrets.token_hex(12), _free_port()
        url = f"rediss://:{password}@127.0.0.1:{port}/0?ssl_ca_certs={quote(str(certificate))}"
        server = spawn(_command(program, port, password, certificate, key), output=folder / "redis.log", cwd=folder)
        try:
            if _answers(server, url):
                yield url
                return
        finally:
            server.stop()
    require("redis-tls", False, f"no server that knows TLS is here ({' or '.join(_PROGRAMS)})")


def _certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "redis.pem", folder / "redis.key"
    made_for = ["-subj", "/CN=offshelf test", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command = ["openssl", "req", "-x509", *curve, "-keyout", str(key), "-out", str(certificate), *made_for]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return certificate, key


def _command(program: str, port: int, password: str, certificate: Path, key: Path) -> list[str]:
    settings = {
        "bind": "127.0.0.1",
        "port": "0",
        "tls-port": str(port),
        "tls-cert-file": str(certificate),
        "tls-key-file": str(key),
        "tls-ca-cert-file": str(certificate),
        "tls-auth-clients": "no",
        "requirepass": password,
        "save": "",
        "appendonly": "no",
    }
    return [program, *(word for name, value in settings.items() for word in (f"--{name}", value))]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(server: Child, url: str) -> bool:
    """False when it has ended: it does not know TLS, or somebody took its port."""
    deadline = time.monotonic() + _PATIENCE
    with redis.Redis.from_url(url) as client:
        while server.running:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                assert time.monotonic() < deadline, "the Redis behind TLS does not answer"
                time.sleep(0.005)
    return False
