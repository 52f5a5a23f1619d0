"""The command line: `offshelf VERB`. Exit 0 done, 1 a check failed, 2 wrong use or a wrong setting.

Imports stay inside the verbs: `serve` has to patch the standard library before anything else is loaded.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import click

from kernel.config import Settings, read_settings
from kernel.errors import AppError, SettingError

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def offshelf() -> None:
    """Offshelf: shoppable notes, live rooms, orders."""


def main() -> None:
    """The `offshelf` command."""
    try:
        offshelf(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except (SettingError, AppError) as error:
        click.echo(f"offshelf: {error}", err=True)
        sys.exit(2)


def settings_of(**overrides: object) -> Settings:
    """The settings from the environment and from this command's options."""
    return read_settings(os.environ, **overrides)


@offshelf.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on; 0 takes any free one.")
def serve(host: str | None, port: int | None) -> None:
    """Run the server: web, sockets and jobs in one process."""
    _patched()
    from web.process import run

    run(settings_of(host=host, port=port))


@offshelf.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on.")
@click.option("--reset", is_flag=True, help="Begin anew: the demo's data is deleted first.")
@click.option("--load-only", is_flag=True, help="Load and stop; do not serve.")
def demo(host: str | None, port: int | None, reset: bool, load_only: bool) -> None:
    """Load the demo community unless it is there, then serve it."""
    settings = settings_of(host=host, port=port, demo=True)
    from web.process import ready_demo

    ready_demo(settings, reset)
    if load_only:
        return
    _patched()
    from web.process import run

    run(settings)


@offshelf.command()
def encoder() -> None:
    """Export the encoder to ONNX int8, once; the server never loads torch."""
    from web.process import export_encoder

    export_encoder(settings_of())


@offshelf.command()
def migrate() -> None:
    """Bring the database to this version's schema."""
    from web.migrate import upgrade

    settings = settings_of()
    settings.data.mkdir(parents=True, exist_ok=True)
    click.echo(f"The schema is at {upgrade(settings.sql_url)}.")


@offshelf.command()
@_JSON
def config(as_json: bool) -> None:
    """Print the settings in force, secrets left out."""
    settings = settings_of()
    shown = {name: value for name, value in settings.model_dump(mode="json").items() if name != "secret"}
    shown = {name: _without_password(value) for name, value in shown.items()}
    _print(shown, as_json, lambda: "\n".join(f"OFFSHELF_{name.upper()}={value}" for name, value in shown.items()))


def _without_password(value: object) -> object:
    if not isinstance(value, str) or "@" not in value or "://" not in value:
        return value
    scheme, _, rest = value.partition("://")
    return f"{scheme}://***@{rest.rpartition('@')[2]}"


def _print(value: Any, as_json: bool, text: Callable[[], str]) -> None:
    click.echo(json.dumps(value, ensure_ascii=False) if as_json else text())


def _patched() -> None:
    from gevent import monkey

    monkey.patch_all()


if __name__ == "__main__":
    main()
