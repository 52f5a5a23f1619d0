"""A real server whose engines stand behind a proxy that fails on purpose, and what each fault did to those who use it.

Each scenario gives an `Outcome`; `tests/e2e/test_faults.py` judges it, `python -m bench.reliability` writes it down.
"""

from __future__ import annotations

import json
import queue
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import requests
import socketio

from kernel.idempotency import new_key
from tests.e2e.served import ROOT, environ_of, start
from tests.faults import Fault, before

STOCK, BUYERS = 500, 4
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

    def ask(self, method: str, path: str, token: str = "", body: Any = None, key: str = "") -> Answer:
        headers = {"Idempotency-Key": key or new_key()}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        begun = time.monotonic()
        got = requests.request(method, f"{self.url}api/v1/{path}", json=body, headers=headers, timeout=PATIENCE)
        self.slowest = max(self.slowest, time.monotonic() - begun)
        said = got.json() if got.content else {}
        code = said["code"] if got.status_code >= 400 else ""
        return Answer(got.status_code, code, got.headers.get("Retry-After"), said)

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
        available = self.ask("GET", f"skus/{self.sku}", self.tokens[0]).json["available"]
        sold: int = STOCK - available
        assert len(self.acknowledged) <= sold <= len(self.sent), "stock is what the orders left"
        return gone

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
def town(folder: Path, **settings: str) -> Iterator[Town]:
    """A server with these settings over `folder`, with a market in it; stopped at the end."""
    environ = environ_of(folder, ENCODER="hash", **settings)
    command = [sys.executable, "-W", "ignore", "-m", "tests.e2e.market_seed", str(STOCK), str(BUYERS)]
    seeded = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert seeded.returncode == 0, seeded.stderr
    server = start(environ)
    try:
        yield Town(server.url, **json.loads(seeded.stdout))
    finally:
        server.stop(signal.SIGTERM)


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


FAULTS: dict[str, Callable[[Fault], None]] = {
    "cut": Fault.cut,
    "swallowed": Fault.drop,
    "half-closed": Fault.half_close,
    "0.2 s late": lambda fault: fault.delay(0.2),
}


def redis_gone(folder: Path, kv_url: str, how: str) -> Outcome:
    """Redis: rate limits and the bus lean on it, nothing that people read or order does."""
    with before(kv_url) as (fault, url), town(folder, KV_URL=url, RATE_LIMITS="true") as place:
        assert place.order().status in DONE
        listener = Listener(place.url)
        FAULTS[how](fault)
        with place.heartbeat() as beats:
            assert place.ask("GET", "feed", place.tokens[0]).status == 200
            assert all(place.order(buyer).status in DONE for buyer in (0, 1, 2))
            nothing = "notes/note_" + "0" * 26 + "/comments"
            said = [place.ask("POST", nothing, place.tokens[3], {"text": "First!"}) for _ in range(21)]
            assert [answer.status for answer in said] == [404] * 20 + [429], "the local bound is the same limit"
            degraded = how != "0.2 s late"
            if degraded:
                assert listener.next() is True
        fault.restore()
        recovery = seconds_until(lambda: listener.next() is False) if degraded else 0.0
        listener.client.disconnect()
        assert place.order().status in DONE
        worked = ["reads", "orders", "rate limits" + (", each process by itself" if degraded else "")]
        if degraded:
            worked.append("sockets, which say `degraded`")
        return Outcome(f"Redis {how}", worked, [], recovery, place.slowest, max(beats), place.lost())


def index_gone(folder: Path, index_url: str, how: str) -> Outcome:
    """Elasticsearch: only search leans on it; what is published meanwhile is found once it is back."""
    with before(index_url) as (fault, url), town(folder, INDEX_URL=url) as place:
        list_linen(place, "Copper kettle")
        seconds_until(lambda: "Copper kettle" in found(place, "kettle"))
        FAULTS[how](fault)
        with place.heartbeat() as beats:
            refused = place.ask("GET", "search?q=kettle")
            assert (refused.status, refused.code) == (503, "index.unavailable")
            assert int(refused.retry_after or 0) > 0
            assert place.ask("GET", "feed", place.tokens[0]).status == 200
            assert place.order().status in DONE
            list_linen(place, "Walnut kettle")
        fault.restore()
        recovery = seconds_until(lambda: place.ask("GET", "search?q=kettle").status == 200)
        seconds_until(lambda: {"Copper kettle", "Walnut kettle"} <= found(place, "kettle"))
        went_on = ["feed", "orders", "publishing, found by search afterwards"]
        refused_as = ["search: 503 index.unavailable, Retry-After"]
        name = f"Elasticsearch {how}"
        return Outcome(name, went_on, refused_as, recovery, place.slowest, max(beats), place.lost())


def list_linen(place: Town, title: str) -> None:
    """A merchant lists a product; a job makes it findable."""
    sku = {"name": "M", "price": {"amount": 100, "currency": "CNY"}, "stock": 1}
    assert place.ask("POST", "products", place.merchant, {"title": title, "skus": [sku]}).status == 201


def found(place: Town, words: str) -> set[str]:
    """The titles that search finds."""
    answer = place.ask("GET", f"search?q={words}")
    return {item["title"] for item in answer.json["items"]} if answer.status == 200 else set()


@contextmanager
def fresh_database(postgres_url: str) -> Iterator[tuple[str, Callable[[Fault], None]]]:
    """A database of its own, and how to end every connection to it from inside; dropped afterwards."""
    name = f"faults_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")

        def terminate(_fault: Fault) -> None:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

        try:
            yield urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}", query="")), terminate
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def database_gone(folder: Path, postgres_url: str, how: str) -> Outcome:
    """PostgreSQL: everything leans on it. What it acknowledged is there, and nobody has to be started again."""
    with (
        fresh_database(postgres_url) as (own, terminate),
        before(own) as (fault, url),
        town(folder, DATABASE_URL=url) as place,
    ):
        strike = terminate if how == "backends terminated" else FAULTS[how]
        over, answers = threading.Event(), list[Answer]()

        def buy(buyer: int) -> None:
            while not over.is_set():
                answers.append(place.order(buyer))

        buyers = [threading.Thread(target=buy, args=[buyer]) for buyer in (0, 1)]
        for thread in buyers:
            thread.start()
        seconds_until(lambda: len(place.acknowledged) >= 4)
        with place.heartbeat() as beats:
            strike(fault)
            if strike is not terminate:
                seconds_until(lambda: any(answer.status not in DONE for answer in list(answers)))
                refused = place.ask("GET", "feed", place.tokens[2])
                assert (refused.status, refused.code) == (503, "database.unavailable")
                assert int(refused.retry_after or 0) > 0
            fault.restore()
            recovery = seconds_until(lambda: place.order(3).status in DONE)
            over.set()
            for thread in buyers:
                thread.join()
        wrong = [answer for answer in answers if answer.status not in DONE and answer.status != 503]
        assert not wrong, wrong
        begun = time.monotonic()
        list_linen(place, "Copper kettle")
        seconds_until(lambda: "Copper kettle" in found(place, "kettle"))  # the job loop goes on as well
        recovery = max(recovery, time.monotonic() - begun)
        refused_as = [] if strike is terminate else ["all else: 503 database.unavailable, Retry-After"]
        name = f"PostgreSQL {how}"
        return Outcome(name, ["`/healthz`"], refused_as, recovery, place.slowest, max(beats), place.lost())
