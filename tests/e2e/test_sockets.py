"""Live rooms over real websockets against a real server: join, order, resume, rubbish, a viewer who does not read, kill -9."""

from __future__ import annotations

import json
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import socketio
import websocket
from socketio.exceptions import ConnectionError as Refused

from kernel.idempotency import new_key
from live import state as states
from live.allowance import FRAMES
from tests import agreement

NOBODY = "room_" + "0" * 26
PATIENCE = 30.0


class Live:
    """The server process and its people; `api` is JSON over HTTP."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.e2e.live_server", str(self.data)]
        self.errors = (self.data / "server.log").open("ab")
        self.seen = (self.data / "server.log").stat().st_size
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen(command, cwd=Path(__file__).parents[2], **pipes)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.data / "server.log").read_text()[-3000:]
        ready = json.loads(line)
        self.url, self.port, self.people = f"http://127.0.0.1:{ready['port']}", ready["port"], ready["people"]

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.errors.close()

    def flood(self, *what: Any) -> None:
        """Have the server publish: topic, event, data, how often."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()

    def traces(self) -> list[str]:
        """What the server has logged of failures since it was asked last."""
        log = (self.data / "server.log").read_text()
        said, self.seen = log[self.seen :], len(log)
        return [line for line in said.splitlines() if "Traceback" in line or "Error" in line]

    def memory(self) -> int:
        """Resident memory of the server in kB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])

    def api(self, who: str, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
        headers = {"Authorization": f"Bearer {self.people[who]['token']}", "Idempotency-Key": new_key()}
        answer = requests.request(method, f"{self.url}/api/v1/{path}", json=body, headers=headers, timeout=PATIENCE)
        assert answer.status_code == expect, answer.text
        return answer.json() if answer.content else None

    def log_in(self, handle: str) -> str:
        """The token of a new account."""
        form = {"handle": handle, "password": "long enough 1"}
        answer = requests.post(f"{self.url}/api/v1/accounts", json=form, timeout=PATIENCE)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def room(self, stock: int = 1) -> tuple[str, str]:
        """A room on air with one SKU of that many units."""
        price = {"amount": 12900, "currency": "CNY"}
        form = {"title": "Linen shirt", "skus": [{"name": "M", "price": price, "stock": stock}]}
        sku = self.api("host", "POST", "products", form, 201)["skus"][0]["id"]
        for before in requests.get(f"{self.url}/api/v1/rooms", timeout=PATIENCE).json()["items"]:
            self.api("host", "POST", f"rooms/{before['id']}/end", {})
        room = self.api("host", "POST", "rooms", {"title": "Linen, live", "shelf": [sku]}, 201)["id"]
        self.api("host", "POST", f"rooms/{room}/start", {})
        return room, sku


class Viewer:
    """A Socket.IO client on the websocket transport; what comes in waits in `heard` by event name."""

    def __init__(self, live: Live, who: str | None = None, **auth: Any) -> None:
        self.client = socketio.Client(reconnection=False)
        self.heard: dict[str, queue.Queue[Any]] = {}
        self.client.on("*", self._hear, namespace="/live")
        trigger = (
            self.client.eio._trigger_event
        )  # the client starts a thread per message, which may turn their order round
        self.client.eio._trigger_event = lambda *what, **how: trigger(*what, **{**how, "run_async": False})
        given = {"token": live.people[who]["token"]} if who else auth or None
        self.client.connect(live.url, namespaces=["/live"], transports=["websocket"], auth=given, wait_timeout=PATIENCE)

    def _hear(self, event: str, data: Any) -> None:
        self.heard.setdefault(event, queue.Queue()).put(data)

    def ask(self, event: str, data: Any = None) -> Any:
        ack = self.client.call(event, data, namespace="/live", timeout=PATIENCE)
        agreement.check_frame(f"{event}.ack", ack)
        return ack

    def next(self, event: str = "room.event") -> Any:
        data = self.heard.setdefault(event, queue.Queue()).get(timeout=PATIENCE)
        agreement.check_frame(event, data)
        return data

    def until(self, wanted: Callable[[Any], bool], event: str = "room.event") -> list[Any]:
        """What comes in up to and with the first that is wanted."""
        found = [self.next(event)]
        while not wanted(found[-1]):
            found.append(self.next(event))
        return found

    def silent(self, event: str = "room.event") -> bool:
        return event not in self.heard or self.heard[event].empty()

    def close(self) -> None:
        self.client.disconnect()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    server = Live(tmp_path_factory.mktemp("live"))
    yield server
    server.kill()


@pytest.fixture
def connect(live: Live) -> Iterator[Callable[..., Viewer]]:
    viewers: list[Viewer] = []

    def make(who: str | None = None, **auth: Any) -> Viewer:
        viewers.append(Viewer(live, who, **auth))
        return viewers[-1]

    yield make
    for viewer in viewers:
        viewer.close()


Connect = Callable[..., Viewer]


def code(ack: Any) -> str:
    assert ack["ok"] is False, ack
    return str(ack["problem"]["code"])


# -- watching ---------------------------------------------------------------------------------------------------------


def test_two_viewers_get_the_snapshot_and_then_every_event_in_order(live: Live, connect: Connect) -> None:
    room, sku = live.room()
    viewers = [connect("ann"), connect()]
    joined = [viewer.ask("room.join", {"room": room}) for viewer in viewers]
    for ack in joined:
        assert (ack["ok"], ack["seq"], ack["snapshot"]["status"]) == (True, 1, "live")
        assert (ack["playlist"], ack["host"]["handle"]) == (f"/media/live/{room}/index.m3u8", "host")
    for number in range(20):
        live.api("host", "PUT", f"rooms/{room}/pin", {"sku": sku if number % 2 else None})
    for viewer, ack in zip(viewers, joined, strict=True):
        events = [viewer.next() for _ in range(20)]
        assert [event["seq"] for event in events] == list(range(2, 22))
        assert states.fold(ack["snapshot"], events) == live.api("ann", "GET", f"rooms/{room}")["state"]
        assert viewer.silent()


def test_whoever_joins_in_the_middle_misses_nothing_and_hears_nothing_twice(live: Live, connect: Connect) -> None:
    room, sku = live.room(stock=200)
    for number in range(12):
        live.api("host", "PUT", f"rooms/{room}/pin", {"sku": sku if number % 2 else None})
        viewer = connect()
        ack = viewer.ask("room.join", {"room": room})
        live.api("host", "PUT", f"rooms/{room}/pin", {"sku": sku})
        assert viewer.next()["seq"] == ack["seq"] + 1


def test_a_cut_connection_resumes_from_its_seq(live: Live, connect: Connect) -> None:
    room, sku = live.room()
    viewer = connect("ann")
    state = viewer.ask("room.join", {"room": room})["snapshot"]
    live.api("host", "PUT", f"rooms/{room}/pin", {"sku": sku})
    seen = viewer.next()
    viewer.client.eio.ws.sock.shutdown(socket.SHUT_RDWR)  # no goodbye
    live.api("host", "PUT", f"rooms/{room}/pin", {"sku": None})
    live.api("host", "PUT", f"rooms/{room}/pin", {"sku": sku})
    again = connect("ann")
    ack = again.ask("room.join", {"room": room, "after": seen["seq"]})
    live.api("host", "PUT", f"rooms/{room}/pin", {"sku": None})
    events = [seen, *ack["events"], again.next()]
    assert [event["seq"] for event in events] == [2, 3, 4, 5]
    assert "snapshot" not in ack
    assert states.fold(state, events) == live.api("ann", "GET", f"rooms/{room}")["state"]
    ahead = again.ask("room.join", {"room": room, "after": 999})
    assert (ahead["snapshot"]["room"], ahead["seq"]) == (room, 5)


def test_presence_counts_people_once_and_forgets_who_left(live: Live, connect: Connect) -> None:
    room, _ = live.room()
    watcher = connect()
    assert watcher.ask("room.join", {"room": room})["viewers"] == 1
    first, second = connect("ann"), connect("ann")
    first.ask("room.join", {"room": room})
    second.ask("room.join", {"room": room})
    assert watcher.until(lambda p: p["viewers"] == 2, "presence")[-1] == {"room": room, "viewers": 2}
    first.close()
    second.ask("room.leave", {"room": room})
    watcher.until(lambda p: p["viewers"] == 1, "presence")


def test_chat_reaches_all_but_those_behind_a_block(live: Live, connect: Connect) -> None:
    room, _ = live.room()
    ann, ben, host = connect("ann"), connect("ben"), connect("host")
    for viewer in (ann, ben, host):
        viewer.ask("room.join", {"room": room})
    key = new_key()
    said = ann.ask("chat.send", {"room": room, "text": "大家好", "key": key})
    assert ann.ask("chat.send", {"room": room, "text": "大家好", "key": key}) == said
    for viewer in (ann, ben, host):
        heard = viewer.next("chat.message")
        assert (heard["text"], heard["n"], heard["from"]["handle"]) == ("大家好", 1, "ann")
        assert viewer.silent("chat.message")
    live.api("host", "DELETE", f"rooms/{room}/chat/{said['id']}", expect=204)
    assert ben.next("chat.deleted") == {"room": room, "id": said["id"], "n": 1}
    live.api("ben", "PUT", f"accounts/{live.people['ann']['id']}/block")
    ann.ask("chat.send", {"room": room, "text": "still there?", "key": new_key()})
    host.next("chat.message")
    host.ask("chat.send", {"room": room, "text": "hello", "key": new_key()})
    assert ben.next("chat.message")["text"] == "hello"
    live.api("ben", "DELETE", f"accounts/{live.people['ann']['id']}/block")


def test_a_ban_and_a_hidden_host_end_the_watching_at_once(live: Live, connect: Connect) -> None:
    room, _ = live.room()
    ann, ben = connect("ann"), connect("ben")
    ann.ask("room.join", {"room": room})
    ben.ask("room.join", {"room": room})
    banned = {"account": live.people["ann"]["id"], "kind": "ban", "seconds": 600}
    live.api("host", "PUT", f"rooms/{room}/restrictions", banned, 204)
    assert ann.next("room.gone") == {"room": room, "code": "room.banned"}
    assert code(ann.ask("room.join", {"room": room})) == "room.banned"
    live.api("host", "PUT", f"accounts/{live.people['ben']['id']}/block")
    assert ben.next("room.gone") == {"room": room, "code": "room.not_found"}
    assert code(ben.ask("room.join", {"room": room})) == "room.not_found"
    live.api("host", "DELETE", f"accounts/{live.people['ben']['id']}/block")


def test_logging_out_ends_the_connection_and_says_so(live: Live, connect: Connect) -> None:
    room, _ = live.room()
    token = live.log_in("guest")
    guest, nobody = connect(token=token), connect()
    for viewer in (guest, nobody):
        viewer.ask("room.join", {"room": room})
    headers = {"Authorization": f"Bearer {token}"}
    gone = requests.delete(f"{live.url}/api/v1/sessions/current", headers=headers, timeout=PATIENCE)
    assert gone.status_code == 204
    assert guest.next("session.ended") == {"code": "session.invalid"}
    live.api("host", "POST", f"rooms/{room}/notice", {"text": "still here"}, 204)
    nobody.until(lambda event: event["kind"] == "notice")
    assert guest.silent()


# -- buying -----------------------------------------------------------------------------------------------------------


def test_one_unit_two_buyers_and_everybody_hears_what_concerns_them(live: Live, connect: Connect) -> None:
    room, sku = live.room(stock=1)
    ann, ben = connect("ann"), connect("ben")
    for viewer in (ann, ben):
        viewer.ask("room.join", {"room": room})
    keys = {viewer: new_key() for viewer in (ann, ben)}
    quotes = {viewer: viewer.ask("offer.quote", {"room": room, "sku": sku, "qty": 1}) for viewer in (ann, ben)}
    assert quotes[ann]["total"] == {"amount": 12900, "currency": "CNY"}
    answers = {v: v.ask("order.purchase", {"key": keys[v], "quote": quotes[v]["quote"]}) for v in (ann, ben)}
    assert [answers[v]["result"] for v in (ann, ben)] == ["accepted", "all_held"]
    for viewer in (ann, ben):
        again = {"key": keys[viewer], "quote": quotes[viewer]["quote"]}
        assert viewer.ask("order.purchase", again) == answers[viewer]
        assert viewer.ask("order.result", {"key": keys[viewer]}) == answers[viewer]
        kinds = [event["kind"] for event in viewer.until(lambda e: e["kind"] == "order.placed")]
        assert "stock.changed" in kinds or viewer.next()["kind"] == "stock.changed"
    placed = ann.next("order.changed")
    assert (placed["order"], placed["status"]) == (answers[ann]["order"], "placed")
    live.api("ann", "POST", f"orders/{answers[ann]['order']}/cancel", {})
    assert ann.next("order.changed")["status"] == "cancelled"
    freed = ben.next("order.changed")
    assert (freed["key"], freed["sku"], freed["status"]) == (keys[ben], sku, "unit_freed")


def test_watching_needs_nobody_but_speaking_and_buying_do(live: Live, connect: Connect) -> None:
    room, sku = live.room()
    nobody = connect()
    assert code(nobody.ask("chat.send", {"room": room, "text": "x", "key": "k"})) == "session.required"
    nobody.ask("room.join", {"room": room})
    for event, frame in {
        "chat.send": {"room": room, "text": "x", "key": "k"},
        "offer.quote": {"room": room, "sku": sku},
        "order.purchase": {"key": "k", "quote": "quote_" + "0" * 26},
        "order.result": {"key": "k"},
    }.items():
        assert code(nobody.ask(event, frame)) == "session.required", event
    ann = connect("ann")
    assert code(ann.ask("offer.quote", {"room": room, "sku": sku})) == "room.not_joined"


# -- rubbish ----------------------------------------------------------------------------------------------------------


def test_a_bad_login_is_refused_with_its_problem(live: Live) -> None:
    for auth, wanted in (
        ({"token": "nonsense"}, "session.invalid"),
        ({"token": 7}, "request.invalid"),
        ({"admin": True}, "request.invalid"),
        (["token"], "auth.malformed"),
    ):
        client, told = socketio.Client(reconnection=False), []
        client.on("connect_error", told.append, namespace="/live")
        with pytest.raises(Refused):
            client.connect(live.url, namespaces=["/live"], transports=["websocket"], auth=auth, wait_timeout=PATIENCE)
        assert told[0]["data"]["code"] == wanted if "data" in told[0] else told[0]["code"] == wanted
        client.disconnect()


def test_rubbish_frames_get_a_problem_and_change_nothing(live: Live, connect: Connect) -> None:
    room, _ = live.room()
    ann = connect("ann")
    before = ann.ask("room.join", {"room": room})
    good = {"room": room, "text": "x", "key": "k"}
    for event, frame, wanted in (
        ("room.join", None, "frame.malformed"),
        ("room.join", ["x"], "frame.malformed"),
        ("room.join", ({"room": room}, 7), "frame.malformed"),
        ("room.join", {"room": 7}, "request.invalid"),
        ("room.join", {"room": "room_x"}, "request.invalid"),
        ("room.join", {"room": NOBODY}, "room.not_found"),
        ("room.join", {"room": room, "after": -1}, "request.invalid"),
        ("room.join", {"room": room, "after": 10**30}, "request.invalid"),
        ("room.join", {"room": room, "after": True}, "request.invalid"),
        ("room.join", {"room": room, "more": 1}, "request.invalid"),
        ("chat.send", {**good, "text": "a\u202eb"}, "request.invalid"),
        ("chat.send", {**good, "text": "x" * 10_000}, "request.invalid"),
        ("chat.send", {**good, "key": ""}, "request.invalid"),
        ("chat.send", {**good, "text": b"bytes"}, "frame.malformed"),
        ("offer.quote", {"room": room, "sku": "sku_" + "0" * 26}, "sku.not_found"),
        ("order.purchase", {"key": "k", "quote": "quote_" + "0" * 26}, "quote.not_found"),
        ("order.result", {"key": "never used"}, "order.key_unknown"),
        ("order.result", {"key": "ключ"}, "request.invalid"),
        ("room.explode", {"room": room}, "event.unknown"),
        ("connect", {"wsgi.url_scheme": "http"}, "event.unknown"),
        ("disconnect", "bye", "event.unknown"),
    ):
        assert code(ann.ask(event, frame)) == wanted, (event, frame)
    after = ann.ask("room.join", {"room": room})
    assert (after["snapshot"], after["seq"], after["chat"]) == (before["snapshot"], before["seq"], [])


def test_bytes_that_are_no_protocol_end_one_connection_at_most(live: Live, connect: Connect) -> None:
    witness = connect("ben")
    url = f"ws://127.0.0.1:{live.port}/socket.io/?EIO=4&transport=websocket"
    for rubbish in (
        "42",
        "4nonsense",
        "42/live,{",
        '42/live,["room.join"',
        "9",
        "451-[]",
        "40/nowhere,",
        "42/live,[]",
        "42/live,[7]",
        "x" * 200_000,
        "42/live," + "[" * 30_000,
        b"\x00\xff",
    ):
        raw = websocket.create_connection(url, timeout=PATIENCE)
        raw.recv()
        raw.send("40/live,")
        raw.recv()
        raw.send(rubbish, websocket.ABNF.OPCODE_BINARY if isinstance(rubbish, bytes) else websocket.ABNF.OPCODE_TEXT)
        raw.shutdown()
    big = requests.post(f"{live.url}/socket.io/?EIO=4&transport=polling", data=b"x" * 200_000, timeout=PATIENCE)
    assert (big.status_code, big.json()["code"]) == (413, "body.too_large")
    assert code(witness.ask("room.join", {"room": NOBODY})) == "room.not_found"
    foreign = requests.get(
        f"{live.url}/socket.io/?EIO=4&transport=polling", headers={"Origin": "https://evil.example"}, timeout=PATIENCE
    )
    assert foreign.status_code == 400


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        ('42/live,7["room.join",', "frame.malformed"),
        ("42/live,7", "frame.malformed"),
        ("42/live,7[]", "frame.malformed"),
        ('42/live,7{"room.join":1}', "frame.malformed"),
        ("42/live,7[null]", "frame.malformed"),
        ("42/live,7[NaN]", "frame.malformed"),
        ("42/live,7" + "[" * 30_000, "frame.malformed"),
        ('459999999999-/live,7["chat.send",{}]', "frame.malformed"),
        ('451-/live,7["room.join",{"_placeholder":true,"num":9}]', "frame.malformed"),
        ("42/live,7[{}]", "event.unknown"),
        ('42/live,7["room.join"]', "frame.malformed"),
        ('42/live,7["room.join",{},{}]', "frame.malformed"),
    ],
)
def test_a_frame_that_cannot_be_read_is_acked_with_its_problem(live: Live, sent: str, wanted: str) -> None:
    with Raw(live) as raw:
        assert raw.ask(sent, "43/live,7")[0]["problem"]["code"] == wanted
        assert raw.answers()
    assert live.traces() == []


@pytest.mark.parametrize(
    "sent", ["4", "4null", "4[1]", '4{"a":1}', "4x", "42", "43/live,0[]", "44", "46-", "49", "42/live,²[]", "6", "2"]
)
def test_what_nobody_can_answer_holds_nobody_up(live: Live, sent: str) -> None:
    with Raw(live) as raw:
        raw.send(sent)
        assert raw.answers()
        raw.socket.send_binary(b"4\x00\xff")
        assert raw.answers()
    assert live.traces() == []


@pytest.mark.parametrize("sent", ["", "x", "b!", "²"])
def test_who_speaks_another_protocol_is_hung_up_on(live: Live, sent: str) -> None:
    with Raw(live) as raw:
        raw.send(sent)
        opcode, data = raw.socket.recv_data()
        assert (opcode, int.from_bytes(data[:2])) == (websocket.ABNF.OPCODE_CLOSE, 1002)
    assert live.traces() == []


def test_a_login_that_cannot_be_read_is_refused_with_its_problem(live: Live) -> None:
    with Raw(live, login=False) as raw:
        assert raw.ask("40/live,{", "44/live,")["data"]["code"] == "auth.malformed"
    assert live.traces() == []


class Raw:
    """A websocket on which anything can be said."""

    def __init__(self, live: Live, login: bool = True) -> None:
        url = f"ws://127.0.0.1:{live.port}/socket.io/?EIO=4&transport=websocket"
        self.socket = websocket.create_connection(url, timeout=PATIENCE)
        self.socket.recv()
        if login:
            self.ask("40/live,", "40/live,")

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.shutdown()

    def send(self, text: str) -> None:
        self.socket.send(text)

    def ask(self, text: str, start: str) -> Any:
        """Send it; the rest of the answer that starts so."""
        self.send(text)
        return json.loads(self.hear(start))

    def hear(self, start: str) -> str:
        """The rest of the next message that starts so."""
        while not (said := str(self.socket.recv())).startswith(start):
            assert said, "hung up on"
        return said.removeprefix(start)

    def answers(self) -> bool:
        """Whether a good frame is answered after all that."""
        answer = self.ask(f'42/live,8["room.join",{{"room":"{NOBODY}"}}]', "43/live,8")
        return bool(answer[0]["problem"]["code"] == "room.not_found")


class Poller:
    """A viewer without websockets."""

    def __init__(self, live: Live) -> None:
        self.url = f"{live.url}/socket.io/?EIO=4&transport=polling"
        self.url += f"&sid={json.loads(self.poll().text[1:])['sid']}"
        assert self.post("40/live,").text == "OK"
        assert self.poll().text.startswith("40/live,")

    def poll(self) -> requests.Response:
        return requests.get(self.url, timeout=PATIENCE)

    def hear(self, part: str) -> None:
        """Poll until it is said: a ping or the number of viewers may come before it, in an answer of its own."""
        while part not in (answer := self.poll()).text:
            assert answer.ok, answer.text

    def post(self, body: str | bytes) -> requests.Response:
        return requests.post(self.url, data=body, timeout=PATIENCE)


def test_who_polls_and_sends_too_much_is_told_so_and_freed(live: Live) -> None:
    room, _ = live.room()
    poller = Poller(live)
    poller.post(f'42/live,1["room.join",{{"room":"{room}"}}]')
    poller.hear('"ok":true')
    assert live.api("ann", "GET", f"rooms/{room}")["viewers"] == 1
    answer = poller.post(b"4" * (64 * 1024 + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "body.too_large")
    assert live.api("ann", "GET", f"rooms/{room}")["viewers"] == 0
    assert poller.poll().status_code == 400
    assert live.traces() == []


@pytest.mark.parametrize("body", [b"\xff", b"x", b"d=", b"4\x1e" * 20, b"b1"], ids=repr)
def test_who_polls_and_sends_what_is_no_payload_is_told_so_and_freed(live: Live, body: bytes) -> None:
    poller = Poller(live)
    answer = poller.post(body)
    assert (answer.status_code, answer.json()["code"]) == (400, "frame.malformed")
    assert poller.poll().status_code == 400
    assert live.traces() == []


def test_a_packet_of_no_known_kind_ends_a_polling_session_without_a_wait(live: Live) -> None:
    poller = Poller(live)
    assert poller.post("2").status_code == 400
    assert poller.poll().status_code == 400
    assert live.traces() == []


def test_a_frame_sent_by_polling_that_cannot_be_read_is_acked_with_its_problem(live: Live) -> None:
    poller = Poller(live)
    poller.post("42/live,7[")
    poller.hear("frame.malformed")
    assert live.traces() == []


def test_too_many_frames_are_refused_until_the_window_is_over(live: Live) -> None:
    token, count = live.log_in("hasty"), FRAMES + 10
    with Raw(live, login=False) as raw:
        raw.ask(f'40/live,{{"token":"{token}"}}', "40/live,")
        for number in range(count):  # without waiting for an answer: a slow machine would get a second window
            raw.send(f'42/live,{number}["room.join",{{"room":"{NOBODY}"}}]')
        answers = [raw.hear("43/live,") for _ in range(count)]
    assert sum("room.not_found" in said for said in answers) == FRAMES
    assert sum("rate.limited" in said for said in answers) == count - FRAMES


# -- the connection itself --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", ["3", '42/live,["a"]', "4x"], ids=["pongs", "events", "rubbish"])
def test_who_floods_is_hung_up_on_and_the_others_are_answered(live: Live, frame: str) -> None:
    """Pongs and rubbish reach no namespace that would count them; one connection had the whole server for half a minute."""
    url = f"ws://127.0.0.1:{live.port}/socket.io/?EIO=4&transport=websocket"
    raw = websocket.create_connection(url, timeout=PATIENCE)
    raw.recv()
    raw.send("40/live,")
    sent = threading.Thread(target=lambda: [suppressed(raw.send, frame) for _ in range(20_000)])
    sent.start()
    while sent.is_alive():
        assert requests.get(f"{live.url}/healthz", timeout=5).ok
    sent.join()
    with suppress(websocket.WebSocketException, OSError):
        while raw.recv():
            pass
    assert not raw.connected or not suppressed(raw.send, frame)
    assert requests.get(f"{live.url}/healthz", timeout=5).ok
    raw.shutdown()


def suppressed(send: Callable[[str], object], frame: str) -> bool:
    """Whether it went out."""
    try:
        send(frame)
    except (websocket.WebSocketException, OSError):
        return False
    return True


def test_a_viewer_who_does_not_read_is_dropped_and_the_others_get_everything(live: Live, connect: Connect) -> None:
    room, _ = live.room()
    stuck = websocket.create_connection(
        f"ws://127.0.0.1:{live.port}/socket.io/?EIO=4&transport=websocket",
        timeout=PATIENCE,
        sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)],
    )
    stuck.recv()
    stuck.send("40/live,")
    stuck.recv()
    stuck.send(f'42/live,1["room.join",{{"room":"{room}"}}]')
    assert stuck.recv().startswith("43/live,1")
    reader = connect()
    reader.ask("room.join", {"room": room})
    before = live.memory()
    times, padding = 20_000, "x" * 500  # 10 MB: more than the kernel's buffers and the backlog take
    live.flood(f"room:{room}", "chat.deleted", {"room": room, "id": padding}, times)
    assert [reader.next("chat.deleted")["n"] for _ in range(times)] == list(range(times))
    assert live.memory() - before < 20_000
    reader.until(lambda p: p["viewers"] == 1, "presence")
    heard = [json.loads(text[len("42/live,") :])[1]["n"] for text in _rest(stuck) if "chat.deleted" in text]
    assert heard == list(range(len(heard)))  # whole frames in order, up to where it was dropped
    assert len(heard) < times


def _rest(raw: websocket.WebSocket) -> Iterator[str]:
    """What is still to be read, until the connection ends."""
    try:
        while text := raw.recv():
            yield str(text)
    except (websocket.WebSocketException, OSError):
        return


def test_keep_alive_requests_do_not_wait_for_nagle(live: Live) -> None:
    with requests.Session() as session:
        session.get(f"{live.url}/healthz", timeout=PATIENCE)
        times = []
        for _ in range(20):
            begun = time.perf_counter()
            session.get(f"{live.url}/healthz", timeout=PATIENCE)
            times.append(time.perf_counter() - begun)
    assert sorted(times)[4] < 0.03  # with it each takes 44 ms, the quickest too; a busy machine holds up some


def test_what_was_acknowledged_survives_kill_9_and_the_log_goes_on(tmp_path: Path) -> None:
    live = Live(tmp_path)
    room, sku = live.room(stock=5)
    viewer = Viewer(live, "ann")
    state = viewer.ask("room.join", {"room": room})["snapshot"]
    quote = viewer.ask("offer.quote", {"room": room, "sku": sku})["quote"]
    key = new_key()
    bought = viewer.ask("order.purchase", {"key": key, "quote": quote})
    assert bought["result"] == "accepted"
    live.kill()
    live.start()
    try:
        again = Viewer(live, "ann")
        assert again.ask("order.result", {"key": key}) == bought
        ack = again.ask("room.join", {"room": room, "after": 1})
        assert sorted(event["kind"] for event in ack["events"]) == ["order.placed", "stock.changed"]
        live.api("host", "PUT", f"rooms/{room}/pin", {"sku": sku})
        events = [*ack["events"], again.next()]
        assert [event["seq"] for event in events] == [2, 3, 4]
        assert states.fold(state, events) == live.api("ann", "GET", f"rooms/{room}")["state"]
        deadline = time.monotonic() + PATIENCE
        playlist = f"{live.url}/media/live/{room}/index.m3u8"
        while "#EXTINF" not in requests.get(playlist, timeout=PATIENCE).text:
            assert time.monotonic() < deadline
        again.close()
    finally:
        live.kill()
