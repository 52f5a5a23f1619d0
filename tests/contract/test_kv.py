"""What every KeyValue engine promises. The embedded one always; a Redis where OFFSHELF_TEST_REDIS_URL names one, and one
behind TLS and a password where a server that knows TLS can be started."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from engines.kv import RedisKeyValue, open_kv
from engines.preflight import check_kv
from kernel.config import Settings
from kernel.errors import SettingError, Unavailable
from tests.conftest import on, require
from web.app import build_services, create_app, open_engines
from web.migrate import upgrade

pytestmark = pytest.mark.engine("valkey")
REDIS_URL = os.environ.get("OFFSHELF_TEST_REDIS_URL", "")
ROOT = Path(__file__).parents[2]


def url_of(engine: str, request: pytest.FixtureRequest) -> str:
    """Where a Redis is, by URL or behind TLS; skips where there is none."""
    if engine.startswith("redis-tls"):
        return str(request.getfixturevalue("redis_tls_url"))
    require("redis", bool(REDIS_URL), "OFFSHELF_TEST_REDIS_URL names no Redis")
    return REDIS_URL


@pytest.fixture(scope="module", params=[on("valkey"), on("redis"), on("redis-tls")])
def kv(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisKeyValue]:
    prefix = f"test:{secrets.token_hex(6)}:"
    url = "embedded://" if request.param == "valkey" else url_of(request.param, request)
    engine = open_kv(url, tmp_path_factory.mktemp("kv"), prefix)
    yield engine
    if request.param != "valkey":
        with redis.Redis.from_url(url) as client:
            for key in client.scan_iter(f"{prefix}*"):
                client.delete(key)
    engine.close()


@pytest.fixture
def key() -> str:
    return secrets.token_hex(6)


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Ask again and again, each time over the wire, until it holds or the time is over."""
    deadline = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < deadline:
        threading.Event().wait(0.002)
    return held


def test_value_comes_back_byte_for_byte_until_it_is_deleted(kv: RedisKeyValue, key: str) -> None:
    assert kv.get(key) is None
    kv.set(key, b"\x00\xff\xe4")
    assert kv.get(key) == b"\x00\xff\xe4"
    kv.set(key, b"2")
    assert kv.get(key) == b"2"
    kv.delete(key, "absent")
    kv.delete()
    assert kv.get(key) is None


def test_value_with_a_ttl_expires_and_one_without_replaces_the_ttl(kv: RedisKeyValue, key: str) -> None:
    kv.set(key, b"short", ttl=0.02)
    assert eventually(lambda: kv.get(key) is None)
    kv.set(key, b"short", ttl=0.05)
    kv.set(key, b"long")
    kv.set(f"{key}:after", b"", ttl=0.1)
    assert eventually(lambda: kv.get(f"{key}:after") is None)
    assert kv.get(key) == b"long"


def test_window_allows_its_limit_then_refuses_until_it_is_over(kv: RedisKeyValue, key: str) -> None:
    answers = [kv.spend(key, 2, 60) for _ in range(3)]
    assert [(a.allowed, a.limit, a.remaining) for a in answers] == [(True, 2, 1), (True, 2, 0), (False, 2, 0)]
    assert all(0 <= a.reset <= 60 for a in answers)
    kv.spend(f"{key}:short", 1, 0.1)
    assert eventually(lambda: kv.spend(f"{key}:short", 1, 0.1).allowed)


def test_refusals_do_not_prolong_the_window(kv: RedisKeyValue, key: str) -> None:
    kv.spend(key, 1, 60)
    left = [kv.spend(key, 1, 60) for _ in range(20)]
    assert not any(answer.allowed for answer in left)
    assert left == sorted(left, key=lambda answer: -answer.reset)
    assert eventually(lambda: kv.spend(key, 1, 60).reset < left[0].reset)


def test_limit_is_exact_under_threads(kv: RedisKeyValue, key: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: kv.spend(key, 50, 60), range(200)))
    assert sum(answer.allowed for answer in answers) == 50


def test_leases_count_members_once_until_released_or_run_out(kv: RedisKeyValue, key: str) -> None:
    assert kv.leased(key) == 0
    kv.lease(key, "a", 60)
    kv.lease(key, "a", 60)
    kv.lease(key, "b", 60)
    kv.lease(key, "c", 0.02)
    assert eventually(lambda: kv.leased(key) == 2)
    kv.release(key, "a")
    kv.release(key, "absent")
    assert kv.leased(key) == 1


def test_short_lease_does_not_cut_a_longer_one_and_renewal_prolongs(kv: RedisKeyValue, key: str) -> None:
    kv.lease(key, "long", 60)
    kv.lease(key, "renewed", 0.02)
    kv.lease(key, "renewed", 60)
    kv.lease(key, "short", 0.02)
    assert eventually(lambda: kv.leased(key) == 2)
    assert kv.leased(key) == 2


def test_lock_has_one_owner_and_only_the_owner_gives_it_back(kv: RedisKeyValue, key: str) -> None:
    token = kv.lock(key, 60)
    assert token is not None
    assert kv.lock(key, 60) is None
    assert not kv.unlock(key, token - 1)
    assert kv.unlock(key, token)
    assert not kv.unlock(key, token)
    assert not kv.unlock(f"{key}:never", token)


def test_tokens_only_grow_over_release_and_expiry(kv: RedisKeyValue, key: str) -> None:
    tokens: list[int] = []

    def take() -> bool:
        token = kv.lock(key, 0.02)
        if token is not None:
            tokens.append(token)
        return token is not None

    assert take()
    assert eventually(take)
    assert not kv.unlock(key, tokens[0])
    kv.unlock(key, tokens[1])
    assert eventually(take)
    assert tokens == sorted(set(tokens))
    assert len(tokens) == 3


def test_one_of_many_threads_gets_the_lock(kv: RedisKeyValue, key: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = [token for token in pool.map(lambda _: kv.lock(key, 60), range(32)) if token is not None]
    assert len(tokens) == 1


def test_embedded_server_that_dies_is_unavailable_then_back_and_its_tokens_go_on_growing(tmp_path: Path) -> None:
    kv = open_kv("embedded://", tmp_path)
    try:
        before = kv.lock("order", 60)
        assert kv.server is not None
        assert before is not None
        child = kv.server.child
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait(20) == -signal.SIGKILL

        def back() -> bool:
            try:
                kv.ping()
            except Unavailable:
                return False
            return True

        assert eventually(back, 20)
        after = kv.lock("order", 60)
        assert after is not None
        assert after > before
    finally:
        kv.close()


def test_closed_embedded_engine_leaves_no_process_and_no_socket(tmp_path: Path) -> None:
    kv = open_kv("embedded://", tmp_path)
    assert kv.server is not None
    kv.close()
    assert not kv.server.child.running
    assert [path.name for path in tmp_path.iterdir()] == ["valkey.log"]
    with pytest.raises(Unavailable):
        kv.ping()


def test_folder_with_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 60) / ("b" * 60)
    kv = open_kv("embedded://", folder)
    kv.set("k", b"v")
    assert kv.get("k") == b"v"
    kv.close()


def test_full_embedded_store_forgets_instead_of_refusing(tmp_path: Path) -> None:
    kv = open_kv("embedded://", tmp_path)
    try:
        for number in range(90):
            kv.set(f"k{number}", b"x" * 2**20)
        kept = sum(kv.get(f"k{number}") is not None for number in range(90))
        assert 30 < kept < 64
        assert kv.spend("limit", 1, 60).allowed
    finally:
        kv.close()


def test_redis_that_is_away_is_found_out_at_ping(tmp_path: Path, unused_port: int) -> None:
    kv = open_kv(f"redis://127.0.0.1:{unused_port}/0", tmp_path)
    with pytest.raises(Unavailable) as refusal:
        kv.ping()
    assert refusal.value.code == "kv.unavailable"
    kv.close()


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port that is bound but not listened on: it refuses, and nobody else gets it meanwhile."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.mark.parametrize(
    "url",
    ["memcached://h", "", "redis://h:port/0", "redis://h/zero", "redis://h/0?colour=red", "redis://:secret@h:70000/0"],
)
def test_wrong_url_names_the_variable_and_what_it_accepts_but_no_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError) as refusal:
        open_kv(url, tmp_path)
    assert "OFFSHELF_KV_URL" in str(refusal.value)
    assert "redis://HOST:PORT/DB" in str(refusal.value)
    assert "secret" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.engine("redis-tls")
def test_a_redis_behind_tls_lets_in_who_knows_its_certificate_and_its_password(redis_tls_url: str) -> None:
    check_kv(redis_tls_url)
    place, _, options = redis_tls_url.partition("?")
    password = place.partition("://:")[2].partition("@")[0]
    wrong = {
        place: "is not trusted.*ssl_ca_certs",
        f"{place.replace('127.0.0.1', 'localhost')}?{options}": "names another host",
        f"{place}?ssl_ca_certs=/nowhere/ca.pem": "is not there; correct its path",
        place.replace("rediss://", "redis://"): "write rediss://",
        f"{place.replace(password, 'guessed')}?{options}": "refuses the user or password",
    }
    for url, said in wrong.items():
        with pytest.raises(SettingError, match=said) as refusal:
            check_kv(url)
        assert "OFFSHELF_KV_URL" in str(refusal.value)
        assert password not in str(refusal.value)
        assert "guessed" not in str(refusal.value)


@pytest.mark.engine("redis-tls")
def test_a_house_lives_on_a_redis_behind_tls(
    redis_tls_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.health.PATIENCE", 30.0)
    settings = Settings(data=tmp_path, kv_url=redis_tls_url, encoder="hash", secret="s" * 40)
    upgrade(settings.sql_url)
    engines = open_engines(settings)
    try:
        client = create_app(settings, engines, build_services(settings, engines)).test_client()
        parts = client.get("/readyz").json["engines"]
        assert client.get("/api/v1/feed").headers["RateLimit"]
        with redis.Redis.from_url(redis_tls_url) as server:
            assert server.keys("offshelf:*"), "the rate was counted there"
    finally:
        engines.close()
    assert {parts["kv"]["status"], parts["realtime"]["status"]} == {"ready"}


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import sys, tempfile, gevent
from pathlib import Path
from engines.kv import open_kv
kv = open_kv("embedded://", Path(sys.argv[1]))
kv._client.connection_pool.timeout = 20  # a slow machine takes longer for 200 than the product lets one wait
beats = 0
def beat():
    global beats
    while True:
        gevent.sleep(0)
        beats += 1
heart = gevent.spawn(beat)
kv._client.client_pause(300)
jobs = [gevent.spawn(kv.spend, "k", 50, 60) for _ in range(200)]
gevent.joinall(jobs, timeout=20, raise_error=True)
assert sum(job.value.allowed for job in jobs) == 50
assert beats > 50, beats
open_connections = len(kv._client.connection_pool._connections)
assert open_connections == 16, open_connections
heart.kill()
kv.close()
print("done")
"""


def test_many_greenlets_share_few_connections_and_leave_the_loop_free(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", GREENLETS, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "done\n", done.stderr


def test_members_are_those_whose_lease_has_not_run_out(kv: RedisKeyValue, key: str) -> None:
    assert kv.members(key) == []
    kv.lease(key, "ava", 60)
    kv.lease(key, "ben", 60)
    kv.lease(key, "gone", 0.01)
    assert eventually(lambda: sorted(kv.members(key)) == ["ava", "ben"])
    kv.release(key, "ava")
    assert kv.members(key) == ["ben"]
