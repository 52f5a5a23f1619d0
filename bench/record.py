"""What every benchmark writes: `bench/results/NAME.json`, and the table in `docs/benchmarks.md` made from these."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
QUALITY = ROOT / "bench" / "quality.md"
"""Figures that no clock decides, by hand with the command that prints them; the end of the page."""
_INTRO = """# Measured

Made by `make bench-NAME`; each line is from one run in which the project and its baseline took turns on the same cores. Ratios are the
claim, absolute figures are context: the machine is shared and drifts.

"""


def medians(runs: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, float]:
    """The median over the rounds of every figure of everybody who ran, as ``WHO_FIGURE``."""
    return {
        f"{who}_{figure}": round(statistics.median(run[figure] for run in rounds), 2)
        for who, rounds in runs.items()
        for figure in rounds[0]
    }


def ratio(runs: Mapping[str, Sequence[Mapping[str, float]]], figure: str, of: str, to: str) -> list[float]:
    """Median, lowest and highest of one's figure to the other's, round by round."""
    ratios = [one[figure] / other[figure] for one, other in zip(runs[of], runs[to], strict=True)]
    return [round(number, 2) for number in (statistics.median(ratios), min(ratios), max(ratios))]


def write(
    name: str, rounds: int, figures: dict[str, float], targets: dict[str, tuple[str, float]], packages: list[str]
) -> int:
    """Write a benchmark's result and the page, print the figures and the targets missed; the exit code: 1 when one is."""
    missed = {
        figure: f"{figures[figure]}, to be {sign} {bound}"
        for figure, (sign, bound) in targets.items()
        if not (figures[figure] >= bound if sign == ">=" else figures[figure] <= bound)
    }
    result = {
        "name": name,
        "machine": {"processor": platform.machine(), "system": platform.system(), "python": platform.python_version()},
        "versions": {package: version(package) for package in packages},
        "rounds": rounds,
        "figures": figures,
        "targets": targets,
        "held": not missed,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    render()
    print(json.dumps(figures, indent=2))
    print(f"targets missed: {missed}" if missed else "targets held")
    return int(bool(missed))


def render() -> None:
    """Put every result that lies here into `docs/benchmarks.md`; sections of benchmarks not run here stay as they are."""
    found = PAGE.read_text(encoding="utf-8").split("\n## ")[1:] if PAGE.exists() else []
    sections = {one.partition(":")[0]: f"## {one.rstrip()}\n" for one in found if ": targets " in one.splitlines()[0]}
    for path in RESULTS.glob("*.json"):
        result = json.loads(path.read_text())
        sections[result["name"]] = _section(result)
    kept = [sections[name] for name in sorted(sections)]
    PAGE.write_text(
        "\n".join([_INTRO.rstrip("\n") + "\n", *kept, QUALITY.read_text(encoding="utf-8")]), encoding="utf-8"
    )


def _section(result: dict[str, Any]) -> str:
    rows = []
    for figure, value in result["figures"].items():
        sign, bound = result["targets"].get(figure, ("", ""))
        rows.append(f"| {figure} | {value} | {sign} {bound} |")
    table = "\n".join(["| figure | measured | target |", "|---|---|---|", *rows])
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    held = "held" if result["held"] else "NOT held"
    return f"## {result['name']}: targets {held}\n\n{result['rounds']} rounds; {versions}.\n\n{table}\n"
