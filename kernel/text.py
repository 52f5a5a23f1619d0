"""Text as people send it, bounded and cleaned: pydantic types for one line and for prose."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError

# Bidirectional overrides and isolates can make a text read differently from what is stored (CVE-2021-42574).
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _checked(text: str, allowed: str) -> str:
    for character in text:
        if character in allowed:
            continue
        if unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn") or character in "\u2028\u2029\ufeff":
            raise PydanticCustomError(
                "text.control_character", "contains the control character U+{code}", {"code": f"{ord(character):04X}"}
            )
        if character in _BIDI:
            raise PydanticCustomError(
                "text.bidi_character", "contains the bidirectional control U+{code}", {"code": f"{ord(character):04X}"}
            )
    return unicodedata.normalize("NFC", text).strip()


def check_line(text: str) -> str:
    """One line of text, NFC, trimmed; control and bidi characters are refused."""
    return _checked(text, "")


def check_prose(text: str) -> str:
    """Text with line breaks and tabs, NFC, trimmed; other control and bidi characters are refused."""
    return _checked(text.replace("\r\n", "\n"), "\n\t")


def not_empty(text: str) -> str:
    if not text:
        raise PydanticCustomError("text.empty", "is empty")
    return text


# Bounded before, so that nothing long is worked on, and after: NFC makes three characters of some.
_LINE, _PROSE = StringConstraints(max_length=200), StringConstraints(max_length=20_000)
_STRICT = StringConstraints(strict=True)
Line = Annotated[str, _STRICT, _LINE, AfterValidator(check_line), AfterValidator(not_empty), _LINE]
OptionalLine = Annotated[str, _STRICT, _LINE, AfterValidator(check_line), _LINE]
Prose = Annotated[str, _STRICT, _PROSE, AfterValidator(check_prose), _PROSE]
Id = Annotated[str, StringConstraints(strict=True, max_length=48, pattern=r"^[a-z]{2,12}_[0-9a-z]{26}$")]
