"""Cursors: what went in comes out, and nothing else is believed."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.cursors import decode, encode, place
from kernel.errors import Malformed

PLAIN = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)


@given(PLAIN, st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_position_survives_the_journey(text: str, number: int, fraction: float) -> None:
    assert decode(encode(text, number, fraction), str, int, float) == (text, number, fraction)


@given(st.text(max_size=80))
def test_anything_else_is_refused_with_one_code(cursor: str) -> None:
    try:
        found = decode(cursor, int)
    except Malformed as error:
        found = (error.code,)
    assert found is not None
    assert type(found[0]) is int or found == ("cursor.malformed",)


@pytest.mark.parametrize("text", ["\x00", "\ud800", "a\nb", "\u202e", "\xe9"])
def test_text_that_a_database_might_choke_on_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        decode(base64.urlsafe_b64encode(json.dumps([text]).encode()).decode(), str)


@pytest.mark.parametrize("start", [-1, 10**7, 2**61])
def test_a_place_no_list_has_is_refused(start: int) -> None:
    assert (place(None), place(encode(40))) == (0, 40)
    with pytest.raises(Malformed):
        place(encode(start))


@pytest.mark.parametrize("value", [[True], [1.5], ["1"], [1, 2], {"a": 1}, [None], [2**70], []])
def test_a_wrong_shape_is_refused(value: object) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    with pytest.raises(Malformed):
        decode(cursor, int)


def test_no_cursor_is_the_beginning() -> None:
    assert decode(None, int) is None
