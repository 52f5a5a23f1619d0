"""An encoder that fails or hangs: who waits, who is refused at once, and when it is asked again."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from engines.encoder import OnnxEncoder
from engines.encoder_watch import Watch
from kernel.config import Settings
from kernel.errors import Unavailable
from kernel.ports import KeyValue
from tests.models import exported_model
from web.engines import open_engines


def refused(watch: Watch, fn: object) -> str:
    with pytest.raises(Unavailable) as caught:
        watch.run(fn)  # type: ignore[arg-type]
    return caught.value.code


def never() -> None:
    raise AssertionError("nobody may ask it now")


def test_what_is_asked_is_answered_from_another_thread() -> None:
    assert Watch().run(threading.get_ident) != threading.get_ident()


def test_one_that_hangs_holds_the_first_for_a_while_and_nobody_after_until_it_has_come_back() -> None:
    watch, stuck, back = Watch(patience=0.05), threading.Event(), threading.Event()

    def hang() -> None:
        stuck.wait(60)
        back.set()

    assert refused(watch, hang) == "encoder.unavailable"
    assert refused(watch, never) == "encoder.unavailable"
    stuck.set()
    assert back.wait(60)
    while True:
        try:
            assert watch.run(lambda: 7) == 7
        except Unavailable:
            continue  # between its last line and its end
        break


def test_one_that_failed_is_asked_again_after_a_while() -> None:
    def fail() -> None:
        raise ValueError("protobuf parsing failed")

    resting, rested = Watch(again=60), Watch(again=0)
    assert refused(resting, fail) == refused(resting, never) == "encoder.unavailable"
    assert refused(rested, fail) == "encoder.unavailable"
    assert rested.run(lambda: 7) == 7


def test_its_own_refusal_is_passed_on_and_says_nothing_of_the_next() -> None:
    def closed() -> None:
        raise Unavailable("encoder.closed", "The encoder has been closed.")

    watch = Watch(again=60)
    assert refused(watch, closed) == "encoder.closed"
    assert watch.run(lambda: 7) == 7


def test_a_batch_waits_for_a_busy_machine_where_somebody_who_searches_would_not(
    tmp_path: Path, shared_kv: KeyValue, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / exported_model().name).symlink_to(exported_model())
    quick = OnnxEncoder._row

    def slow(self: OnnxEncoder, prompt: str, text: str) -> Any:
        threading.Event().wait(0.3)
        return quick(self, prompt, text)

    monkeypatch.setattr(OnnxEncoder, "_row", slow)
    monkeypatch.setattr("web.engines.PATIENCE", 0.02)
    for batch in (True, False):
        engines = open_engines(Settings(data=tmp_path, secret="s" * 40), kv=shared_kv, batch=batch)
        try:
            if batch:
                assert engines.encoder.documents(["tea"]).shape == (1, engines.encoder.dimensions)
            else:
                with pytest.raises(Unavailable, match=r"encoder\.unavailable"):
                    engines.encoder.documents(["tea"])
        finally:
            engines.close(keep_kv=True)
