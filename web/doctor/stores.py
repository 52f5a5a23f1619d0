"""The engines: database and its schema, key-value store, encoder, search index. Each is asked where it stands, and by nothing
that writes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import redis

from engines import vitals
from engines.encoder import open_encoder
from engines.index import look_at
from engines.kv import open_client, private_client, private_version
from engines.preflight import REDIS, check_database, check_kv
from engines.vitals import Vitals, round_trip
from kernel.errors import SettingError
from web.doctor.finding import Case, Finding, graded, ok, problem, warning
from web.migrate import history, waiting

SLOW = 50.0
"""ms of a round trip from which pages feel it: the engine belongs nearer."""
FULL, NEARLY_FULL = 0.95, 0.8
_KV, _DATABASE = "OFFSHELF_KV_URL", "OFFSHELF_DATABASE_URL"


def database(case: Case) -> Iterator[Finding]:
    """Round trip, version, and settings that lose what was acknowledged."""
    url = case.settings.sql_url
    if case.embedded and not _file_of(url).exists():
        yield warning(
            "database", f"there is none at {_file_of(url)} yet", "Start `offshelf serve`, or restore a backup."
        )
        return
    check_database(url)
    case.reached = True
    if case.embedded:
        yield _sqlite(_file_of(url))
        return
    found = vitals.of_postgres(url)
    case.ahead["PostgreSQL"] = found.ahead or 0.0
    yield _answered("database", found, _DATABASE)
    off = [name for name in vitals.LOSING if found.said[name] == "off"]
    if off:
        cure = f"Set {', '.join(f'{name} = on' for name in off)} in this PostgreSQL, or for this role and database."
        yield problem("database", f"{', '.join(off)} off: a crash loses acknowledged orders", cure)


def _sqlite(path: Path) -> Finding:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=5)) as connection:
        connection.execute("PRAGMA query_only=ON")
        took = round_trip(lambda: connection.execute("SELECT count(*) FROM sqlite_master").fetchone())
    log = path.with_name(f"{path.name}-wal")
    waiting = log.stat().st_size if log.exists() else 0
    size = f"{path.stat().st_size / 2**20:,.1f} MiB and {waiting / 2**20:,.1f} MiB of log"
    return ok("database", f"SQLite {sqlite3.sqlite_version}, {size}, {took:.2f} ms a question")


def schema(case: Case) -> Iterator[Finding]:
    """Whether this version's tables are there."""
    if not case.reached:
        return
    left = waiting(case.settings.sql_url)
    case.current = not left
    if not left:
        yield ok("schema", f"at {history()[-1]}, nothing waits")
    elif left == history():
        yield warning("schema", "the database is empty", "Start `offshelf serve`, which makes the tables.")
    else:
        cure = "Stop the servers and run `offshelf migrate`; make a backup before."
        yield problem("schema", f"{len(left)} waiting: {', '.join(left)}", cure)


def kv(case: Case) -> Iterator[Finding]:
    """Round trip, version, and whether it keeps what it is given."""
    url = case.settings.kv_url
    if url.startswith("embedded:"):
        client = private_client(case.settings.data / "kv") if case.holders else None
        if client is None:
            yield ok("kv", f"Valkey {private_version()} of our own, which starts with the server")
            return
    else:
        client = open_client(url)
    with closing(client):
        try:
            found = vitals.of_redis(client)
        except redis.RedisError:
            check_kv(url)  # says it in a sentence
            raise
    case.ahead[found.product.partition(" ")[0]] = found.ahead or 0.0
    yield _answered("kv", found, _KV)
    if not url.startswith("embedded:"):
        yield from _shared(found.said)


def _shared(said: Any) -> Iterator[Finding]:
    """What only matters in a store that several processes share."""
    if int(str(said.get("redis_version", "0")).partition(".")[0]) < REDIS:
        raise SettingError(f"{_KV}: Offshelf needs Redis {REDIS} or newer, or Valkey.")
    if said.get("role") != "master":
        yield problem("kv", "a replica, which takes no writes", f"Name the one that takes writes in {_KV}.")
    most, used, policy = said.get("maxmemory", 0), said.get("used_memory", 0), said.get("maxmemory_policy")
    share = used / most if most else 0.0
    seen = f"{used / 2**20:,.1f} MiB used of {f'{most / 2**20:,.0f} MiB' if most else 'what the machine has'}, {policy}"
    if most and policy != "noeviction":
        cure = f"Set maxmemory-policy to noeviction in this Redis, or give Offshelf one of its own ({_KV})."
        yield problem("kv memory", f"{seen}: it evicts locks and who is in a room", cure)
    else:
        cure = "Give this Redis more maxmemory: full, it refuses locks, limits and presence."
        yield graded("kv memory", seen, cure, share > FULL, share > NEARLY_FULL)


def encoder(case: Case) -> Iterator[Finding]:
    """The export, and what a short text costs; the first call loads the model."""
    name = case.settings.encoder
    opened = open_encoder(name, case.settings.data / "models")
    with closing(opened):
        case.dimensions, case.fingerprint = opened.dimensions, opened.fingerprint
        opened.queries(["warm"])
        took = round_trip(lambda: opened.documents(["A linen shirt for warm evenings"]))
    seen = f"{name}, {opened.dimensions} dimensions, export {opened.fingerprint[:12]}, {took:.1f} ms a sentence"
    if name == "hash":
        cure = "Set OFFSHELF_ENCODER to multilingual-e5-small: hash is for tests and finds nothing by meaning."
        yield warning("encoder", seen, cure)
    else:
        yield ok("encoder", seen)


def index(case: Case) -> Iterator[Finding]:
    """Whether there is a whole copy for this encoder, and how quickly it answers."""
    cure = "Run `offshelf rebuild`; a running server also fills it by itself within a minute."
    try:
        found = look_at(case.settings.index_url, case.settings.data / "index", case.dimensions, case.fingerprint)
    except (ValueError, OSError):
        yield problem("index", "its files are damaged", cure)
        return
    if found is None:
        yield warning("index", "there is none yet", "Start `offshelf serve`, which fills it.")
        return
    seen = f"{found.product}, {found.documents:,} documents, {found.latency_ms:.2f} ms a question"
    if not found.fresh:
        seen += ", not whole or not of this encoder"
    else:
        case.documents = found.documents
    if not case.serving:
        cure = "Start `offshelf serve`, which fills it, or run `offshelf rebuild`."
    yield graded("index", seen, cure, case.serving and not found.fresh, not found.fresh)
    stray = [one for one in found.left_over if not _being_filled(one, case)]
    if stray:
        cure = "Start the server, which removes them." if os.path.isabs(stray[0]) else "Delete these indices."
        yield warning("index", f"left by fillings that ended badly: {', '.join(stray)}", cure)


def _being_filled(copy: str, case: Case) -> bool:
    """A second copy in the folder is what a rebuild fills, as long as there is a server."""
    return bool(case.holders) and os.path.isabs(copy)


def _answered(name: str, found: Vitals, setting: str) -> Finding:
    seen = f"{found.product}, {found.latency_ms:.2f} ms a round trip"
    return graded(name, seen, f"Bring {setting} nearer to this machine.", False, found.latency_ms > SLOW)


def _file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))
