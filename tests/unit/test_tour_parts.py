"""The parts of the tour that need no server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from threading import Event, Thread

import pytest

from web.tour import report
from web.tour.buying import at_once
from web.tour.checks import Failed, holds, one, same, until
from web.tour.client import Client, Form, Unreachable
from web.tour.props import CHINESE, ENGLISH, NOTE, NOTE_ZH, shared
from web.tour.rooms import in_order
from web.tour.story import STEPS, Seen, play
from web.tour.viewer import GOODBYE, _Reader

PAGE = """<header><form method="post" action="/sessions/end"><input type="hidden" name="csrf_token" value="head"></form></header>
<form method="post" action="/pay/pay_1"><input type="hidden" name="csrf_token" value="a&amp;b"><input name="note">
<button name="outcome" value="succeed">Pay</button></form><input type="hidden" name="outside" value="1">"""


def test_the_story_has_nine_steps() -> None:
    assert len(STEPS) == 9


def test_the_searches_share_no_word_with_the_note() -> None:
    assert shared(ENGLISH, NOTE) == shared(CHINESE, NOTE_ZH) == set()
    assert shared("growing a tomato, slowly", NOTE) == {"tomato", "a"}
    assert shared("西红柿", {"title": "番茄", "text": "西瓜", "topics": []}) == {"西"}


def test_a_page_gives_the_form_that_pays_with_what_it_carries_unseen() -> None:
    form = Form.of(PAGE)
    assert form is not None
    assert (form.action, form.fields) == ("/pay/pay_1", {"csrf_token": "a&b"})
    assert Form.of("<form action='/pay/x'></form><p>nothing to press</p>") is None


def test_a_failed_check_says_what_was_expected_and_what_was_seen() -> None:
    with pytest.raises(Failed, match=r"^followers: expected 1000, saw 1001$"):
        same("followers", 1001, 1000)
    with pytest.raises(Failed, match="exactly one, saw 2 in the shop"):
        one("pot", [1, 2], "the shop")
    with pytest.raises(Failed, match="below 5, saw 7"):
        holds("score", False, "below 5", 7)


def test_waiting_ends_with_what_was_there_instead() -> None:
    looks = iter([None, None, "there"])
    assert until("it", lambda: next(looks), seconds=5) == "there"
    with pytest.raises(Failed, match=r"it: expected within 0 s, saw a wall"):
        until("it", lambda: None, seconds=0, last=lambda: "a wall")


def test_what_fails_on_one_of_several_threads_fails_the_step() -> None:
    def fail() -> None:
        raise Failed("purchase", "an ack", "none")

    assert at_once([lambda: 1, lambda: 2]) == [1, 2]
    with pytest.raises(Failed, match="purchase"):
        at_once([lambda: 1, fail])


class Heard:
    who = "ben"

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers

    def all(self, event: str) -> list[dict[str, int]]:
        return [{"seq": number} for number in self.numbers]


def test_a_gap_a_repetition_and_a_wrong_order_are_all_seen() -> None:
    assert in_order(Heard(4, 5, 6), 3) == [4, 5, 6]  # type: ignore[arg-type]
    for numbers in ((4, 6), (4, 4, 5), (5, 4)):
        with pytest.raises(Failed, match="events that ben heard"):
            in_order(Heard(*numbers), 3)  # type: ignore[arg-type]


def test_the_report_shows_a_failure_and_is_not_passed() -> None:
    steps = [Seen(1, "One", saw=["a"], seconds=1.0), Seen(2, "Two", False, ["b", "four"], 0.5, "sum: 3")]
    assert report.lines(steps[1]).splitlines() == [
        "FAIL 2. Two (0.5 s)", "       b", "       expected  sum: 3", "       saw       four"
    ]  # fmt: skip
    assert not report.passed(steps, [])
    assert report.document(steps, [])["steps"][1]["expected"] == "sum: 3"
    assert "1 of 9 steps passed" in report.closing(steps, [])


def test_what_could_not_be_put_away_is_a_failure_too() -> None:
    steps = [Seen(n, "Step") for n in range(1, 10)]
    assert report.passed(steps, [])
    assert not report.passed(steps, ["the room goes on"])
    assert "could not be put away: the room goes on" in report.closing(steps, ["the room goes on"])


def test_a_message_is_heard_before_the_next_is_read_and_a_goodbye_beside_it() -> None:
    heard: list[str] = []
    end, reader = Event(), _Reader()

    @reader.on("message")  # type: ignore[untyped-decorator]
    def hear(message: str) -> None:
        end.wait(20 if message == GOODBYE else 0.05)
        heard.append(message)

    leaving = reader._trigger_event("message", GOODBYE, run_async=True)
    for message in ("21", "22"):
        reader._trigger_event("message", message, run_async=True)
        assert heard[-1:] == [message]
    end.set()
    leaving.join()
    assert heard == ["21", "22", GOODBYE]


def test_where_no_server_is_the_tour_says_so(unused_port: int) -> None:
    with pytest.raises(Unreachable, match="does not answer"):
        play(f"http://127.0.0.1:{unused_port}")


@pytest.mark.parametrize("body", ["Content-Length: 3178\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nff\r\nhalf"])
def test_a_server_that_dies_while_it_answers_does_not_answer(dying: socket.socket, body: str) -> None:
    port = dying.getsockname()[1]
    speaker = Thread(
        target=_speak, args=(dying, f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{body}".encode())
    )
    speaker.start()
    try:
        with pytest.raises(Unreachable, match="does not answer"):
            Client(f"http://127.0.0.1:{port}").get("me/orders")
    finally:
        speaker.join()


def _speak(server: socket.socket, words: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(words)


@pytest.fixture
def dying() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
