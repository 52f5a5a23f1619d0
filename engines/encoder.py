"""Encoders at run time: an exported sentence-transformers model on ONNX Runtime, and a hash encoder for tests.

Never imports torch, transformers or sentence_transformers: these take seconds and most of a gigabyte, and are needed
only to make the folder that is opened here (`engines/encoder_export.py`; why: docs/adr/0003-encoder.md).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from engines.encoder_background import Background
from engines.encoder_watch import PATIENCE, Watch
from engines.offloop import native_lock
from engines.unigram import Tokenizer, open_tokenizer
from kernel.errors import Unavailable
from kernel.ports import Encoder, Vectors

MANIFEST = "manifest.json"
GRAPH = "model.onnx"
WEIGHTS = "weights.bin"
TOKENIZER = "tokenizer.json"
FORMAT = 1

_REMEMBERED_QUERIES = 1024
# No piece of a usual vocabulary is longer than 16 characters, so this cuts nothing that would be read.
_CHARACTERS_PER_TOKEN = 32
_WORDS = re.compile(r"[a-z0-9']+|[^\W\d_a-z]", re.IGNORECASE)


class Manifest(BaseModel):
    """What an exported folder holds. Written last: a folder without one is not finished."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    model: str
    source: str
    fingerprint: str
    dimensions: int
    window: int
    query_prompt: str
    document_prompt: str
    pooling: str
    versions: dict[str, str]
    checks: dict[str, float]

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """The manifest of a finished folder of the present format, else None."""
        try:
            found = cls.model_validate_json((folder / MANIFEST).read_bytes())
        except (OSError, ValidationError):
            return None
        return found if found.format == FORMAT else None


class OnnxEncoder:
    """An exported model, read at its first text (half a second, 180 MB) and only if its files are those that its manifest was
    written for. While they are not, or while it fails or hangs, it is Unavailable (`encoder.unavailable`). May be called from several native threads at once; a call lets the GIL go while it computes.

    Each text is a run of its own. Padded batches are no faster on a CPU at the length of a note (44 texts/s one by one,
    36 in batches of 16, same core), and int8 takes its activation scale over the batch, so that a text's vector would
    depend on its neighbours. Alone, it depends on the text only: to encode again changes nothing.

    `tokens` bounds what is read of a text (at most the model's own window): a note says what it is about in its
    first 256 tokens, about 1,000 characters, and the time grows faster than the length. `threads` is per call.
    """

    def __init__(
        self,
        folder: Path,
        threads: int = 1,
        tokens: int = 256,
        manifest: Manifest | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """Open `folder`; raises Unavailable (`encoder.not_exported`) when no finished export lies there.

        `manifest` is for the export itself, which looks into a folder before it is finished: vectors come as the model
        says them, with the background in. `patience` is how many seconds a text may take.
        """
        background = None if manifest else Background.read(folder)
        unfinished = manifest is None and background is None
        manifest = manifest or Manifest.read(folder)
        if manifest is None or unfinished:
            raise Unavailable("encoder.not_exported", f"No exported encoder in {folder}.")
        self.manifest = manifest
        self.name = manifest.model
        self.fingerprint = manifest.fingerprint + (background.fingerprint if background else "")
        self.dimensions = manifest.dimensions
        self.floor = background.floor if background else 0.0
        self._background = background
        self._folder, self._threads = folder, threads
        self._window = min(tokens, manifest.window)
        self._turn, self._closed = native_lock(), False
        self._opened: tuple[Tokenizer, Any] | None = None
        self._watch = Watch(patience)
        self._query = lru_cache(_REMEMBERED_QUERIES)(self._encode_query)

    def queries(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (n, dimensions); the last thousand distinct queries are remembered."""
        return self._stack([self._query(text) for text in texts])

    def documents(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (n, dimensions)."""
        rows = self._stack([self._encode(self.manifest.document_prompt, text) for text in texts])
        return self._background.off_documents(rows) if self._background else rows

    def close(self) -> None:
        """Give the memory back; a later call raises Unavailable."""
        self._opened, self._closed = None, True
        self._query.cache_clear()

    def _stack(self, rows: Sequence[Vectors]) -> Vectors:
        return np.stack(rows) if rows else np.empty((0, self.dimensions), np.float32)

    def _encode_query(self, text: str) -> Vectors:
        rows = self._stack([self._encode(self.manifest.query_prompt, text)])
        row: Vectors = (self._background.off_queries(rows) if self._background else rows)[0]
        return row

    def _encode(self, prompt: str, text: str) -> Vectors:
        if self._background is None:  # the export's own, which would rather wait
            return self._row(prompt, text)
        return self._watch.run(lambda: self._row(prompt, text))

    def _row(self, prompt: str, text: str) -> Vectors:
        tokenizer, session = self._parts()
        try:
            row: Vectors = session.run(None, {"input_ids": self._ids(tokenizer, prompt, text)})[0][0]
        except Exception:
            self._opened = None  # whatever broke it, the next text opens it anew
            raise
        return row / np.linalg.norm(row)

    def _parts(self) -> tuple[Tokenizer, Any]:
        with self._turn:
            if self._closed:
                raise Unavailable("encoder.closed", "The encoder has been closed.")
            if self._opened is None:
                if self._background and fingerprint_of(self._folder) != self.manifest.fingerprint:
                    raise OSError("the exported files are not those of their manifest; run: offshelf encoder")
                tokenizer = open_tokenizer(self._folder / TOKENIZER, self._window)
                self._opened = tokenizer, _open_session(self._folder / GRAPH, self._threads)
            return self._opened

    def _ids(self, tokenizer: Tokenizer, prompt: str, text: str) -> np.ndarray[Any, Any]:
        start = text[: self._window * _CHARACTERS_PER_TOKEN]
        # A lone surrogate is no character; the tokenizer would raise.
        readable = (prompt + start).encode("utf-8", "replace").decode()
        return np.array([tokenizer.ids(readable)], np.int64)


def _open_session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # The arena never gives memory back and costs more than it saves here; spinning would take the web's core.
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    # The fused kernel is scalar: unfused, a note takes 18 % less time (onnxruntime 1.31, AVX-512).
    slow = ["SkipLayerNormFusion"]
    return onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=slow
    )


class HashEncoder:
    """A deterministic encoder for tests: texts that share words, or parts of words, lie closer. Knows no meaning.

    Each word and each of its character trigrams adds its weight, with a sign, to the coordinate its CRC-32 names
    (Weinberger et al., Feature Hashing for Large Scale Multitask Learning, 2009).
    """

    name = fingerprint = "hash"
    floor = 0.5
    """Four standard deviations of the cosine of two texts without a common feature, at 64 dimensions."""

    def __init__(self, dimensions: int = 64) -> None:
        self.dimensions = dimensions

    def queries(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (n, dimensions)."""
        return self.documents(texts)

    def documents(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (n, dimensions)."""
        rows = [self._encode(text) for text in texts]
        return np.stack(rows) if rows else np.empty((0, self.dimensions), np.float32)

    def close(self) -> None:
        """Nothing is held."""

    def _encode(self, text: str) -> Vectors:
        row = np.zeros(self.dimensions, np.float32)
        for feature, weight in _features(text).items():
            code = crc32(feature.encode("utf-8", "replace"))
            row[(code >> 1) % self.dimensions] += weight if code & 1 else -weight
        length = float(np.linalg.norm(row))
        if length == 0:
            row[0] = length = 1
        return row / np.float32(length)


def _features(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for word in _WORDS.findall(text.casefold()):
        found[word] += 4
        marked = f"<{word}>"
        found.update(marked[at : at + 3] for at in range(len(marked) - 2))
    return found


def folder_of(spec: str, models_folder: Path) -> Path:
    """Where the export of a model, by name or path, lies under `models_folder`."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "--", spec).strip("-.")
    return models_folder / (name or f"model-{crc32(spec.encode()):08x}")


def exported(folder: Path) -> bool:
    """Whether a finished export lies there, its background measured."""
    return Manifest.read(folder) is not None and Background.read(folder) is not None


def whole(folder: Path) -> bool:
    """Whether it is `exported` and undamaged; reads all of it (a quarter of a second)."""
    manifest = Manifest.read(folder)
    return manifest is not None and exported(folder) and fingerprint_of(folder) == manifest.fingerprint


def fingerprint_of(folder: Path) -> str:
    """SHA-256 over what decides the vectors: another fingerprint means that stored vectors are of another kind."""
    digest = hashlib.sha256()
    for path in (folder / TOKENIZER, folder / GRAPH, folder / WEIGHTS):
        if path.exists():
            with path.open("rb") as file:
                while piece := file.read(2**20):
                    digest.update(piece)
    return digest.hexdigest()


def open_encoder(
    spec: str, models_folder: Path, threads: int = 1, tokens: int = 256, patience: float = PATIENCE
) -> Encoder:
    """`hash`, or the export of a sentence-transformers model by name or path.

    Raises Unavailable (`encoder.not_exported`) with the command that makes it.
    """
    if spec == HashEncoder.name:
        return HashEncoder()
    folder = folder_of(spec, models_folder)
    if not exported(folder):
        where = f"There is no export of the encoder {spec} (OFFSHELF_ENCODER) in {models_folder}"
        raise Unavailable("encoder.not_exported", f"{where}. Run: offshelf encoder")
    return OnnxEncoder(folder, threads, tokens, patience=patience)
