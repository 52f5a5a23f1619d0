"""What a store of files promises (`kernel.ports.Blobs`)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from engines.blobs import FileBlobs
from kernel.clock import FrozenClock
from kernel.ports import Blobs

pytestmark = pytest.mark.engine("file-blobs")
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.webp"


@pytest.fixture
def blobs(tmp_path: Path, clock: FrozenClock) -> Blobs:
    return FileBlobs(tmp_path / "blobs", clock)


def content(blobs: Blobs, name: str) -> bytes | None:
    path = blobs.path(name)
    return None if path is None else path.read_bytes()


def test_files_are_named_by_their_content_and_kept_once(blobs: Blobs, tmp_path: Path, clock: FrozenClock) -> None:
    assert blobs.put(b"abc", "webp") == blobs.put(b"abc", "webp") == ABC
    assert content(blobs, ABC) == content(FileBlobs(tmp_path / "blobs", clock), ABC) == b"abc"
    assert len([path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]) == 1


def test_no_name_leads_out_of_the_store(blobs: Blobs, tmp_path: Path, clock: FrozenClock) -> None:
    blobs.put(b"abc", "webp")
    (tmp_path / "secret").write_text("x")
    for bad in ("../secret", "/etc/passwd", ABC.upper(), f"{ABC}\n", "", "\x00"):
        assert blobs.path(bad) is None
        assert not blobs.remove(bad, put_before=clock.now() + timedelta(days=1))
    assert content(blobs, ABC) == b"abc"


def test_all_that_lies_there_is_told_with_when_it_was_put(blobs: Blobs, tmp_path: Path, clock: FrozenClock) -> None:
    assert blobs.stored() == {}
    blobs.put(b"abc", "webp")
    put = clock.now()
    (tmp_path / "blobs" / "ba" / "stray").write_text("x")
    found = blobs.stored()
    assert found.keys() == {ABC, "ba/stray"}
    assert abs((found[ABC] - put).total_seconds()) < 0.001


def test_a_file_is_removed_unless_it_was_put_again_since(blobs: Blobs, clock: FrozenClock) -> None:
    blobs.put(b"abc", "webp")
    clock.advance(hours=1)
    looked = clock.now()
    clock.advance(hours=1)
    blobs.put(b"abc", "webp")
    assert not blobs.remove(ABC, put_before=looked)
    assert content(blobs, ABC) == b"abc"
    assert blobs.remove(ABC, put_before=clock.now() + timedelta(seconds=1))
    assert blobs.path(ABC) is None
    assert not blobs.remove(ABC, put_before=clock.now() + timedelta(seconds=1))
