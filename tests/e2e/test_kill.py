"""kill -9 at any moment: nothing acknowledged is lost, nothing happens twice, no process is left."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import requests

from kernel.idempotency import new_key
from tests.e2e.served import ROOT, environ_of, outlived, start, watched

BUYERS, STOCK, ROUNDS = 6, 400, 3
pytestmark = pytest.mark.timeout(240)


class Buyer(threading.Thread):
    """Orders one unit after another until the server is gone; remembers every key and what was acknowledged."""

    def __init__(self, url: str, sku: str, token: str, enough: threading.Event, target: int) -> None:
        super().__init__()
        self.url, self.sku, self.enough, self.target = url, sku, enough, target
        self.headers = {"Authorization": f"Bearer {token}"}
        self.sent: dict[str, str] = {}
        self.acknowledged: dict[str, Any] = {}

    def run(self) -> None:
        try:
            while True:
                quote = self.post("quotes", {"lines": [{"sku": self.sku, "qty": 1}]}, new_key())["quote"]
                key = new_key()
                self.sent[key] = quote
                self.acknowledged[key] = self.post("orders", {"quote": quote}, key)
                if len(self.acknowledged) >= self.target:
                    self.enough.set()
        except requests.RequestException:
            self.enough.set()

    def post(self, path: str, body: Any, key: str) -> Any:
        headers = {**self.headers, "Idempotency-Key": key}
        answer = requests.post(f"{self.url}api/v1/{path}", json=body, headers=headers, timeout=20)
        assert answer.status_code < 300, answer.text
        return answer.json()


def test_an_acknowledged_order_survives_kill_9_and_a_retry_orders_nothing_twice(tmp_path: Path) -> None:
    environ = environ_of(tmp_path, ENCODER="hash")
    command = [sys.executable, "-W", "ignore", "-m", "tests.e2e.market_seed", str(STOCK), str(BUYERS)]
    seeded = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert seeded.returncode == 0, seeded.stderr
    world = json.loads(seeded.stdout)
    orders: set[str] = set()
    for number in range(ROUNDS):
        server = start(environ)
        enough = threading.Event()
        target = random.Random(number).randint(2, 12)
        buyers = [Buyer(server.url, world["sku"], token, enough, target) for token in world["tokens"]]
        for buyer in buyers:
            buyer.start()
        assert enough.wait(60)
        below = watched(server.process.pid)
        server.stop(signal.SIGKILL)
        for buyer in buyers:
            buyer.join()
        assert below, "Valkey runs as a child"
        assert outlived(below) == []

        server = start(environ)
        for buyer in buyers:
            buyer.url = server.url
            for key, quote in buyer.sent.items():  # every key again, acknowledged or not
                again = buyer.post("orders", {"quote": quote}, key)
                assert again["result"] == "accepted"
                assert buyer.acknowledged.get(key, again) == again
                orders.add(again["order"])
        headers = buyers[0].headers
        sku = requests.get(f"{server.url}api/v1/skus/{world['sku']}", headers=headers, timeout=20).json()
        assert sku["available"] == STOCK - len(orders)
        assert server.stop(signal.SIGTERM) == 0
