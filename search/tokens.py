"""Tokens for BM25, made here so that every engine indexes and asks the same words.

English words become Snowball stems. Scripts written without spaces (Chinese, Japanese, Thai, ...) and Korean become
single characters and pairs of neighbours: no dictionary to keep, and better than one on the sets measured
(`docs/adr/0004-search-index.md`). Traditional characters fold to Simplified ones. Everything is deterministic.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from operator import add

from snowballstemmer import stemmer

LONGEST = 64
"""Characters of a token; what is longer is cut, the same way in a query and in a document."""

_UNSPACED = (
    "\u3005-\u3007\u3040-\u3096\u3099-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U000323af\uac00-\ud7af\u0e01-\u0e4e\u0e81-\u0ecd\u1000-\u104f\u1780-\u17dd"
)
_LETTER = rf"[^\W_{_UNSPACED}]"
_PIECE = re.compile(
    rf"(?P<number>\d+(?:[.,/]\d+)+(?!\d))|(?P<word>{_LETTER}+(?:['-]{_LETTER}+)*)|(?P<run>[{_UNSPACED}]+)"
)
_UNSPACED_START = re.compile(f"[{_UNSPACED}]")
_HAN = re.compile("[\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_MARKS = re.compile("[\u0300-\u036f]")
_ACCENTED = re.compile("[\u00c0-\u058f\u1e00-\u1fff]")
_DROPPED = re.compile("[0-9#*]\ufe0f?\u20e3|[\u2120\u2122\u00ad\u200b-\u200f\u2060\ufeff]")
_SAME = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "‐": "-", "‑": "-", "⁄": "/"})
_INCHES = re.compile(r"(?<=\d)\s?(?:\"|”|″|'')")
_MIXED = re.compile(r"([a-z]+)(\d+)|(\d+)([a-z]+)")
_POSSESSIVE = re.compile(r"'s?$")
_UNITS = {
    "oz": "ounc", "lbs": "pound", "lb": "pound", "ft": "foot", "feet": "foot", "gal": "gallon", "qt": "quart",
    "pcs": "piec", "pc": "piec", "pk": "pack", "ct": "count", "tsp": "teaspoon", "tbsp": "tablespoon",
    "litr": "liter", "metr": "meter", "kilogram": "kg", "millilit": "ml", "gigabyt": "gb", "terabyt": "tb",
}  # fmt: skip
_ENGLISH = stemmer("english")


def document_tokens(*texts: str) -> list[str]:
    """Every token of the texts in order, with repetitions (BM25 counts them)."""
    return [token for text in texts if text for token in _tokens(text)]


def query_tokens(text: str) -> list[str]:
    """The tokens of what somebody typed, each once, in order of first appearance."""
    return list(dict.fromkeys(_tokens(text)))


def script(tokens: Sequence[str]) -> str:
    """`unspaced` (Chinese, Japanese, ...) or `spaced`: what most of the tokens' letters are; "" without letters.

    A character of an unspaced script is weighed as three letters, about what it stands for in a translation.
    """
    letters = [*map(_letters, tokens)]
    return "" if not any(letters) else "unspaced" if sum(letters) > 0 else "spaced"


@lru_cache(maxsize=100_000)
def _letters(token: str) -> int:
    """How many letters a token counts for, below 0 those of a spaced script."""
    if not token.isascii() and _UNSPACED_START.match(token):
        return 3 if len(token) == 1 else 0  # its pairs were counted as characters
    return 0 if token[0].isdigit() else -len(token)


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    for number, word, run in _PIECE.findall(_normal(text)):
        if word:
            found += _word(word)
        elif run:
            found += run
            found += map(add, run, run[1:])
        else:
            found.append(number.replace(",", "")[:LONGEST])
    return found


def _normal(text: str) -> str:
    """NFKC, lower case, no accents on letters, Simplified characters, one kind of apostrophe and hyphen."""
    if text.isascii():
        return _INCHES.sub(" inch ", text.lower())
    text = unicodedata.normalize("NFKC", _DROPPED.sub("", text)).lower().translate(_SAME)
    if _ACCENTED.search(text):
        text = unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFD", text)))
    if _HAN.search(text):
        text = text.translate(_simplified())
    return _INCHES.sub(" inch ", text)


@lru_cache(maxsize=1)
def _simplified() -> dict[int, str]:
    """Traditional -> Simplified, character by character, from OpenCC's table (Apache-2.0)."""
    from opencc import OpenCC  # its dictionary takes .1 s to load: only when the first Chinese text comes

    characters = [chr(code) for code in (*range(0x3400, 0x4DC0), *range(0x4E00, 0xA000))]
    folded = OpenCC("t2s").convert("\n".join(characters)).split("\n")
    return {ord(old): new for old, new in zip(characters, folded, strict=True) if old != new}


@lru_cache(maxsize=200_000)
def _word(word: str) -> tuple[str, ...]:
    """`women's` -> women; `t-shirt` -> t, shirt, tshirt; `8gb` -> 8gb, 8, gb."""
    word = _POSSESSIVE.sub("", word)
    parts = [part for part in word.replace("'", "").split("-") if part]
    found = [token for part in parts for token in _stems(part)]
    if len(parts) > 1:
        found.append(_stem("".join(parts)))
    return tuple(found)


def _stems(word: str) -> list[str]:
    """A word's stem; of a number grown together with a word also both halves."""
    mixed = _MIXED.fullmatch(word)
    halves = [part for part in mixed.groups() if part] if mixed else []
    return [_stem(word), *map(_stem, halves)]


def _stem(word: str) -> str:
    stem: str = _ENGLISH.stemWord(word[:LONGEST])
    return _UNITS.get(stem, stem)
