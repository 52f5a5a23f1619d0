"""A PostgreSQL of a test's own, which may be stopped as if the power went."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


def programs() -> Path | None:
    """Where PostgreSQL's programs lie, the newest of several."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")) or [shutil.which("pg_ctl")]
    return Path(found[-1]).parent if found[-1] else None


@dataclass
class PostgresServer:
    """`stop` loses what was not durable: nothing is written out, and the next start recovers from the log."""

    bin: Path
    folder: Path
    port: int
    user: str | None

    @property
    def url(self) -> str:
        return f"postgresql://offshelf@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c shared_buffers=16MB"
        self.run("pg_ctl", "start", "-w", "-D", "data", "-l", "log", "-o", options)

    def stop(self) -> None:
        self.run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", "data")

    def run(self, program: str, *arguments: str) -> None:
        command = [str(self.bin / program), *arguments]
        subprocess.run(command, cwd=self.folder, user=self.user, check=True, stdout=subprocess.DEVNULL, timeout=120)


@contextmanager
def own_postgres(bin: Path) -> Iterator[PostgresServer]:
    """Made and started here, deleted afterwards. PostgreSQL refuses to run as root, so somebody else runs it then."""
    user = _somebody() if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="offshelf-pg-"))
    try:
        if user:
            shutil.chown(folder, user)
        server = PostgresServer(bin, folder, _free_port(), user)
        server.run("initdb", "-D", "data", "-U", "offshelf", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _somebody() -> str:
    return next((one.pw_name for one in pwd.getpwall() if one.pw_name == "postgres"), "nobody")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
