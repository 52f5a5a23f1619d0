"""Two processes for the web, two for jobs, nginx before them: nobody can tell, and one that is killed takes nothing along."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import requests

from demo.cast import TOUR_MERCHANT, TOUR_VIEWERS
from engines import hls
from tests.e2e.many import COOKIE, Many, community, handshake
from tests.e2e.served import A_TOUR, ROOT, added
from web.tour.client import Client, new_key
from web.tour.rooms import in_order
from web.tour.viewer import Viewer

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]
AVA, BEN = TOUR_VIEWERS


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    with community(tmp_path_factory.mktemp("many")) as place:
        yield place


class Room:
    """On air with two products, run by a host who logged in at the first process and is known at every other."""

    def __init__(self, many: Many) -> None:
        self.many = many
        self.one, self.two = many.webs[0].name, many.webs[-1].name
        self.host_id, self.host_token = many.log_in(self.one, TOUR_MERCHANT)
        self.people = {handle: many.log_in(self.one, handle) for handle in TOUR_VIEWERS}
        skus = [{"name": name, "price": {"amount": 100, "currency": "CNY"}, "stock": 5} for name in ("S", "M")]
        product = self.host(self.two).post("products", {"title": "Two bowls", "skus": skus})
        self.skus = [sku["id"] for sku in product["skus"]]
        self.id = self.host(self.two).post("rooms", {"title": "Bowls", "shelf": self.skus})["id"]
        self.host(self.one).post(f"rooms/{self.id}/start")

    def host(self, url: str) -> Client:
        return Client(url, "host", {"Authorization": f"Bearer {self.host_token}"})

    def client(self, url: str, handle: str) -> Client:
        return Client(url, handle, {"Authorization": f"Bearer {self.people[handle][1]}"})

    def viewer(self, url: str, handle: str, **how: Any) -> tuple[Viewer, dict[str, Any]]:
        """Somebody in the room, and what they were told when they came."""
        viewer = Viewer(url, handle, self.people[handle][1], **how)
        return viewer, viewer.ask("room.join", room=self.id)

    def pin(self, url: str, sku: str | None) -> None:
        self.host(url).put(f"rooms/{self.id}/pin", {"sku": sku})

    def playlist(self) -> hls.Playlist:
        return hls.parse(requests.get(f"{self.many.url}media/live/{self.id}/index.m3u8", timeout=20).text)

    def end(self) -> None:
        self.host(self.many.url).post(f"rooms/{self.id}/end")


@pytest.fixture
def room(many: Many) -> Iterator[Room]:
    made = Room(many)
    yield made
    made.end()


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    return held


def counted(viewer: Viewer, joined: dict[str, Any], viewers: int) -> bool:
    """Whether they hear that so many are there, unless they were told when they came."""
    if joined["viewers"] == viewers and not viewer.all("presence"):
        return True
    return bool(viewer.wait("presence", f"{viewers} viewers", lambda told: told["viewers"] == viewers))


def test_who_watches_at_one_process_hears_in_order_what_happens_at_the_other(room: Room) -> None:
    ava, joined = room.viewer(room.one, AVA)
    ben, _ = room.viewer(room.two, BEN)
    said = [ben.ask("chat.send", room=room.id, text=f"Bowl {n}?", key=new_key())["n"] for n in range(5)]
    room.pin(room.two, room.skus[0])
    quote = room.client(room.two, BEN).post("quotes", {"lines": [{"sku": room.skus[0], "qty": 1}]})["quote"]
    room.client(room.two, BEN).post("orders", {"quote": quote})
    room.pin(room.two, room.skus[1])

    stock = ava.event("stock.changed", "the stock", after=joined["seq"])
    assert (stock["data"]["sku_id"], stock["data"]["available"]) == (room.skus[0], 4)
    last = ava.wait("room.event", "the second pin", lambda e: e["data"].get("sku_id") == room.skus[1])
    assert last["seq"] == joined["seq"] + len(in_order(ava, joined["seq"]))
    assert [message["n"] for message in ava.all("chat.message")] == said
    assert [m["text"] for m in room.viewer(room.one, BEN)[1]["chat"]] == [f"Bowl {n}?" for n in range(5)]


def test_presence_adds_up_and_a_ban_reaches_every_process(room: Room) -> None:
    ava, again = room.viewer(room.one, AVA), room.viewer(room.two, AVA)
    ben = room.viewer(room.two, BEN)
    assert all(counted(*viewer, viewers=2) for viewer in (ava, again, ben))
    room.host(room.one).put(f"rooms/{room.id}/restrictions", {"account": room.people[BEN][0], "kind": "ban"})
    ben[0].wait("room.gone", "the ban", lambda told: told["code"] == "room.banned")
    assert counted(*ava, viewers=1)


def test_a_long_polling_socket_stays_with_the_process_that_holds_it(many: Many, room: Room) -> None:
    given = handshake(many.url).cookie
    assert given.startswith(f"{COOKIE}=")
    assert handshake(many.url, {"Cookie": given.partition(";")[0]}).cookie == ""
    for _ in range(4):  # each a dozen requests: two processes would not share one by chance
        viewer, joined = room.viewer(many.url, AVA, transport="polling")
        room.pin(many.url, room.skus[0])
        viewer.event("product.pinned", "the pin", after=joined["seq"])
        viewer.close()


def test_the_tour_passes_with_the_figures_of_one_process(many: Many) -> None:
    command = [sys.executable, "-m", "web.cli", "tour", "--url", many.url, "--json"]
    done = subprocess.run(command, cwd=ROOT, env=many.environ, capture_output=True, text=True, timeout=200, check=False)
    document = json.loads(done.stdout)
    assert document["ok"], json.dumps(document, indent=1, ensure_ascii=False)
    assert [step["n"] for step in document["steps"]] == list(range(1, 10))
    assert added(document) == A_TOUR


def test_a_killed_web_process_loses_its_viewers_nothing(many: Many, room: Room) -> None:
    victim, other = many.webs
    way = many.route_to(victim)
    ava, joined = room.viewer(many.url, AVA, headers=way)
    ben, _ = room.viewer(many.url, BEN, headers=many.route_to(other))
    assert eventually(lambda: bool(room.playlist().segments))
    before = room.playlist().next_sequence
    assert len(many.streaming(room.id)) == 1

    for number in range(20):
        room.pin(many.url, room.skus[number % 2])
        if number == 5:
            victim.kill()
    ava.await_end()
    heard = in_order(ava, joined["seq"])
    back = Viewer(many.url, AVA, room.people[AVA][1], headers=way)
    known = [joined["seq"], *heard][-1]  # on a busy machine it dies before it has told of anything
    missed = [event["seq"] for event in back.ask("room.join", room=room.id, after=known)["events"]]
    many.webs.remove(victim)
    room.pin(many.url, None)
    last = ben.wait("room.event", "the last pin", lambda e: e["data"].get("sku_id", "") is None)["seq"]
    back.wait("room.event", "the last pin", lambda e: e["seq"] == last)
    numbers = heard + missed + [event["seq"] for event in back.all("room.event")]
    assert numbers == list(range(joined["seq"] + 1, last + 1))
    assert numbers == in_order(ben, joined["seq"])[-len(numbers) :]

    assert eventually(lambda: room.playlist().next_sequence > before + 1)
    assert eventually(lambda: len(many.streaming(room.id)) == 1)  # the segments may be the victim's last ones


def test_the_jobs_of_a_killed_worker_are_done_by_the_other(many: Many) -> None:
    victim = many.workers[0]
    with psycopg.connect(many.environ["OFFSHELF_DATABASE_URL"], autocommit=True) as sql:

        def asked(count: int) -> None:
            sql.execute(
                "INSERT INTO jobs (id, name, args, status, run_at, attempts, created_at) SELECT 'job_' || gen_random_uuid(),"
                " 'feed.refresh', '{\"note_ids\": []}', 'waiting', now(), 0, now() FROM generate_series(1, %s)",
                [count],
            )

        def left(worker: str = "") -> int:
            query = "SELECT count(*) FROM jobs WHERE id LIKE 'job_%%-%%' AND starts_with(coalesce(worker, ''), %s)"
            return int(sql.execute(query, [worker]).fetchone()[0])  # type: ignore[index]

        def quiet() -> bool:
            others = "state = 'active' AND datname = current_database() AND pid <> pg_backend_pid()"
            return sql.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {others}").fetchone() == (0,)

        while not left(victim.name):  # stopped in the middle, or once more
            victim.process.send_signal(signal.SIGCONT)
            asked(500)  # mostly more than the other takes before this one looks
            eventually(lambda: bool(left(victim.name)) or not left())
            victim.process.send_signal(signal.SIGSTOP)
            eventually(quiet)  # what it had asked the database for is done
        victim.kill()
        many.workers.remove(victim)
        assert left(victim.name)
        sql.execute(
            "UPDATE jobs SET lease_until = now() WHERE starts_with(worker, %s)", [victim.name]
        )  # the minute is over
        assert eventually(lambda: left() == 0)
