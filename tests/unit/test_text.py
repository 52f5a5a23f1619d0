"""Text as people send it."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import StringConstraints, TypeAdapter, ValidationError

from kernel.text import Line, OptionalLine, Prose

SHORT = Annotated[Line, StringConstraints(max_length=50)]
GROWS = "\ufb2c"  # one character that NFC makes three of


@pytest.mark.parametrize(("kind", "most"), [(Line, 200), (OptionalLine, 200), (Prose, 20_000), (SHORT, 50)])
def test_a_bound_holds_before_and_after_normalisation(kind: Any, most: int) -> None:
    adapter = TypeAdapter(kind)
    assert adapter.validate_python("a" * most) == "a" * most
    for text in ("a" * (most + 1), GROWS * most, " " * (most + 1)):
        with pytest.raises(ValidationError):
            adapter.validate_python(text)


@given(st.text(max_size=80))
def test_what_is_taken_is_clean_and_stays_as_it_is(text: str) -> None:
    adapter = TypeAdapter(Line)
    try:
        line = adapter.validate_python(text)
    except ValidationError:
        return
    assert line == adapter.validate_python(line) == line.strip()
    assert line.encode().decode() == line
    assert not {"\n", "\x00", "\u202e", "\u2066"} & set(line)


def test_line_ends_are_one_and_the_rest_of_the_controls_are_refused() -> None:
    adapter = TypeAdapter(Prose)
    assert adapter.validate_python(" a\r\nb\tc ") == "a\nb\tc"
    for text in ("a\rb", "a\x0bb", "a\u2028b", "a\u202eb", "\ud800"):
        with pytest.raises(ValidationError):
            adapter.validate_python(text)
