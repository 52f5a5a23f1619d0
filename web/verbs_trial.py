"""The verbs that try the product out: the tour through a running server, and the measures of search."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from web.verbs import JSON, answer, settings_of

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _address(context: click.Context, option: click.Parameter, url: str | None) -> str | None:
    """Where a server answers."""
    try:
        parts = urlsplit(url or "http://here")
        good = parts.geturl().isprintable() and parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # no port, or no address
        good = False
    if not good:
        raise click.BadParameter("name a server as http://HOST:PORT or https://HOST.")
    return url


@click.command()
@click.option("--url", callback=_address, help="The server that is to be toured; the demo's, as it starts by default.")
@JSON
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
    answer(report.document(steps, left), as_json, lambda: report.closing(steps, left))
    sys.exit(0 if report.passed(steps, left) else 1)


def _gains(context: click.Context, option: click.Parameter, text: str | None) -> dict[float, float] | None:
    from kernel.errors import Invalid
    from search import read_gains

    try:
        return None if text is None else read_gains(text)
    except Invalid as problem:
        raise click.BadParameter(problem.detail) from None


@click.group("eval")
def evaluation() -> None:
    """Measure quality on a set of data, through the code that production runs."""


@evaluation.command("search")
@click.option("--docs", type=_FILE, required=True, help="JSON lines: id, title, class, brand, desc.")
@click.option("--queries", type=_FILE, required=True, help="qid TAB query.")
@click.option("--qrels", type=_FILE, required=True, help="qid TAB did TAB gain.")
@click.option("--encoder", "model", help="The encoder; by default the configured one.")
@click.option("--gains", callback=_gains, help="What each label of QRELS is worth, as in 0=0,1=.01,2=.1,3=1.")
@click.option("--min-ndcg", type=float, default=0.0, help="Exit 1 when the hybrid's nDCG@10 is below.")
@JSON
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
    from web.errands import evaluate_search
    from web.progress import Progress

    with Progress() as progress:
        found = evaluate_search(settings_of(encoder=model), docs, queries, qrels, progress.step, gains)
    answer(found, as_json, lambda: _scored(found))
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
