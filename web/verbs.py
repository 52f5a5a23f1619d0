"""What the verbs of the command line share: how they read settings, take words and answer."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import click

from kernel.config import Settings, read_settings

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def settings_of(**overrides: object) -> Settings:
    """The settings from the environment and from this command's options."""
    return read_settings(os.environ, **overrides)


def letters(context: click.Context, option: click.Parameter, given: Any) -> Any:
    """What is looked up by its letters; bytes that are none would end in a trace of the database's."""
    if not "".join(given).isprintable():
        raise click.BadParameter("this is no text.")
    return given


def answer(value: Any, as_json: bool, text: Callable[[], str]) -> None:
    """Print an answer: one JSON document, or what `text` makes of it."""
    click.echo(json.dumps(value, ensure_ascii=False) if as_json else text())


def patched() -> None:
    """Before anything else is loaded that waits."""
    from gevent import monkey

    monkey.patch_all()
