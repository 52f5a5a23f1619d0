"""`make bench-http`: the real server beside a bare Flask view on the same server, at 32 keep-alive connections, taking turns."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from bench.record import write

ROUNDS = 5
SECONDS = float(os.environ.get("BENCH_SECONDS", "2"))
CONNECTIONS = 32


def main() -> int:
    """Run, print, record; 1 when a target is missed."""
    with (
        tempfile.TemporaryDirectory() as folder,
        _server(["-m", "web.cli", "serve", "--port", "0"], folder) as ours,
        _server(["-m", "bench.bare"], folder) as bare,
    ):
        paths = {
            "healthz": "/healthz",
            "openapi": "/api/v1/openapi.json",
            "feed_empty": "/api/v1/feed",
            "ranking_inputs": "/api/v1/ranking/inputs",
        }
        runs: dict[str, list[dict[str, float]]] = {"bare": [], **{name: [] for name in paths}}
        for number in range(ROUNDS + 1):
            for name in runs:
                answer = _load(bare if name == "bare" else ours, paths.get(name, "/healthz"))
                if number:  # the first round warms up
                    runs[name].append(answer)
    figures: dict[str, float] = {}
    for name, answers in runs.items():
        figures[f"{name}_per_second"] = statistics.median(answer["per_second"] for answer in answers)
        figures[f"{name}_p50_ms"] = statistics.median(answer["p50_ms"] for answer in answers)
        figures[f"{name}_p99_ms"] = statistics.median(answer["p99_ms"] for answer in answers)
    ratios = [a["per_second"] / b["per_second"] for a, b in zip(runs["healthz"], runs["bare"], strict=True)]
    figures["healthz_to_bare"] = round(statistics.median(ratios), 3)
    figures["healthz_to_bare_min"], figures["healthz_to_bare_max"] = round(min(ratios), 3), round(max(ratios), 3)
    targets = {"healthz_p50_ms": ("<=", 10.0), "healthz_to_bare": (">=", 0.8)}
    return write("http", ROUNDS, figures, targets, ["flask", "gevent", "flask-socketio"])


@contextmanager
def _server(arguments: list[str], folder: str) -> Iterator[str]:
    environ = {
        **os.environ,
        "OFFSHELF_DATA": folder,
        "OFFSHELF_ENCODER": "hash",
        "OFFSHELF_RATE_LIMITS": "false",
        "OFFSHELF_LOG_LEVEL": "ERROR",
    }
    command = ["taskset", "-c", "0", sys.executable, *arguments]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "http://" in line)
        url = line[line.index("http://") :].strip()
        urllib.request.urlopen(f"{url}healthz").read()
        try:
            yield url
        finally:
            process.terminate()


def _load(url: str, path: str) -> dict[str, float]:
    parts = urlsplit(url)
    command = [
        "taskset",
        "-c",
        "1",
        sys.executable,
        "-m",
        "bench.load",
        parts.hostname or "",
        str(parts.port),
        path,
        str(CONNECTIONS),
        str(SECONDS),
    ]
    answer: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return answer


if __name__ == "__main__":
    sys.exit(main())
