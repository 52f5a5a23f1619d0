"""The command line: `offshelf VERB`. Exit 0 done, 1 a check failed, 2 wrong use or a wrong setting.

Imports stay inside the verbs: `serve` has to patch the standard library before anything else is loaded.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from kernel.config import Settings, read_settings
from kernel.errors import AppError, SettingError

_DAY = click.DateTime(formats=["%Y-%m-%d"])
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
@click.option("--jobs/--no-jobs", default=None, help="Without jobs: `offshelf work` runs them.")
def serve(host: str | None, port: int | None, jobs: bool | None) -> None:
    """Run the server: web, sockets and jobs in one process."""
    settings = settings_of(host=host, port=port, jobs=jobs)
    _patched()
    from web.process import run

    run(settings)


@offshelf.command()
def work() -> None:
    """Run jobs only, beside `serve --no-jobs`, on engines that are servers. SIGTERM lets the job at hand end."""
    settings = settings_of()
    _patched()
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
    _patched()
    from web.loading import load_first
    from web.process import run

    load_first(settings, reset)
    run(settings)


@offshelf.command()
def encoder() -> None:
    """Export the encoder to ONNX int8, once; the server never loads torch."""
    from web.process import export_encoder

    export_encoder(settings_of())


@offshelf.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when revisions wait.")
@_JSON
def migrate(check: bool, as_json: bool) -> None:
    """Bring the database to this version's schema, all of it or nothing. No server may run on an embedded one."""
    from web.migrate import history, waiting
    from web.process import migrate_schema

    settings = settings_of()
    left = waiting(settings.sql_url)
    if check:
        _print(
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
    _print({"schema": at, "made": made}, as_json, lambda: f"The schema is at {at}.")


@offshelf.command()
@click.option("--url", help="The server that is to be toured; the demo's, as it starts by default.")
@_JSON
def tour(url: str | None, as_json: bool) -> None:
    """Play the whole story against a running demo server; exit 1 at the first step that fails."""
    from web.tour import report
    from web.tour.client import Unreachable
    from web.tour.story import play

    address = url or f"http://127.0.0.1:{settings_of().port}"
    try:
        steps, left = play(address, lambda step: None if as_json else click.echo(report.lines(step)))
    except Unreachable as error:
        raise click.UsageError(f"{error}. Start the demo first, or name it: --url URL") from None
    _print(report.document(steps, left), as_json, lambda: report.closing(steps, left))
    sys.exit(0 if report.passed(steps, left) else 1)


@offshelf.command()
@click.option("--from", "first", type=_DAY, help="First business day; by default 30 days ago.")
@click.option("--to", "last", type=_DAY, help="Last business day; by default today.")
@_JSON
def recount(first: datetime | None, last: datetime | None, as_json: bool) -> None:
    """Count the raw events again; exit 1 when a stored figure differs. While the server runs: POST /metrics/recount."""
    from web.process import recount_period

    found = recount_period(settings_of(), first and first.date(), last and last.date())
    _print(found, as_json, lambda: _recounted(found))
    sys.exit(1 if found["differences"] else 0)


def _recounted(found: dict[str, Any]) -> str:
    lines = [
        "{day} {metric} {channel} {population}: stored {stored}, counted {counted}".format(**one)
        for one in found["differences"]
    ]
    return "\n".join([*lines, f"{len(lines)} differences in {found['events']:,} events of {found['days']} days."])


@offshelf.command()
@_JSON
def doctor(as_json: bool) -> None:
    """Look at machine, engines and data; exit 1 at a problem, 2 at a setting that cannot be used. Changes nothing."""
    import logging

    from web.doctor import document, examine, exit_code, line

    logging.disable()  # the findings say it; a library's own words may hold an address
    found = examine(settings_of())
    _print(document(found), as_json, lambda: "\n".join(map(line, found)))
    sys.exit(exit_code(found))


@offshelf.command()
@click.argument("target", type=click.Path(path_type=Path), metavar="FILE|FOLDER")
@_JSON
def backup(target: Path, as_json: bool) -> None:
    """Write everything that cannot be made anew into one file, beside a running server (embedded engines)."""
    from web.backup import back_up
    from web.progress import Progress

    with Progress(quiet=2) as progress:
        found = back_up(settings_of(), target, progress.step)
    _print(found, as_json, lambda: _backed_up(found))


def _backed_up(found: dict[str, Any]) -> str:
    said = f"{found['file']}: {found['files']:,} files, {found['bytes']:,} bytes, schema {found['schema']}, in {found['seconds']} s."
    return said if found["secret"] else f"{said}\nIt holds no secret: keep the OFFSHELF_SECRET that is set here."


@offshelf.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Put aside what is in OFFSHELF_DATA, inside that folder.")
@_JSON
def restore(file: Path, replace: bool, as_json: bool) -> None:
    """Make OFFSHELF_DATA what a backup says, or change nothing when the backup is not whole."""
    from web.progress import Progress
    from web.restore import restore

    with Progress(quiet=2) as progress:
        found = restore(settings_of(), file, replace, progress.step)
    _print(found, as_json, lambda: _restored(found))


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
    return "\n".join(lines)


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _gains(context: click.Context, option: click.Parameter, text: str | None) -> dict[float, float] | None:
    from kernel.errors import Invalid
    from search import read_gains

    try:
        return None if text is None else read_gains(text)
    except Invalid as problem:
        raise click.BadParameter(problem.detail) from None


@offshelf.command()
@_JSON
def rebuild(as_json: bool) -> None:
    """Fill the search index anew from the database and swap it in; a running server is asked to do it and goes on answering."""
    _patched()
    from web.progress import Progress
    from web.rebuilding import rebuild

    with Progress() as progress:
        found = rebuild(settings_of(), progress.count)
    of = "by the running server" if found["by"] == "server" else f"with {found['documents']:,} documents"
    _print(found, as_json, lambda: f"The search index is rebuilt {of}, in {found['seconds']} s.")


@offshelf.group("eval")
def evaluation() -> None:
    """Measure quality on a set of data, through the code that production runs."""


@evaluation.command("search")
@click.option("--docs", type=_FILE, required=True, help="JSON lines: id, title, class, brand, desc.")
@click.option("--queries", type=_FILE, required=True, help="qid TAB query.")
@click.option("--qrels", type=_FILE, required=True, help="qid TAB did TAB gain.")
@click.option("--encoder", "model", help="The encoder; by default the configured one.")
@click.option("--gains", callback=_gains, help="What each label of QRELS is worth, as in 0=0,1=.01,2=.1,3=1.")
@click.option("--min-ndcg", type=float, default=0.0, help="Exit 1 when the hybrid's nDCG@10 is below.")
@_JSON
def eval_search(
    docs: Path,
    queries: Path,
    qrels: Path,
    model: str | None,
    gains: dict[float, float] | None,
    min_ndcg: float,
    as_json: bool,
) -> None:
    """nDCG@10, MRR and recall@100 of the hybrid, of BM25 alone, of vectors alone, and of what people are shown.

    Files may be gzipped. They are indexed on the engine of OFFSHELF_INDEX_URL, in an index of their own that is deleted
    afterwards.
    """
    from web.process import evaluate_search
    from web.progress import Progress

    with Progress() as progress:
        found = evaluate_search(settings_of(encoder=model), docs, queries, qrels, progress.step, gains)
    _print(found, as_json, lambda: _scored(found))
    sys.exit(0 if found["hybrid"]["ndcg@10"] >= min_ndcg else 1)


def _scored(found: dict[str, Any]) -> str:
    names = ("ndcg@10", "mrr", "recall@100")
    head = (
        f"{found['documents']} documents, {found['queries']} queries ({found['queries_without_result']} without a result), "
        f"encoder {found['encoder']}, index {found['index']}"
    )
    rows = [
        f"{side:8}" + "".join(f"{found[side][name]:12.4f}" for name in names)
        for side in ("hybrid", "bm25", "dense", "shown")
    ]
    return "\n".join([head, " " * 8 + "".join(f"{name:>12}" for name in names), *rows])


@offshelf.group()
def jobs() -> None:
    """Look at the jobs that wait or gave up. Works beside a running server: reads, and writes of one statement."""


_IDS = click.argument("ids", nargs=-1, required=True)


@jobs.command("list")
@click.option("--status", type=click.Choice(["waiting", "parked"]), help="Only these; parked ones gave up.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, help="At most so many; 100 by default.")
@_JSON
def list_jobs(status: Any, limit: int, as_json: bool) -> None:
    """The jobs there are, in the order they run."""
    from kernel.job_desk import listed
    from web.process import database_beside

    with database_beside(settings_of()) as db:
        found = listed(db, status, limit)
    _print(found, as_json, lambda: "\n".join(map(_job_line, found)) or "No jobs.")


def _job_line(job: dict[str, Any]) -> str:
    state = "running" if job["running"] else job["status"]
    return f"{job['id']} {job['name']} {state} {job['run_at']} attempts={job['attempts']} {job['error'] or ''}".rstrip()


@jobs.command()
@_IDS
@_JSON
def retry(ids: tuple[str, ...], as_json: bool) -> None:
    """Let parked jobs wait again; exit 1 when one of them was not parked."""
    from kernel.job_desk import retry

    _change_jobs(retry, ids, as_json, "will be tried again")


@jobs.command()
@_IDS
@_JSON
def drop(ids: tuple[str, ...], as_json: bool) -> None:
    """Delete jobs for good; exit 1 when one of them is not there or just running."""
    from kernel.job_desk import drop

    _change_jobs(drop, ids, as_json, "dropped")


def _change_jobs(change: Callable[..., int], ids: tuple[str, ...], as_json: bool, done: str) -> None:
    from web.process import database_beside

    asked = list(dict.fromkeys(ids))
    with database_beside(settings_of()) as db:
        count = change(db, asked)
    _print({"changed": count, "asked": len(asked)}, as_json, lambda: f"{count} of {len(asked)} {done}.")
    sys.exit(0 if count == len(asked) else 1)


@offshelf.command()
@_JSON
def config(as_json: bool) -> None:
    """Print the settings in force, secrets left out."""
    settings = settings_of()
    shown = {name: value for name, value in settings.model_dump(mode="json").items() if name != "secret"}
    shown = {name: _without_password(value) for name, value in shown.items()}
    _print(shown, as_json, lambda: "\n".join(f"OFFSHELF_{name.upper()}={value}" for name, value in shown.items()))


def _without_password(value: object) -> object:
    if not isinstance(value, str) or "://" not in value:
        return value
    scheme, _, rest = value.partition("://")
    place = f"***@{rest.rpartition('@')[2]}" if "@" in rest else rest
    return f"{scheme}://" + re.sub(r"([?&]\w*(?:pass|secret)\w*=)[^&]*", r"\1***", place)


def _print(value: Any, as_json: bool, text: Callable[[], str]) -> None:
    click.echo(json.dumps(value, ensure_ascii=False) if as_json else text())


def _patched() -> None:
    from gevent import monkey

    monkey.patch_all()


if __name__ == "__main__":
    main()
