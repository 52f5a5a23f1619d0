"""The verbs over what the data folder and the database hold: schema, figures, backups, the search index, its health."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from web.verbs import JSON, answer, patched, settings_of

_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when revisions wait.")
@JSON
def migrate(check: bool, as_json: bool) -> None:
    """Bring the database to this version's schema, all of it or nothing. No server may run on an embedded one."""
    from web.errands import migrate_schema
    from web.migrate import history, waiting

    settings = settings_of()
    left = waiting(settings.sql_url)
    if check:
        answer(
            {"newest": history()[-1], "waiting": left},
            as_json,
            lambda: f"Waiting: {', '.join(left)}." if left else f"The schema is at {history()[-1]}; nothing waits.",
        )
        sys.exit(1 if left else 0)
    made: list[str] = []

    def told(name: str) -> None:
        made.append(name)
        if not as_json:
            click.echo(f"{name} made")

    at = migrate_schema(settings, told)
    answer({"schema": at, "made": made}, as_json, lambda: f"The schema is at {at}.")


@click.command()
@click.option("--from", "first", type=_DAY, help="First business day; by default 30 days ago.")
@click.option("--to", "last", type=_DAY, help="Last business day; by default today.")
@JSON
def recount(first: datetime | None, last: datetime | None, as_json: bool) -> None:
    """Count the raw events again; exit 1 when a stored figure differs. While the server runs: POST /metrics/recount."""
    from web.errands import recount_period

    found = recount_period(settings_of(), first and first.date(), last and last.date())
    answer(found, as_json, lambda: _recounted(found))
    sys.exit(1 if found["differences"] else 0)


def _recounted(found: dict[str, Any]) -> str:
    lines = [
        "{day} {metric} {channel} {population}: stored {stored}, counted {counted}".format(**one)
        for one in found["differences"]
    ]
    return "\n".join([*lines, f"{len(lines)} differences in {found['events']:,} events of {found['days']} days."])


@click.command()
@JSON
def doctor(as_json: bool) -> None:
    """Look at machine, engines and data; exit 1 at a problem, 2 at a setting that cannot be used. Changes nothing."""
    import logging

    from web.doctor import document, examine, exit_code, line

    logging.disable()  # the findings say it; a library's own words may hold an address
    found = examine(settings_of())
    answer(document(found), as_json, lambda: "\n".join(map(line, found)))
    sys.exit(exit_code(found))


@click.command()
@click.argument("target", type=click.Path(path_type=Path), metavar="FILE|FOLDER")
@JSON
def backup(target: Path, as_json: bool) -> None:
    """Write everything that cannot be made anew into one file, beside a running server (embedded engines)."""
    from web.backup import back_up
    from web.progress import Progress

    with Progress(quiet=2) as progress:
        found = back_up(settings_of(), target, progress.step)
    answer(found, as_json, lambda: _backed_up(found))


def _backed_up(found: dict[str, Any]) -> str:
    said = f"{found['file']}: {found['files']:,} files, {found['bytes']:,} bytes, schema {found['schema']}, in {found['seconds']} s."
    return said if found["secret"] else f"{said}\nIt holds no secret: keep the OFFSHELF_SECRET that is set here."


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Put aside what is in OFFSHELF_DATA, inside that folder.")
@JSON
def restore(file: Path, replace: bool, as_json: bool) -> None:
    """Make OFFSHELF_DATA what a backup says, or change nothing when the backup is not whole."""
    from web.progress import Progress
    from web.restore import restore

    with Progress(quiet=2) as progress:
        found = restore(settings_of(), file, replace, progress.step)
    answer(found, as_json, lambda: _restored(found))


def _restored(found: dict[str, Any]) -> str:
    lines = [
        f"{found['folder']} is as it was at {found['made_at']}: {found['files']:,} files, in {found['seconds']} s."
    ]
    if found["replaced"]:
        lines.append(f"What was there is in {found['replaced']}.")
    if found["migrate"]:
        lines.append("Its schema is older than this version's: run `offshelf migrate`.")
    if not found["secret"]:
        lines.append("The backup holds no secret: set OFFSHELF_SECRET to the one it was made with.")
    lines.append("The encoder is in no backup: run `offshelf encoder` where it has not been exported.")
    return "\n".join(lines)


@click.command()
@JSON
def rebuild(as_json: bool) -> None:
    """Fill the search index anew from the database and swap it in; a running server is asked to do it and goes on answering."""
    patched()
    from web.progress import Progress
    from web.rebuilding import rebuild

    with Progress() as progress:
        found = rebuild(settings_of(), progress.count)
    of = "by the running server" if found["by"] == "server" else f"with {found['documents']:,} documents"
    answer(found, as_json, lambda: f"The search index is rebuilt {of}, in {found['seconds']} s.")
