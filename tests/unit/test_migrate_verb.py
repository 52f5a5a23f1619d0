"""`offshelf migrate`: what it says, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kernel.config import Settings
from kernel.errors import SettingError
from web.cli import offshelf
from web.folder import data_folder
from web.migrate import history


def said(folder: Path, *words: str) -> tuple[int, str]:
    ended = CliRunner(env={"OFFSHELF_DATA": str(folder)}).invoke(offshelf, ["migrate", *words])
    if isinstance(ended.exception, SettingError):
        raise ended.exception
    return ended.exit_code, ended.output


def test_a_check_says_what_waits_and_makes_nothing(tmp_path: Path) -> None:
    code, text = said(tmp_path, "--check", "--json")
    assert (code, json.loads(text)) == (1, {"newest": history()[-1], "waiting": history()})
    assert list(tmp_path.iterdir()) == []


def test_each_revision_is_named_once_and_then_nothing_waits(tmp_path: Path) -> None:
    code, text = said(tmp_path)
    assert (code, text.splitlines()[:-1]) == (0, [f"{name} made" for name in history()])
    assert said(tmp_path, "--check")[0] == 0
    assert json.loads(said(tmp_path, "--json")[1]) == {"schema": history()[-1], "made": []}


def test_a_running_server_s_schema_is_not_changed_under_it(tmp_path: Path) -> None:
    with data_folder(Settings(data=tmp_path)), pytest.raises(SettingError, match="in use by process"):
        said(tmp_path)
