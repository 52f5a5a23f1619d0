"""Words of the command line that cannot be what they should: one sentence, exit 2, no trace."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from web.cli import offshelf


@pytest.mark.parametrize(
    "words",
    [
        ("jobs", "drop", "x\udcff"),
        ("jobs", "retry", "job_1", "x\udcff"),
        ("roles", "grant", "x\udcff", "merchant"),
        ("roles", "revoke", "x\udcff", "merchant"),
        ("tour", "--url", "ftp://x"),
        ("tour", "--url", "x"),
        ("tour", "--url", "http://"),
        ("tour", "--url", "http://["),
        ("tour", "--url", "http://127.0.0.1:99999"),
        ("tour", "--url", "http://127.0.0.1:0"),
        ("tour", "--url", "http://x\udcff"),
        ("tour", "--url", "file:///etc/passwd"),
    ],
)
def test_what_is_no_word_for_a_verb_is_refused_in_a_sentence(tmp_path: Path, words: tuple[str, ...]) -> None:
    ended = CliRunner().invoke(offshelf, words, env={"OFFSHELF_DATA": str(tmp_path)})
    assert ended.exit_code == 2, ended.exception
    assert "Error: Invalid value for" in ended.output
    assert list(tmp_path.iterdir()) == []
