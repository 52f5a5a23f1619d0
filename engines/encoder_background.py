"""What a model says of any text in a language, whatever it is about: measured once, and taken out of every vector.

Encoders trained with a low temperature put all texts into a narrow cone (e5: unrelated ones at a cosine of .75), and texts of
one language nearer to each other than to their own translations (Yang et al., A Simple and Effective Method To Eliminate the
Self Language Bias in Multilingual Representations, 2021). Both are in the mean of a language, taken here over the same
sentences in each of nine. A vector loses the mean that it lies nearest to and becomes of unit length again: unrelated texts
then lie at 0, translations side by side, and a floor can say from where a likeness means something.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from kernel.ports import Vectors

FILE = "background.npz"
TEXTS = Path(__file__).with_name("encoder_background.txt")
"""The same sentences in the same order in several languages, an empty line between two of them."""
_CHANCE = 3.7
"""Standard deviations that the best of 10,000 texts about something else reaches."""

Encode = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True)
class Background:
    """The mean of each language, of queries and of documents apart (they are encoded with prompts of their own), and the
    cosine that texts with nothing in common hardly ever reach without it."""

    query_means: Vectors
    document_means: Vectors
    floor: float
    fingerprint: str
    """Of the texts, not of the figures, whose last bits differ between machines."""

    @classmethod
    def read(cls, folder: Path) -> Background | None:
        """What `write` left in the folder for the present texts, else None."""
        try:
            with np.load(folder / FILE) as found:
                kept = cls(found["query_means"], found["document_means"], float(found["floor"]), str(found["texts"]))
        except (OSError, ValueError, KeyError):
            return None
        return kept if kept.fingerprint == _version() else None

    def write(self, folder: Path) -> None:
        """Whole or not at all."""
        content = io.BytesIO()
        np.savez(
            content, texts=self.fingerprint, floor=self.floor,
            query_means=self.query_means, document_means=self.document_means,
        )  # fmt: skip
        part = folder / f".{FILE}.{os.getpid()}"
        part.write_bytes(content.getvalue())
        part.replace(folder / FILE)

    def off_queries(self, rows: Vectors) -> Vectors:
        """Queries without the background, of unit length."""
        return _off(rows, self.query_means)

    def off_documents(self, rows: Vectors) -> Vectors:
        """Documents without the background, of unit length."""
        return _off(rows, self.document_means)


def measure(queries: Encode, documents: Encode) -> Background:
    """Ask a model about the texts; `queries` and `documents` give its vectors as they are."""
    languages = _languages()
    flat = [text for texts in languages for text in texts]
    asked, written = queries(flat), documents(flat)
    shape = (len(languages), len(languages[0]), -1)
    means = [rows.reshape(shape).mean(axis=1).astype(np.float32) for rows in (asked, written)]
    likeness = _off(asked, means[0]) @ _off(written, means[1]).T
    topic = np.arange(len(flat)) % len(languages[0])
    unrelated = likeness[topic[:, None] != topic]
    return Background(means[0], means[1], float(unrelated.mean() + _CHANCE * unrelated.std()), _version())


def _off(rows: Vectors, means: Vectors) -> Vectors:
    """Each row less the mean nearest to it (|x - m|^2 = |x|^2 - 2xm + |m|^2), of unit length."""
    nearest = (2 * rows @ means.T - (means * means).sum(axis=1)).argmax(axis=1)
    rest = rows - means[nearest]
    unit: Vectors = (rest / np.maximum(np.linalg.norm(rest, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    return unit


@cache
def _languages() -> list[list[str]]:
    return [block.splitlines() for block in TEXTS.read_text(encoding="utf-8").strip().split("\n\n")]


@cache
def _version() -> str:
    """SHA-256 over what decides the means and the floor."""
    return hashlib.sha256(f"1 {_CHANCE} {_languages()}".encode()).hexdigest()
