"""What can be wrong with a place before anything is opened there. Every refusal is one sentence: the setting, the cure.

Nothing of a URL is repeated, nor what a driver says of one: it may hold a password, or half of one with an @ in it.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
import ssl
from contextlib import closing
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    InvalidResponse,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, ProgrammingError
from sqlalchemy.pool import NullPool

from engines.kv import open_client
from kernel.errors import SettingError

ROOM = 4 * 2**20
"""Bytes that can be written at the start, or the disk counts as full."""
REDIS = 7
_DATABASE = "OFFSHELF_DATABASE_URL"
_KV = "OFFSHELF_KV_URL"

_MISSING_RIGHT = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relname <> 'alembic_version'
AND ((c.relkind = 'r' AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
      AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')))
  OR (c.relkind = 'S' AND NOT has_sequence_privilege(c.oid, 'USAGE')))
ORDER BY c.relname LIMIT 1
"""


def check_folder(folder: Path) -> None:
    """The folder can be written and its disk has room. Raises SettingError."""
    probe = folder / f".probe-{secrets.token_hex(4)}"
    try:
        probe.write_bytes(bytes(ROOM))
    except OSError as error:
        raise unusable(folder, error) from None
    finally:
        probe.unlink(missing_ok=True)


def unusable(folder: Path, error: OSError) -> SettingError:
    """What an error of the file system means for who chose the folder."""
    return SettingError(
        f"OFFSHELF_DATA {folder} cannot be written ({error.strerror}); make room there and give this user the right to"
        " write, or name another folder."
    )


def check_database(url: str) -> None:
    """The database is there, lets us in, and lets us do our work. Raises SettingError."""
    if url.startswith("sqlite://"):
        _check_sqlite(url)
    else:
        _check_postgres(url)


def check_kv(url: str) -> None:
    """A Redis by URL is there, lets us in, can be written and evicts nothing. Raises SettingError."""
    if url.startswith("embedded:"):
        return
    with closing(open_client(url)) as client:
        try:
            _check_redis(client)
        except (AuthenticationError, AuthorizationError, NoPermissionError):
            cure = "write them as redis://USER:PASSWORD@HOST:PORT/DB, of a user that may use every command and key"
            raise _refused(_KV, f"this Redis refuses the user or password; {cure}") from None
        except ResponseError as error:
            if "DB index" in str(error):
                raise _refused(_KV, "this Redis has no database of that number; name a smaller one") from None
            word = str(error).partition(" ")[0]
            raise _refused(_KV, f"this Redis refuses to be written ({word}); name the one that takes writes") from None
        except InvalidResponse:
            raise _refused(_KV, "what answers there is not a Redis; correct the address") from None
        except RedisError as error:
            raise _refused(_KV, _no_redis(error)) from None


def _check_redis(client: redis.Redis) -> None:
    said: dict[str, Any] = client.info("server", "memory")
    version = str(said.get("redis_version", "0"))
    if int(version.partition(".")[0]) < REDIS:
        raise _refused(_KV, f"this is Redis {version}; Offshelf needs {REDIS} or newer, or Valkey")
    policy = said.get("maxmemory_policy", "noeviction")
    if said.get("maxmemory", 0) and policy != "noeviction":
        cure = "set its maxmemory-policy to noeviction, or give Offshelf a Redis of its own"
        raise _refused(_KV, f"this Redis evicts keys ({policy}), and with them locks and who is in a room; {cure}")
    client.eval("return redis.call('SET', KEYS[1], '1', 'PX', 1000)", 1, "offshelf:probe")


def _no_redis(error: RedisError) -> str:
    """Why there was no talking to it; the driver keeps the reason as the context of its own error."""
    reason = error.__context__
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            "the certificate of this Redis is not trusted or names another host; write the host as the certificate does,"
            " and behind the URL ?ssl_ca_certs=PATH, the file of the authority that signed it"
        )
    if isinstance(reason, FileNotFoundError):
        return "a file that this URL names (ssl_ca_certs, ssl_certfile or ssl_keyfile) is not there; correct its path"
    return "no Redis answers there; start it or correct the address, and write rediss:// where it speaks TLS only"


def _check_sqlite(url: str) -> None:
    path = _parsed(url).database
    if not path or _parsed(url).host or path == ":memory:":
        raise _refused(_DATABASE, "it takes sqlite:///PATH with the path of a file, or postgresql://USER@HOST/NAME")
    try:
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
            connection.execute("PRAGMA schema_version")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:  # somebody writes it, so it can be written
            return
        cure = "name a file that Offshelf made, or a new one, in a folder that this user may write"
        raise _refused(_DATABASE, f"SQLite cannot use {path} ({error}); {cure}") from None


def _check_postgres(url: str) -> None:
    place = _parsed(url)
    engine = create_engine(
        place.set(drivername="postgresql+psycopg"), poolclass=NullPool, connect_args={"connect_timeout": 5}
    )
    try:
        with engine.connect() as connection:
            problem = _wrong_with_postgres(connection)
    except (ProgrammingError, ValueError, TypeError):
        problem = "the driver does not understand this URL; it takes postgresql://USER:PASSWORD@HOST:PORT/NAME"
    except DBAPIError as error:
        problem = _no_connection(str(error.orig))
    finally:
        engine.dispose()
    if problem:
        raise _refused(_DATABASE, problem)


def _wrong_with_postgres(connection: Connection) -> str | None:
    def ask(statement: str) -> Any:
        return connection.scalar(text(statement))

    if ask("SHOW server_encoding") != "UTF8":
        return "this database cannot hold every language; make one with ENCODING 'UTF8'"
    if ask("SHOW transaction_read_only") == "on":
        return "this PostgreSQL takes no writes (a standby?); name the one that does"
    schema = ask("SELECT current_schema()")
    if schema is None:
        return "the search_path of this role names no schema that is there; create it or correct the search_path"
    if ask("SELECT to_regclass('alembic_version')") is None:
        may = ask("SELECT has_schema_privilege(current_schema(), 'CREATE')")
        return None if may else f"this role may not create tables; run GRANT CREATE, USAGE ON SCHEMA {schema} TO it"
    if barred := ask(_MISSING_RIGHT):
        rights = "SELECT, INSERT, UPDATE, DELETE on all tables and USAGE on all sequences"
        return f"this role may not work with {barred}; grant it {rights} of schema {schema}"
    return None


def _no_connection(said: str) -> str:
    """The server's own refusals name role and database, never a password; anything else of a driver's stays unsaid."""
    if "password authentication failed" in said or "no password supplied" in said:
        return "PostgreSQL refuses this user or password; correct them in the URL"
    if refusal := re.search(r"FATAL:\s+(.+)", said):
        return (
            f"PostgreSQL refuses the connection ({refusal[1].rstrip('.')}); create what is missing or correct the URL"
        )
    return "no PostgreSQL answers there; start it or correct the address"


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise _refused(_DATABASE, "it takes sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME") from None


def _refused(setting: str, why: str) -> SettingError:
    return SettingError(f"{setting}: {why}.")
