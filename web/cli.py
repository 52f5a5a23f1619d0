"""The command line: `offshelf VERB`. Exit 0 done, 1 a check failed, 2 wrong use or a wrong setting.

Imports stay inside the verbs: `serve` has to patch the standard library before anything else is loaded.
"""

from __future__ import annotations

import re
import sys

import click

from kernel.errors import AppError, SettingError
from web import verbs_data, verbs_desk, verbs_trial
from web.verbs import JSON, answer, patched, settings_of


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="offshelf", message="offshelf %(version)s")
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


@offshelf.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on; 0 takes any free one.")
@click.option("--jobs/--no-jobs", default=None, help="Without jobs: `offshelf work` runs them.")
def serve(host: str | None, port: int | None, jobs: bool | None) -> None:
    """Run the server: web, sockets and jobs in one process."""
    settings = settings_of(host=host, port=port, jobs=jobs)
    patched()
    from web.process import run

    run(settings)


@offshelf.command()
def work() -> None:
    """Run jobs only, beside `serve --no-jobs`, on engines that are servers. SIGTERM lets the job at hand end."""
    settings = settings_of()
    patched()
    from web.process import work

    work(settings)


@offshelf.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on.")
@click.option("--reset", is_flag=True, help="Begin anew: the demo's data is deleted first.")
@click.option("--load-only", is_flag=True, help="Load and stop; do not serve.")
def demo(host: str | None, port: int | None, reset: bool, load_only: bool) -> None:
    """Load the demo community unless it is there, then serve it."""
    settings = settings_of(host=host, port=port, demo=True)
    if load_only:
        from web.loading import load_demo

        return load_demo(settings, reset)
    patched()
    from web.loading import load_first
    from web.process import run

    load_first(settings, reset)
    run(settings)


@offshelf.command()
def encoder() -> None:
    """Export the encoder to ONNX int8, once; the server never loads torch."""
    from web.errands import export_encoder

    export_encoder(settings_of())


@offshelf.command()
@JSON
def config(as_json: bool) -> None:
    """Print the settings in force, secrets left out."""
    settings = settings_of()
    shown = {name: value for name, value in settings.model_dump(mode="json").items() if name != "secret"}
    shown = {name: _without_password(value) for name, value in shown.items()}
    answer(shown, as_json, lambda: "\n".join(f"OFFSHELF_{name.upper()}={value}" for name, value in shown.items()))


def _without_password(value: object) -> object:
    if not isinstance(value, str) or "://" not in value:
        return value
    scheme, _, rest = value.partition("://")
    place = f"***@{rest.rpartition('@')[2]}" if "@" in rest else rest
    return f"{scheme}://" + re.sub(r"([?&]\w*(?:pass|secret)\w*=)[^&]*", r"\1***", place)


for verb in (
    verbs_data.migrate, verbs_trial.tour, verbs_data.recount, verbs_data.doctor, verbs_data.backup, verbs_data.restore, verbs_desk.roles,
    verbs_data.rebuild, verbs_trial.evaluation, verbs_desk.jobs,
):  # fmt: skip
    offshelf.add_command(verb)


if __name__ == "__main__":
    main()
