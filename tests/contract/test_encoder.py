"""What every Encoder promises, held against each one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from engines.encoder import HashEncoder, OnnxEncoder
from kernel.ports import Encoder
from tests.conftest import on
from tests.models import exported_model

TEXTS = ["A red dress for summer", "梨形身材怎么穿搭", "", "x" * 20_000, "one\ttwo\n三 😀", "half a pair \ud83d"]


@pytest.fixture(scope="module", params=[on("hash-encoder"), on("onnx-encoder")])
def encoder(request: pytest.FixtureRequest) -> Iterator[Encoder]:
    opened: Encoder = HashEncoder() if request.param == "hash-encoder" else OnnxEncoder(exported_model())
    yield opened
    opened.close()


def test_vectors_are_float32_of_unit_length(encoder: Encoder) -> None:
    for vectors in (encoder.queries(TEXTS), encoder.documents(TEXTS)):
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(TEXTS), encoder.dimensions)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_nothing_in_nothing_out(encoder: Encoder) -> None:
    assert encoder.queries([]).shape == encoder.documents([]).shape == (0, encoder.dimensions)


def test_vector_depends_on_its_text_alone(encoder: Encoder) -> None:
    together = encoder.documents(TEXTS)
    alone = np.concatenate([encoder.documents([text]) for text in reversed(TEXTS)])[::-1]
    np.testing.assert_array_equal(together, alone)


def test_caller_cannot_change_what_is_remembered(encoder: Encoder) -> None:
    first = encoder.queries(["umbrella"])
    kept = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(encoder.queries(["umbrella"]), kept)


def test_texts_that_share_words_lie_closer(encoder: Encoder) -> None:
    query = encoder.queries(["waterproof hiking boots"])[0]
    near, far = encoder.documents(["These hiking boots are really waterproof", "Banana bread with walnuts"])
    assert query @ near > query @ far


def test_threads_may_encode_at_once(encoder: Encoder) -> None:
    texts = [f"note number {number}" for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda text: encoder.documents([text])[0], texts))
    np.testing.assert_array_equal(np.stack(parts), encoder.documents(texts))


def test_encoder_has_a_name(encoder: Encoder) -> None:
    assert encoder.name in {"hash", "multilingual-e5-small"}
