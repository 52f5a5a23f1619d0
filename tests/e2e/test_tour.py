"""The tour against a real server in a process of its own: it passes, again and again, and says what is wrong."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from demo.cast import TOUR_FAN, TOUR_VIEWERS
from demo.people import CREATOR_AT_GATE, DEMO_PASSWORD
from tests.e2e.served import A_TOUR, PATIENCE, ROOT, Served, added, environ_of, outlived, start, watched
from tests.models import exported_model
from web.tour.client import Client

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("tour")
    (folder / "models").symlink_to(exported_model().parent, target_is_directory=True)
    environ = environ_of(folder, DEMO="true", LOG_LEVEL="WARNING")
    subprocess.run([sys.executable, "-m", "tests.e2e.community"], cwd=ROOT, env=environ, check=True, timeout=PATIENCE)
    running = start(environ)
    yield running
    if running.process.poll() is None:
        running.stop(signal.SIGKILL)


def tour(server: Served, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "web.cli", "tour", "--url", server.url, *options]
    return subprocess.run(
        command, cwd=ROOT, env=server.environ, capture_output=True, text=True, timeout=200, check=False
    )


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def log_in(server: Served, handle: str) -> Client:
    session = Client(server.url, handle).post("sessions", {"handle": handle, "password": DEMO_PASSWORD})
    return Client(server.url, session["account"]["id"], {"Authorization": f"Bearer {session['token']}"})


def traces(server: Served) -> dict[str, Any]:
    """What a tour may leave: nothing but sold-out stock and history."""
    creator, ava = log_in(server, CREATOR_AT_GATE), log_in(server, TOUR_VIEWERS[0])
    me = creator.get("me")
    return {
        "followers": me["followers"],
        "creator": "creator" in me["roles"],
        "notes": [note["id"] for note in creator.pages("me/notes", 5)],
        "rooms": [room["id"] for room in ava.pages("rooms", 5) if room["host"]["id"] == me["id"]],
        "open orders": [order["id"] for order in ava.pages("orders", 5) if order["status"] in ("placed", "paid")],
    }


NOTHING = {"followers": 1000, "creator": False, "notes": [], "rooms": [], "open orders": []}


def test_the_tour_passes_twice_in_a_row_and_leaves_nothing(served: Served) -> None:
    for _ in range(2):
        done = tour(served, "--json")
        document = told(done)
        assert document["ok"], json.dumps(document, indent=1, ensure_ascii=False)
        assert done.returncode == 0
        assert [step["n"] for step in document["steps"]] == list(range(1, 10))
        assert all(step["saw"] and step["seconds"] >= 0 for step in document["steps"])
        assert added(document) == A_TOUR
        assert traces(served) == NOTHING


def test_it_stops_at_the_first_step_that_fails_and_says_what_it_saw(served: Served) -> None:
    ben = log_in(served, TOUR_VIEWERS[1])
    creator = log_in(served, CREATOR_AT_GATE)
    ben.put(f"accounts/{creator.who}/follow")
    done = tour(served)
    ben.delete(f"accounts/{creator.who}/follow")
    assert done.returncode == 1
    assert "FAIL 1. " in done.stdout
    assert "expected  followers of the creator: 1000\n       saw       1001" in done.stdout
    assert "0 of 9 steps passed" in done.stdout
    assert traces(served) == NOTHING


def test_after_a_tour_that_was_killed_the_next_one_passes(served: Served) -> None:
    command = [sys.executable, "-u", "-m", "web.cli", "tour", "--url", served.url]
    with subprocess.Popen(command, cwd=ROOT, env=served.environ, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert any(line.startswith("ok   6.") for line in killed.stdout)
        killed.kill()
    assert traces(served) != NOTHING
    document = told(tour(served, "--json"))
    assert document["ok"], json.dumps(document, indent=1, ensure_ascii=False)
    assert traces(served) == NOTHING


def test_what_was_acknowledged_before_kill_9_is_there_afterwards_and_recounts(served: Served) -> None:
    command = [sys.executable, "-u", "-m", "web.cli", "tour", "--url", served.url]
    with subprocess.Popen(command, cwd=ROOT, env=served.environ, stdout=subprocess.PIPE, text=True) as cut_short:
        assert cut_short.stdout is not None
        assert any(line.startswith("ok   6.") for line in cut_short.stdout)
        family = watched(served.process.pid)
        assert any("ffmpeg" in name for name in family.values())
        assert any("valkey" in name for name in family.values())
        served.stop(signal.SIGKILL)
        assert outlived(family) == []
        rest = cut_short.stdout.read()
        assert cut_short.wait(PATIENCE) == 1
    assert "FAIL 7. " in rest
    recount = [sys.executable, "-m", "web.cli", "recount", "--json"]
    counted = subprocess.run(recount, cwd=ROOT, env=served.environ, capture_output=True, text=True, timeout=PATIENCE)
    assert (counted.returncode, json.loads(counted.stdout)["differences"]) == (0, [])

    again = start(served.environ)
    served.process, served.url = again.process, again.url
    creator = log_in(served, CREATOR_AT_GATE)
    assert "creator" in creator.get("me")["roles"]
    assert creator.get(f"accounts/{creator.who}")["is_live"]
    assert log_in(served, TOUR_FAN).get(f"accounts/{creator.who}")["followed_by_me"]
    document = told(tour(served, "--json"))
    assert document["ok"], json.dumps(document, indent=1, ensure_ascii=False)


def test_a_recount_beside_a_running_server_is_refused_in_one_sentence(served: Served) -> None:
    recount = [sys.executable, "-m", "web.cli", "recount"]
    refused = subprocess.run(recount, cwd=ROOT, env=served.environ, capture_output=True, text=True, timeout=PATIENCE)
    assert refused.returncode == 2
    assert "is in use by process" in refused.stderr
    assert served.stop(signal.SIGINT) == 0
