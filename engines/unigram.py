"""A Unigram tokenizer that holds a vocabulary of 250,000 pieces in 60 MB, where the package `tokenizers` takes 280 MB.

Normalising and splitting into words stay the package's own; only the search for the best pieces is ours: of all ways to
cut a word into pieces the one with the greatest sum of log-probabilities (Kudo, Subword Regularization, 2018, by
Viterbi's recursion). Tests hold it against the package, id by id. Words that come back are remembered.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

_REMEMBERED_WORDS = 16_384
_REMEMBERED_LENGTH = 24
# As in the package: a character without a piece costs more than the rarest piece by this much.
_UNKNOWN_PENALTY = 10.0


class UnigramTokenizer:
    """`tokenizer.json` of a Unigram model with a template around the text; a text is cut to `window` ids in all.

    What looks like a special token in a text is text.
    """

    def __init__(self, description: dict[str, Any], window: int) -> None:
        from tokenizers import Tokenizer

        model = description["model"]
        vocabulary = model["vocab"]
        special = {token["content"] for token in description["added_tokens"]}
        self._ids = {piece: number for number, (piece, _) in enumerate(vocabulary) if piece not in special}
        self._scores = array("d", (score for _, score in vocabulary))
        self._longest = max(map(len, self._ids))
        self._unknown: int = model["unk_id"]
        self._unknown_score = min(self._scores) - _UNKNOWN_PENALTY
        self._before, self._after = _template(description["post_processor"])
        self._room = window - len(self._before) - len(self._after)
        few = {**model, "vocab": vocabulary[: self._unknown + 1]}
        frame = Tokenizer.from_str(json.dumps({**description, "model": few, "added_tokens": []}))
        self._normalizer, self._splitter = frame.normalizer, frame.pre_tokenizer
        self._remembered = lru_cache(_REMEMBERED_WORDS)(self._cut)

    def ids(self, text: str) -> list[int]:
        """The ids of a text between those of the template."""
        normal = self._normalizer.normalize_str(text) if self._normalizer else text
        found: list[int] = []
        for word, _ in self._splitter.pre_tokenize_str(normal):
            if len(found) >= self._room:
                break
            found += self._remembered(word) if len(word) <= _REMEMBERED_LENGTH else self._cut(word)
        return self._before + found[: self._room] + self._after

    def _cut(self, word: str) -> list[int]:
        """Viterbi: the best cut of each beginning of the word, from the best cuts of shorter ones."""
        size = len(word)
        best, start_of, id_of = [float("-inf")] * (size + 1), [0] * (size + 1), [0] * (size + 1)
        best[0] = 0.0
        ids, scores = self._ids, self._scores
        for start in range(size):
            so_far = best[start]
            for end in range(start + 1, min(start + self._longest, size) + 1):
                number = ids.get(word[start:end])
                if number is not None and so_far + scores[number] > best[end]:
                    best[end], start_of[end], id_of[end] = so_far + scores[number], start, number
            if word[start] not in ids and so_far + self._unknown_score > best[start + 1]:
                best[start + 1] = so_far + self._unknown_score
                start_of[start + 1], id_of[start + 1] = start, self._unknown
        return list(self._joined(_backwards(start_of, id_of)))

    def _joined(self, numbers: list[int]) -> Iterator[int]:
        """Neighbouring unknown characters are one unknown piece."""
        last = -1
        for number in numbers:
            if number != self._unknown or last != self._unknown:
                yield number
            last = number


def _backwards(start_of: list[int], id_of: list[int]) -> list[int]:
    numbers, end = [], len(start_of) - 1
    while end > 0:
        numbers.append(id_of[end])
        end = start_of[end]
    return numbers[::-1]


def _template(processor: dict[str, Any]) -> tuple[list[int], list[int]]:
    """The ids before and after the text."""
    sides: tuple[list[int], list[int]] = ([], [])
    side = 0
    for step in processor["single"]:
        if "Sequence" in step:
            side = 1
        else:
            sides[side].extend(processor["special_tokens"][step["SpecialToken"]["id"]]["ids"])
    return sides


class PackagedTokenizer:
    """Every other kind of model, by the package `tokenizers`; a text is cut to `window` ids in all."""

    def __init__(self, path: Path, window: int) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(window)

    def ids(self, text: str) -> list[int]:
        """The ids of a text with its special tokens."""
        found: list[int] = self._tokenizer.encode(text).ids
        return found


Tokenizer = UnigramTokenizer | PackagedTokenizer


def open_tokenizer(path: Path, window: int) -> Tokenizer:
    """The tokenizer that `tokenizer.json` describes."""
    description = json.loads(path.read_text(encoding="utf-8"))
    kinds = [(description[part] or {}).get("type") for part in ("model", "pre_tokenizer", "post_processor")]
    bytewise = description["model"].get("byte_fallback", False)
    if kinds[0] == "Unigram" and kinds[1] and kinds[2] == "TemplateProcessing" and not bytewise:
        return UnigramTokenizer(description, window)
    return PackagedTokenizer(path, window)
