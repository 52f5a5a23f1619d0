"""Judged queries are answered as well from either index engine: a fixed sample of ESCI, where that lies beside the project."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from engines.encoder import HashEncoder
from engines.index import own_index
from search import evaluate, read_gains
from tests.conftest import ELASTICSEARCH_URL, require

ESCI = Path(os.environ.get("OFFSHELF_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data") / "search"
QUERIES = 30


@pytest.fixture
def sample(tmp_path: Path) -> tuple[Path, Path, Path]:
    """The first queries with everything that was judged for them: documents, queries, judgements."""
    if not (ESCI / "esci.docs.jsonl.gz").exists():
        pytest.skip("no ESCI here; OFFSHELF_TEST_DATA names the folder that has search/esci.*")
    docs, queries, qrels = (lines(name) for name in ("docs.jsonl", "queries.tsv", "qrels.tsv"))
    asked = {line.split("\t")[0] for line in queries[:QUERIES]}
    judged = [line for line in qrels if line.split("\t")[0] in asked]
    wanted = {line.split("\t")[1] for line in judged}
    kept = [line for line in docs if json.loads(line)["id"] in wanted]
    written = {"docs": kept, "queries": queries[:QUERIES], "qrels": judged}
    for name, content in written.items():
        (tmp_path / name).write_text("\n".join(content), encoding="utf-8")
    return tmp_path / "docs", tmp_path / "queries", tmp_path / "qrels"


def lines(name: str) -> list[str]:
    with gzip.open(ESCI / f"esci.{name}.gz", "rt", encoding="utf-8") as file:
        return file.read().splitlines()


def test_judged_queries_are_answered_as_well_from_either_index(sample: tuple[Path, Path, Path]) -> None:
    require("elasticsearch", bool(ELASTICSEARCH_URL), "OFFSHELF_TEST_ELASTICSEARCH_URL names no Elasticsearch")
    found, encoder, gains = [], HashEncoder(), read_gains("0=0,1=.01,2=.1,3=1")
    for url in ("embedded://", ELASTICSEARCH_URL):
        with own_index(url, encoder.dimensions) as index:
            found.append(evaluate(*sample, encoder, index, gains=gains))
    mine, theirs = found
    assert mine["queries"] == QUERIES
    for side in ("hybrid", "bm25", "dense", "shown"):
        assert theirs[side]["ndcg@10"] == pytest.approx(mine[side]["ndcg@10"], abs=0.01)
    assert mine["bm25"]["ndcg@10"] > 0.5
