"""A backup of a real server while people order: restored elsewhere after kill -9, it holds all that was acknowledged before."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from kernel.idempotency import new_key
from kernel.ports import KeyValue
from tests.e2e.served import PATIENCE, ROOT, environ_of, outlived, start, watched
from tests.e2e.town import seconds_until
from tests.folder import leave, settings_of
from web.cli import offshelf
from web.doctor import examine

BUYERS, STOCK, BEFORE, AFTER = 4, 500, 20, 20
pytestmark = pytest.mark.timeout(240)


def said(environ: dict[str, str], *words: str) -> Any:
    """What a verb prints as JSON; it ends well."""
    ended = CliRunner(env=environ).invoke(offshelf, [*words, "--json"])
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


class Shoppers:
    """People who order one unit after another, and what was acknowledged to them, in the order in which they heard it."""

    def __init__(self, url: str, sku: str, tokens: list[str]) -> None:
        self.url, self.sku = url, sku
        self.acknowledged: list[tuple[str, str, Any]] = []
        self._more = threading.Condition()
        self._threads = [threading.Thread(target=self._order, args=[token]) for token in tokens]
        for thread in self._threads:
            thread.start()

    def await_count(self, count: int) -> None:
        with self._more:
            assert self._more.wait_for(lambda: len(self.acknowledged) >= count, PATIENCE)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _order(self, token: str) -> None:
        try:
            while True:
                form = {"lines": [{"sku": self.sku, "qty": 1}]}
                quote = post(self.url, token, "quotes", new_key(), form)["quote"]
                key = new_key()
                answer = post(self.url, token, "orders", key, {"quote": quote})
                with self._more:
                    self.acknowledged.append((token, key, answer))
                    self._more.notify_all()
        except requests.RequestException:
            pass  # the server was killed


def post(url: str, token: str, path: str, key: str, body: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    answer = requests.post(f"{url}api/v1/{path}", json=body, headers=headers, timeout=20)
    assert answer.status_code < 300, answer.text
    return answer.json()


def get(url: str, path: str, token: str = "") -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = requests.get(f"{url}api/v1/{path}", headers=headers, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()


def every_order(url: str, token: str) -> list[str]:
    page = get(url, "orders?limit=100", token)
    assert page["next_cursor"] is None
    return [item["id"] for item in page["items"]]


def test_a_backup_beside_a_busy_server_has_all_that_was_acknowledged_before_it_began(
    tmp_path: Path, shared_kv: KeyValue
) -> None:
    lost, found = environ_of(tmp_path / "lost", ENCODER="hash"), environ_of(tmp_path / "found", ENCODER="hash")
    left = leave(settings_of(tmp_path / "lost"), shared_kv, STOCK, BUYERS)
    server = start(lost)
    shoppers = Shoppers(server.url, left.sku, left.tokens)
    shoppers.await_count(BEFORE)
    before = list(shoppers.acknowledged)
    command = [sys.executable, "-m", "web.cli", "backup", str(tmp_path / "shop.tar"), "--json"]
    ended = subprocess.run(command, cwd=ROOT, env=lost, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 0, ended.stderr
    shoppers.await_count(len(before) + AFTER)
    below = watched(server.process.pid)
    server.stop(signal.SIGKILL)
    shoppers.join()
    assert outlived(below) == []
    assert json.loads(ended.stdout)["vanished"] == 0

    assert said(found, "restore", str(tmp_path / "shop.tar"))["folder"] == str(tmp_path / "found")
    counted = said(found, "recount")
    assert counted["differences"] == []
    assert counted["events"] >= len(before)
    server = start(found)
    try:
        ordered = {token: every_order(server.url, token) for token in left.tokens}
        for token, key, answer in before:
            assert answer["order"] in ordered[token]
            assert get(server.url, f"orders/by-key/{key}", token) == answer
        count = sum(map(len, ordered.values()))  # the one that was there from the start is of two units
        assert len(before) < count <= len(shoppers.acknowledged) + BUYERS + 1
        assert get(server.url, f"skus/{left.sku}")["available"] == STOCK - count - 1
        theirs = {"Authorization": f"Bearer {left.tokens[0]}"}
        for name in left.pictures:
            shown = requests.get(f"{server.url}media/images/{name}", headers=theirs, timeout=20).content
            assert hashlib.sha256(shown).hexdigest() == name.partition(".")[0]
        # No backup holds the index: it is filled again meanwhile, and until then every answer says so.
        seconds_until(lambda: not get(server.url, "search?q=linen")["degraded"])
        assert [item["title"] for item in get(server.url, "search?q=linen")["items"]] == ["Linen"]
        examined = examine(settings_of(tmp_path / "found"))
        assert {one.name for one in examined} >= {"stock", "uploads", "index size", "jobs"}
        assert [one for one in examined if one.status == "problem"] == []
    finally:
        assert server.stop(signal.SIGTERM) == 0
