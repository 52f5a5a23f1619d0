"""What each fault did to those who use a real server.

A stage is a served market whose engine can be broken; its scenarios break it one after the other, and each gives an
`Outcome`. `tests/e2e/test_faults.py` judges them, `python -m bench.reliability` writes them down.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from engines.encoder import GRAPH
from tests.e2e.postgres_server import PostgresServer, own_postgres, programs
from tests.e2e.small_disk import filled, small_disk
from tests.e2e.town import DONE, Answer, Listener, Outcome, Town, seconds_until, town
from tests.faults import Fault, before
from tests.writing import picture

Strike = Callable[[Fault], None]
FAULTS: dict[str, Strike] = {
    "cut": Fault.cut,
    "swallowed": Fault.drop,
    "half-closed": Fault.half_close,
    "0.1 s late": lambda fault: fault.delay(0.1),
}
REDIS = list(FAULTS)
ELASTICSEARCH = REDIS[:3]
POSTGRES = [*REDIS[:3], "backends terminated", "server stopped"]


# -- Redis ------------------------------------------------------------------------------------------------------------


@contextmanager
def redis_stage(folder: Path, kv_url: str) -> Iterator[Callable[[str], Outcome]]:
    """Rate limits and the bus lean on Redis, nothing that people read or order does."""
    with before(kv_url) as (fault, url), town(folder, KV_URL=url, RATE_LIMITS="true") as place:
        yield lambda how: redis_gone(place, fault, how)


def redis_gone(place: Town, fault: Fault, how: str) -> Outcome:
    place.before_fault()
    assert place.order().status in DONE
    listener, somebody = Listener(place.url), place.stranger()
    FAULTS[how](fault)
    with place.heartbeat() as beats:
        assert place.ask("GET", "feed", place.tokens[0]).status == 200
        assert all(place.order(buyer).status in DONE for buyer in (0, 1, 2))
        nothing = "notes/note_" + "0" * 26 + "/comments"
        said = [place.ask("POST", nothing, somebody, {"text": "First!"}) for _ in range(21)]
        assert [answer.status for answer in said] == [404] * 20 + [429], "the local bound is the same limit"
        degraded = how != "0.1 s late"
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


# -- Elasticsearch ----------------------------------------------------------------------------------------------------


@contextmanager
def index_stage(folder: Path, index_url: str) -> Iterator[Callable[[str], Outcome]]:
    """Only search leans on Elasticsearch."""
    with before(index_url) as (fault, url), town(folder, INDEX_URL=url) as place:
        yield lambda how: index_gone(place, fault, how)


def index_gone(place: Town, fault: Fault, how: str) -> Outcome:
    place.before_fault()
    known = place.list_kettle()
    seconds_until(lambda: place.finds(known))
    FAULTS[how](fault)
    with place.heartbeat() as beats:
        refused = place.ask("GET", "search?q=kettle")
        assert (refused.status, refused.code) == (503, "index.unavailable")
        assert int(refused.retry_after or 0) > 0
        assert place.ask("GET", "feed", place.tokens[0]).status == 200
        assert place.order().status in DONE
        meanwhile = place.list_kettle()
    fault.restore()
    recovery = seconds_until(lambda: place.ask("GET", "search?q=kettle").status == 200)
    seconds_until(lambda: place.finds(known) and place.finds(meanwhile))
    went_on = ["feed", "orders", "publishing, found by search afterwards"]
    refused_as = ["search: 503 `index.unavailable`, `Retry-After`"]
    return Outcome(f"Elasticsearch {how}", went_on, refused_as, recovery, place.slowest, max(beats), place.lost())


# -- PostgreSQL -------------------------------------------------------------------------------------------------------


@contextmanager
def database_stage(folder: Path, postgres_url: str) -> Iterator[Callable[[str], Outcome]]:
    """Everything leans on PostgreSQL: a server of our own, or where its programs are not here, a database on another's."""
    with (
        _database(postgres_url) as (own, server),
        before(own) as (fault, url),
        town(folder, DATABASE_URL=url) as place,
    ):
        terminate = lambda _fault: _terminate(own)  # noqa: E731
        strikes: dict[str, Strike] = {**FAULTS, "backends terminated": terminate}
        if server:
            strikes["server stopped"] = lambda _fault: server.stop()

        def run(how: str) -> Outcome:
            restore = server.start if server and how == "server stopped" else lambda: None
            return database_gone(place, fault, strikes[how], restore, how)

        yield run


@contextmanager
def _database(postgres_url: str) -> Iterator[tuple[str, PostgresServer | None]]:
    if bin := programs():
        with own_postgres(bin) as server:
            yield server.url, server
        return
    name = f"faults_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}", query="")), None
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _terminate(url: str) -> None:
    everybody = "datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {everybody}")


def database_gone(place: Town, fault: Fault, strike: Strike, restore: Callable[[], None], how: str) -> Outcome:
    """What it acknowledged is there, and nobody has to be started again."""
    place.before_fault()
    over, answers = threading.Event(), list[Answer]()

    def buy(buyer: int) -> None:
        while not over.is_set():
            answers.append(place.order(buyer))

    buyers = [threading.Thread(target=buy, args=[buyer]) for buyer in (0, 1)]
    for thread in buyers:
        thread.start()
    seconds_until(lambda: len(place.acknowledged) >= 4)
    felt = how != "backends terminated"
    with place.heartbeat() as beats:
        strike(fault)
        if felt:
            seconds_until(lambda: any(answer.status not in DONE for answer in list(answers)))
            refused = place.ask("GET", "feed", place.tokens[2])
            assert (refused.status, refused.code) == (503, "database.unavailable")
            assert int(refused.retry_after or 0) > 0
        restore()
        fault.restore()
        recovery = seconds_until(lambda: place.order(3).status in DONE)
        over.set()
        for thread in buyers:
            thread.join()
    wrong = [answer for answer in answers if answer.status not in DONE and answer.status != 503]
    assert not wrong, wrong
    begun = time.monotonic()
    title = place.list_kettle()
    seconds_until(lambda: place.finds(title))  # the job loop goes on as well
    recovery = max(recovery, time.monotonic() - begun)
    refused_as = ["all else: 503 `database.unavailable`, `Retry-After`"] if felt else []
    return Outcome(f"PostgreSQL {how}", ["`/healthz`"], refused_as, recovery, place.slowest, max(beats), place.lost())


# -- what lies in the data folder -------------------------------------------------------------------------------------


def encoder_damaged(folder: Path, model: Path) -> Outcome:
    """The export is damaged when the server starts, and put right while it runs."""
    export = folder / "models" / model.name
    export.mkdir(parents=True)
    for path in model.iterdir():
        (export / path.name).symlink_to(path)
    graph = (model / GRAPH).read_bytes()
    (export / GRAPH).unlink()
    (export / GRAPH).write_bytes(graph[: len(graph) // 2])
    with town(folder, ENCODER=model.name) as place:
        place.before_fault()
        with place.heartbeat() as beats:
            title = place.list_kettle()
            seconds_until(lambda: place.finds(title))
            assert place.ask("GET", "search?q=kettle").json["degraded"] is True
            assert place.matched_by(title) == ["words"]
            assert place.ask("GET", "search/suggest?q=kettle").json["items"]
            assert place.ask("GET", "feed", place.tokens[0]).status == 200
            assert place.order().status in DONE
            said = place.ready()
            assert (said["status"], said["engines"]["encoder"]["code"]) == ("degraded", "encoder.unavailable")
        aside = export / "aside"
        aside.symlink_to(model / GRAPH)
        aside.replace(export / GRAPH)
        recovery = seconds_until(lambda: not place.ask("GET", "search?q=kettle").json["degraded"])
        seconds_until(lambda: "meaning" in place.matched_by(title))
        went_on = [
            "search by words, `degraded`",
            "suggestions",
            "feed",
            "orders",
            "publishing, found by meaning afterwards",
        ]
        return Outcome("Encoder damaged", went_on, [], recovery, place.slowest, max(beats), place.lost())


def index_half_written(folder: Path) -> Outcome:
    """Half of the embedded index is lost while no server runs; the next start fills it anew."""
    with town(folder) as place:
        title = place.list_kettle()
        seconds_until(lambda: place.finds(title))
    for path in (folder / "index").rglob("*.store"):
        os.truncate(path, path.stat().st_size // 2)
    with town(folder, seeded=place) as again:
        again.before_fault()
        with again.heartbeat() as beats:
            begun = time.monotonic()
            while not again.finds(title):
                page = again.ask("GET", "search", params={"q": title}).json
                assert page["degraded"] or again.finds(title), "nothing found, and not a word of why"
                assert again.order().status in DONE
            recovery = time.monotonic() - begun
            seconds_until(lambda: not again.ask("GET", "search?q=kettle").json["degraded"])
            assert again.order().status in DONE
        went_on = ["search of what is there, `degraded`", "feed", "orders"]
        return Outcome("Index half written", went_on, [], recovery, again.slowest, max(beats), again.lost())


def disk_full(folder: Path) -> Outcome:
    """The data folder's disk is full: the database, the index, pictures and streams all lie there."""
    log = folder.with_suffix(".log")
    with small_disk(folder), log.open("w") as lines, town(folder, lines, LOG_LEVEL="WARNING") as place:
        place.before_fault()
        title, room = place.list_kettle(), _go_live(place)
        seconds_until(lambda: place.finds(title))
        order = place.order().json["order"]
        with filled(folder), place.heartbeat() as beats:
            for write in (place.order, lambda: _upload(place), lambda: _pay(place, order)):
                refused = _refused(write)
                assert (refused.status, refused.code) == (503, "disk.full")
                assert int(refused.retry_after or 0) > 0
            for path in (folder / "media").rglob("*.*"):
                assert path.stem == hashlib.sha256(path.read_bytes()).hexdigest(), "no half of a picture"
            reads = ["feed", f"orders/{order}", f"skus/{place.sku}", "rooms", f"rooms/{room}", "search?q=kettle"]
            answers = [place.ask("GET", path, place.tokens[0]) for path in reads]
            assert [answer.status for answer in answers] == [200] * len(reads)
            assert [item["exposure_id"] for item in answers[0].json["items"]] == [None], "shown, and not counted"
            said = place.ready()
            assert (said["status"], said["engines"]["disk"]["code"]) == ("degraded", "disk.full")
            Listener(place.url).client.disconnect()
        recovery = seconds_until(lambda: place.order().status in DONE)
        assert _upload(place).status == 201
        later = place.list_kettle()
        seconds_until(lambda: place.finds(title) and place.finds(later))
        edge = place.newest_segment(room)
        seconds_until(lambda: place.newest_segment(room) > edge)  # the picture goes on as well
        went_on = ["reads", "search", "feed (its exposures are not counted)", "sockets"]
        refused_as = ["what writes: 503 `disk.full`, `Retry-After`"]
        outcome = Outcome("Disk full", went_on, refused_as, recovery, place.slowest, max(beats), place.lost())
    said_in_all = log.read_text().splitlines()
    assert len(said_in_all) < 100, said_in_all
    return outcome


def _go_live(place: Town) -> str:
    room = str(place.ask("POST", "rooms", place.merchant, {"title": "Kettles"}).json["id"])
    assert place.ask("POST", f"rooms/{room}/start", place.merchant).status in DONE
    seconds_until(lambda: place.newest_segment(room) >= 0)
    return room


def _refused(write: Callable[[], Answer]) -> Answer:
    """The first answer that is a refusal: what room somebody just let go may still be used."""
    while (answer := write()).status in DONE:
        pass
    return answer


def _pay(place: Town, order: str) -> Answer:
    return place.ask("POST", f"orders/{order}/payments", place.tokens[0])


def _upload(place: Town) -> Answer:
    return place.ask("POST", "media", place.tokens[0], files={"file": ("picture.png", picture(400, 300), "image/png")})
