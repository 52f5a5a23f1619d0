"""Which engine each contract test ran on, and one line for each engine at the very end: `ENGINE 9 passed, 0 failed, 0 skipped`.

A test's engine is the `engine` mark that is nearest: on a fixture's parameter (`on`), on the test, or on its file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.secure_redis import secure_redis

HERE = Path(__file__).parent
_outcomes: dict[str, tuple[str, str]] = {}
"""Test -> its engine and how it ended."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            mark = item.get_closest_marker("engine")
            if mark is None:
                raise pytest.UsageError(
                    f"{item.nodeid} names no engine: mark it, its file or its fixture's parameters."
                )
            item.user_properties.append(("engine", mark.args[0]))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    engine = dict(report.user_properties).get("engine")
    former = _outcomes.get(report.nodeid, ("", "passed"))[1]
    if engine and former == "passed":  # what failed or was skipped stays so, whatever its tear-down says
        _outcomes[report.nodeid] = (str(engine), report.outcome)


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or not _outcomes:
        return
    counts = Counter(_outcomes.values())
    for engine in sorted({engine for engine, _ in counts}):
        said = ", ".join(f"{counts[engine, how]} {how}" for how in ("passed", "failed", "skipped"))
        config.get_terminal_writer().line(f"{engine} {said}")


@pytest.fixture(scope="session")
def redis_tls_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of our own behind TLS and a password."""
    with secure_redis(tmp_path_factory.mktemp("tls")) as url:
        yield url
