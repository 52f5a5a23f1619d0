"""The exported encoder that tests share: made once, kept in `OFFSHELF_TEST_MODELS` or `var/models`."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from engines.encoder import exported, folder_of

ROOT = Path(__file__).resolve().parent.parent
MODEL = "multilingual-e5-small"


def model_folder() -> Path:
    """Where the export of multilingual-e5-small lies or would lie."""
    models = Path(os.environ.get("OFFSHELF_TEST_MODELS") or ROOT / "var" / "models").absolute()
    return folder_of(MODEL, models)


@cache
def exported_model() -> Path:
    """The folder of multilingual-e5-small, exported in a process of its own when it is not there (half a minute)."""
    folder = model_folder()
    if not exported(folder):
        command = [sys.executable, "-m", "engines.encoder_export", str(folder), "--model", MODEL]
        subprocess.run(command, cwd=ROOT, check=True, timeout=280)
    return folder
