"""A served market that notes what it did to whom: what fault tests and `python -m bench.reliability` are made of."""

from __future__ import annotations

import json
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import requests
import socketio

from kernel.idempotency import new_key
from tests.e2e.served import ROOT, environ_of, start

STOCK, BUYERS = 5000, 8
PATIENCE = 30.0
DONE = (200, 201, 202)


@dataclass
class Outcome:
    """`recovery` in seconds from the end of the fault; `slowest` is the longest that a request took; `lost` acknowledged orders."""

    fault: str
    went_on: list[str]
    refused: list[str]
    recovery: float
    slowest: float
    healthz: float
    lost: int


@dataclass
class Answer:
    status: int
    code: str
    retry_after: str | None
    json: Any


@dataclass
class Town:
    """A served market: its SKU, its people's tokens, every order that was acknowledged, and how long requests took."""

    url: str
    sku: str
    tokens: list[str]
    merchant: str
    slowest: float = 0.0
    acknowledged: dict[str, tuple[str, Any]] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    stock: int = STOCK
    met: int = 0
    listed: int = 0

    def before_fault(self) -> None:
        """Forget what an earlier fault did: what follows is counted for the next."""
        self.slowest, self.acknowledged, self.sent = 0.0, {}, []
        self.stock = self.available()

    def ask(self, method: str, path: str, token: str = "", body: Any = None, key: str = "", **options: Any) -> Answer:
        """`options` are those of `requests`."""
        headers = {"Idempotency-Key": key or new_key()}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        address = f"{self.url}api/v1/{path}"
        begun = time.monotonic()
        got = requests.request(method, address, json=body, headers=headers, timeout=PATIENCE, **options)
        self.slowest = max(self.slowest, time.monotonic() - begun)
        said = got.json() if got.content else {}
        code = said["code"] if got.status_code >= 400 else ""
        return Answer(got.status_code, code, got.headers.get("Retry-After"), said)

    def stranger(self) -> str:
        """The token of somebody who has done nothing yet; they run out."""
        self.met += 1
        return self.tokens[-self.met]

    def order(self, buyer: int = 0) -> Answer:
        """Quote and order one unit; the answer of the first that was refused, or the order's."""
        token, key = self.tokens[buyer], new_key()
        quote = self.ask("POST", "quotes", token, {"lines": [{"sku": self.sku, "qty": 1}]})
        if quote.status not in DONE:
            return quote
        form = {"quote": quote.json["quote"]}
        self.sent.append(key)  # before it goes out: it may count without an answer
        answer = self.ask("POST", "orders", token, form, key)
        if answer.status in DONE:
            self.acknowledged[key] = (token, answer.json)
        return answer

    def lost(self) -> int:
        """How many acknowledged orders are not there, or are there twice: asks each again by its key, and counts the stock."""
        gone = 0
        for token, said in self.acknowledged.values():
            again = self.ask("GET", f"orders/{said['order']}", token)
            gone += again.status != 200
        sold = self.stock - self.available()
        assert len(self.acknowledged) <= sold <= len(self.sent), "stock is what the orders left"
        return gone

    def available(self) -> int:
        left: int = self.ask("GET", f"skus/{self.sku}", self.tokens[0]).json["available"]
        return left

    def list_kettle(self) -> str:
        """The merchant lists a product under a title of its own; a job makes it findable."""
        self.listed += 1
        title = f"Kettle of copper number{self.listed}"
        sku = {"name": "M", "price": {"amount": 100, "currency": "CNY"}, "stock": 1}
        assert self.ask("POST", "products", self.merchant, {"title": title, "skus": [sku]}).status == 201
        return title

    def finds(self, title: str) -> bool:
        """Whether a search for this title finds it."""
        return bool(self.matched_by(title))

    def matched_by(self, title: str) -> list[str]:
        """`words` and `meaning`, whichever found it."""
        answer = self.ask("GET", "search", params={"q": title})
        found = answer.json["items"] if answer.status == 200 else []
        return next((item["matched_by"] for item in found if item["title"] == title), [])

    def newest_segment(self, room: str) -> int:
        """The number of the newest piece of its stream that viewers can play; -1 before the first."""
        playlist = requests.get(f"{self.url}media/live/{room}/index.m3u8", timeout=PATIENCE).text
        return max(map(int, re.findall(r"seg-(\d+)", playlist)), default=-1)

    def ready(self) -> dict[str, Any]:
        """What `/readyz` says."""
        said: dict[str, Any] = requests.get(f"{self.url}readyz", timeout=PATIENCE).json()
        return said

    @contextmanager
    def heartbeat(self) -> Iterator[list[float]]:
        """How long `/healthz` took, again and again while the block runs: a blocked event loop would show here."""
        took, over = [0.0], threading.Event()

        def beat() -> None:
            while not over.wait(0.05):
                begun = time.monotonic()
                requests.get(f"{self.url}healthz", timeout=PATIENCE).raise_for_status()
                took.append(time.monotonic() - begun)

        thread = threading.Thread(target=beat)
        thread.start()
        try:
            yield took
        finally:
            over.set()
            thread.join()


@contextmanager
def town(folder: Path, log: IO[str] | None = None, seeded: Town | None = None, **settings: str) -> Iterator[Town]:
    """A server with these settings over `folder`, with a market in it unless one was `seeded` there; stopped at the end."""
    environ = environ_of(folder, **{"ENCODER": "hash", **settings})
    made = {"sku": seeded.sku, "tokens": seeded.tokens, "merchant": seeded.merchant} if seeded else _seed(environ)
    server = start(environ, log)
    try:
        yield Town(server.url, **made)
    finally:
        server.stop(signal.SIGTERM)


def _seed(environ: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.e2e.market_seed", str(STOCK), str(BUYERS)]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    return made


class Listener:
    """A Socket.IO connection that keeps what it is told of `degraded`."""

    def __init__(self, url: str) -> None:
        self.told: queue.Queue[bool] = queue.Queue()
        self.client = socketio.Client(reconnection=False)
        self.client.on("degraded", lambda data: self.told.put(data["realtime"]), namespace="/live")
        self.client.connect(url, namespaces=["/live"], transports=["websocket"], wait_timeout=10)

    def next(self) -> bool:
        return self.told.get(timeout=15)


def seconds_until(held: Callable[[], bool]) -> float:
    """How long it took until `held`."""
    begun = time.monotonic()
    while not held():
        assert time.monotonic() - begun < PATIENCE, "it never recovered"
        threading.Event().wait(0.05)
    return time.monotonic() - begun
