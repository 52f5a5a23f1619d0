"""A key-value store that goes away and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.breaker import BreakerKeyValue, LocalWindows
from engines.kv import open_kv, private_client
from kernel.errors import Unavailable
from tests.contract.test_kv import eventually
from tests.faults import Fault


@pytest.fixture
def nowhere() -> Fault:
    fault = Fault("127.0.0.1", 9)
    fault.cut()
    return fault


def test_without_the_store_a_rate_is_still_a_rate_and_the_rest_says_so(nowhere: Fault, tmp_path: Path) -> None:
    kv = BreakerKeyValue(open_kv(f"redis://127.0.0.1:{nowhere.port}/0", tmp_path))
    assert [kv.spend("k", 2, 60).allowed for _ in range(3)] == [True, True, False]
    assert kv.spend("other", 2, 60).remaining == 1
    with pytest.raises(Unavailable):
        kv.get("k")
    assert kv.away
    kv.close()


def test_a_store_that_comes_back_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_kv("embedded://", tmp_path)
    kv = BreakerKeyValue(store)

    def away(*_: object) -> None:
        raise Unavailable("kv.unavailable", "The key-value store does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(store, "get", away)
        with pytest.raises(Unavailable):
            kv.get("k")
    assert eventually(lambda: not kv.away)
    kv.set("k", b"1")
    assert kv.get("k") == b"1"
    kv.close()


def test_a_store_that_answers_with_a_refusal_is_away_as_well(tmp_path: Path) -> None:
    """As a Redis does whose own disk is full, or that lost its replicas; it was an error of the request's, and a 500."""
    kv, behind = BreakerKeyValue(open_kv("embedded://", tmp_path)), private_client(tmp_path)
    assert behind is not None
    behind.config_set("min-replicas-to-write", 1)
    assert [kv.spend("k", 2, 60).allowed for _ in range(3)] == [True, True, False]
    with pytest.raises(Unavailable):
        kv.set("k", b"1")
    behind.config_set("min-replicas-to-write", 0)
    assert eventually(lambda: not kv.away)
    kv.set("k", b"1")
    assert kv.get("k") == b"1"
    behind.close()
    kv.close()


def test_whatever_a_ping_says_it_is_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_kv("embedded://", tmp_path)
    kv, asked = BreakerKeyValue(store), []

    def unready() -> None:
        asked.append(1)
        raise RuntimeError("MASTERDOWN")

    with monkeypatch.context() as patch:
        patch.setattr(store, "get", lambda key: unready_get())
        patch.setattr(store, "ping", unready)
        with pytest.raises(Unavailable):
            kv.get("k")
        assert eventually(lambda: len(asked) > 1)
    assert eventually(lambda: not kv.away)
    kv.close()


def unready_get() -> None:
    raise Unavailable("kv.unavailable", "The key-value store does not answer.")


def test_a_window_counted_here_ends_too() -> None:
    windows = LocalWindows()
    assert windows.spend("k", 1, 0.02).allowed
    refused = windows.spend("k", 1, 0.02)
    assert (refused.allowed, refused.remaining) == (False, 0)
    assert 0 < refused.reset <= 0.02
    assert eventually(lambda: windows.spend("k", 1, 0.02).allowed)
