"""`make reliability`: every fault once, on a real server, and what it did to people, in `docs/reliability.md`."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.e2e import faulted
from tests.e2e.postgres_server import programs
from tests.e2e.small_disk import CannotMount
from tests.e2e.town import Outcome
from tests.models import exported_model

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
ENGINES = {name: os.environ.get(f"OFFSHELF_TEST_{name}_URL", "") for name in ("POSTGRES", "REDIS", "ELASTICSEARCH")}
HEAD = """# When an engine goes away

Made by `make reliability`, which does each of this to a real server that people use meanwhile, once; `tests/e2e/test_faults.py` holds it
to bounds at every change. An engine stands behind a proxy that cuts the connections, swallows what is sent (nothing arrives, nothing is
closed) or ends one direction; PostgreSQL is also stopped as if the power went; files are damaged and a disk is filled. *Recovery* is the
time from the end of the fault, without a restart (for the index: from the start), until all is as before; *longest wait* is any answer's, refusals included; *lost* counts
acknowledged orders that are not there, or there twice. Seconds are context: of one run, on {cores} cores of a shared {processor} machine.

| fault | what went on | what was refused | recovery, s | longest wait, s | `/healthz`, s | lost |
|---|---|---|---|---|---|---|
"""


def main() -> int:
    """Run every scenario, write the page; 1 when an order was lost, 2 where an engine is missing."""
    missing = [f"OFFSHELF_TEST_{name}_URL" for name, url in ENGINES.items() if not url]
    if missing:
        print(f"Set {', '.join(missing)}: every engine is needed.", file=sys.stderr)
        return 2
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for outcome in _run(Path(folder)):
                outcomes.append(outcome)
                print(_line(outcome), flush=True)
        except CannotMount as error:
            print(f"A small disk has to be mounted, which takes root: {error}", file=sys.stderr)
            return 2
    head = HEAD.format(cores=os.cpu_count(), processor=platform.machine())
    PAGE.write_text(head + "".join(f"{_line(one)}\n" for one in outcomes), encoding="utf-8")
    return 1 if any(outcome.lost for outcome in outcomes) else 0


def _run(folder: Path) -> Iterator[Outcome]:
    yield from _staged(faulted.redis_stage, folder / "redis", ENGINES["REDIS"], faulted.REDIS)
    yield from _staged(faulted.index_stage, folder / "index", ENGINES["ELASTICSEARCH"], faulted.ELASTICSEARCH)
    ways = faulted.POSTGRES if programs() else faulted.POSTGRES[:-1]
    yield from _staged(faulted.database_stage, folder / "database", ENGINES["POSTGRES"], ways)
    yield faulted.encoder_damaged(folder / "encoder", exported_model())
    yield faulted.index_half_written(folder / "half")
    yield faulted.disk_full(folder / "disk")


def _staged(stage: Callable[..., object], folder: Path, url: str, ways: Sequence[str]) -> Iterator[Outcome]:
    with stage(folder, url) as run:  # type: ignore[attr-defined]
        for how in ways:
            yield run(how)


def _line(outcome: Outcome) -> str:
    went_on, refused = "; ".join(outcome.went_on), "; ".join(outcome.refused) or "nothing"
    seconds = " | ".join(f"{value:.1f}" for value in (outcome.recovery, outcome.slowest, outcome.healthz))
    return f"| {outcome.fault} | {went_on} | {refused} | {seconds} | {outcome.lost} |"


if __name__ == "__main__":
    sys.exit(main())
