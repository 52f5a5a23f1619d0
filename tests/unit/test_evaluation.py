"""The evaluation measures the production path, by the standard formulas, on files it checks."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from engines.encoder import HashEncoder
from engines.index import open_index
from kernel.errors import Invalid, Unavailable
from kernel.ports import SearchIndex, Vectors
from search import document, evaluate, hybrid, meaning, read_gains
from search.evaluation import ndcg, read_documents, read_judgements, read_queries, recall_at, reciprocal_rank
from web.cli import offshelf

PASSAGES = {
    "a": "red running shoes for women",
    "b": "blue running shorts",
    "c": "wireless phone charger",
    "d": "跑步鞋 女款 轻便透气",
    "e": "无线充电器 手机",
}


class Dictionary:
    """An encoder that knows five things in two languages, and nothing else."""

    name, fingerprint, dimensions, floor = "dictionary", "1", 8, 0.7
    words = {"run": 0, "跑": 0, "shoe": 1, "鞋": 1, "charg": 2, "充": 2, "wireless": 3, "无线": 3, "short": 4}

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self.documents(texts)

    def documents(self, texts: Sequence[str]) -> Vectors:
        rows = np.full((len(texts), self.dimensions), 0.01, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word, place in self.words.items():
                row[place] += word in text.lower()
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    def close(self) -> None:
        """Nothing is held."""


class Away(Dictionary):
    """An encoder that does not answer."""

    def queries(self, texts: Sequence[str]) -> Vectors:
        raise Unavailable("encoder.away", "The encoder does not answer")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SearchIndex]:
    opened = open_index("embedded://", tmp_path / "index", Dictionary.dimensions)
    yield opened
    opened.close()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    docs, queries, qrels = tmp_path / "x.docs.jsonl", tmp_path / "x.queries.tsv", tmp_path / "x.qrels.tsv"
    docs.write_text("\n".join(json.dumps({"id": id, "title": text, "desc": None}) for id, text in PASSAGES.items()))
    queries.write_text("q1\trunning shoes\nq2\t无线充电\nq3\tnobody judged this\n")
    qrels.write_text("q1\ta\t3\nq1\tb\t1\nq1\tc\t0\nq2\te\t1\n")
    return docs, queries, qrels


def fill(index: SearchIndex) -> None:
    encoder = Dictionary()
    index.put([document(id, "note", text, (), vector=encoder.documents([text])[0]) for id, text in PASSAGES.items()])
    index.refresh()


def found(index: SearchIndex, text: str, **more: object) -> list[str]:
    return [ranked.id for ranked in hybrid(index, Dictionary(), text, 10, **more)]  # type: ignore[arg-type]


def test_words_and_meaning_find_together(index: SearchIndex) -> None:
    fill(index)
    first = hybrid(index, Dictionary(), "running shoes", 2)[0]
    assert (first.id, first.matched_by) == ("a", ("words", "meaning"))


def test_a_query_in_another_script_is_answered_by_meaning(index: SearchIndex) -> None:
    fill(index)
    index.delete(["d", "e"])
    index.refresh()
    assert found(index, "跑步鞋")[0] == "a"
    assert found(index, "无线充电器")[0] == "c"


def test_filters_hold_on_both_sides(index: SearchIndex) -> None:
    fill(index)
    assert found(index, "running shoes", terms={"kind": "product"}) == []
    assert set(found(index, "running shoes", terms={"kind": "note"})) == {"a", "b", "d"}
    assert found(index, "running shoes", terms={"script": "unspaced"}) == ["d"]


def test_what_matches_neither_by_words_nor_convincingly_by_meaning_is_not_found(index: SearchIndex) -> None:
    fill(index)
    for nonsense in ("qqqqzzzz", "量子力学", "tax return"):
        assert found(index, nonsense) == []
    assert found(index, "blue tax return") == ["b"], "one word of three is a match"


def test_meaning_far_below_the_best_is_not_shown(index: SearchIndex) -> None:
    fill(index)
    assert set(found(index, "跑鞋")) == {"a", "d"}  # shorts and chargers are no longer at the end


def test_weight_can_be_fixed_and_limit_holds(index: SearchIndex) -> None:
    fill(index)
    assert set(found(index, "running shoes", weight=0.0)) == {"a", "b"}
    assert len(hybrid(index, Dictionary(), "running shoes", 1)) == 1


def test_without_the_encoder_words_still_answer(index: SearchIndex) -> None:
    fill(index)
    for encoder in (None, Away()):
        assert [ranked.id for ranked in hybrid(index, encoder, "running shoes", 5)] == ["a", "b"]
    assert hybrid(index, None, "😀", 5) == []


def test_evaluation_reports_three_rankings_of_the_production_path(index: SearchIndex, files: tuple[Path, ...]) -> None:
    told: list[tuple[str, int, int]] = []
    report = evaluate(*files, Dictionary(), index, lambda *step: told.append(step))
    assert report["documents"] == 5
    assert (report["queries"], report["queries_left_out"], report["queries_without_result"]) == (2, 1, 0)
    for name in ("hybrid", "bm25", "dense", "shown"):
        assert set(report[name]) == {"ndcg@10", "mrr", "recall@100"}
    assert report["bm25"] == {"ndcg@10": 1.0, "mrr": 1.0, "recall@100": 1.0}
    assert report["hybrid"]["mrr"] == 1.0
    assert report["dense"]["ndcg@10"] < 1.0
    assert told[-1] == ("query", 2, 2)
    assert ("index", 5, 5) in told


def test_packed_files_give_the_same_report(index: SearchIndex, files: tuple[Path, ...], tmp_path: Path) -> None:
    plain = evaluate(*files, Dictionary(), index)
    for path in files:
        path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n")))
    with index.filling():
        pass
    assert evaluate(*files, Dictionary(), index) == plain


def test_an_index_in_use_is_not_touched(index: SearchIndex, files: tuple[Path, ...]) -> None:
    fill(index)
    with pytest.raises(Invalid, match="index of its own"):
        evaluate(*files, Dictionary(), index)
    assert index.count() == 5


def test_labels_are_worth_what_the_gains_say(index: SearchIndex, files: tuple[Path, ...]) -> None:
    files[2].write_text("q1\tb\t3\nq1\ta\t1\n")
    as_given = evaluate(*files, Dictionary(), index)["bm25"]["ndcg@10"]
    with index.filling():
        pass
    regained = evaluate(*files, Dictionary(), index, gains=read_gains("0=0, 1=.01, 3.0=1"))["bm25"]["ndcg@10"]
    ideal = 1 + 0.01 / math.log2(3)
    assert regained == pytest.approx((0.01 + 1 / math.log2(3)) / ideal, abs=1e-4)
    assert regained < as_given


@pytest.mark.parametrize("text", ["", "1", "1=", "=1", "1=x", "1=-1", "1=inf", "nan=1", "1=1,1.0=2", "1=1,", "1:1"])
def test_gains_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="is not LABEL=GAIN"):
        read_gains(text)


def test_a_label_without_a_gain_is_named(index: SearchIndex, files: tuple[Path, ...]) -> None:
    with pytest.raises(Invalid, match=r"x.qrels.tsv, line 1, column gain: label 3 is not among the gains given"):
        evaluate(*files, Dictionary(), index, gains={0: 0, 1: 1})
    assert index.count() == 0


def test_the_command_takes_gains_and_refuses_what_is_none(
    files: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFSHELF_DATA", str(tmp_path))
    named = [f"--{name}={path}" for name, path in zip(("docs", "queries", "qrels"), files, strict=True)]
    answer = CliRunner().invoke(
        offshelf, ["eval", "search", *named, "--encoder=hash", "--gains=0=0,1=.1,3=1", "--json"]
    )
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.stdout)
    assert (found["index"], found["bm25"]["ndcg@10"]) == ("embedded", 1)
    refused = CliRunner().invoke(offshelf, ["eval", "search", *named, "--encoder=hash", "--gains=1"])
    assert refused.exit_code == 2
    assert "'1' is not LABEL=GAIN" in refused.output


def test_ndcg_is_the_textbook_formula() -> None:
    gains = {"a": 3.0, "b": 2.0, "c": 0.0, "d": 1.0}
    dcg = 2 / math.log2(2) + 3 / math.log2(4)
    ideal = 3 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4)
    assert ndcg(["b", "c", "a"], gains) == pytest.approx(dcg / ideal)
    assert ndcg(["a", "b", "d"], gains) == 1
    assert ndcg(["c"] * 10 + ["a"], gains) == 0
    assert ndcg(["a"], {}) == 0


def test_rank_and_recall_count_every_gain_above_zero() -> None:
    gains = {"a": 0.01, "b": 1.0, "c": 0.0}
    assert reciprocal_rank(["c", "a", "b"], gains) == 0.5
    assert reciprocal_rank(["c"], gains) == 0
    assert recall_at(["c", "a"], gains) == 0.5
    assert recall_at(["c", "a"], gains, 1) == 0


BROKEN = [
    (read_documents, b'{"id": "a"}\n{"id": "a"}', "line 2, column id: 'a' comes twice"),
    (read_documents, b'{"title": "x"}', "line 1, column id: missing"),
    (read_documents, b'{"id": "a", "title": 7}', "line 1, column title: 7 is not a text"),
    (read_documents, b'\n{"id": "a"', "line 2: not JSON"),
    (read_documents, b"[1]", "line 1: not a JSON object"),
    (read_documents, b'{"id": "a"}\n\xff', "line 2, column byte 1: not UTF-8"),
    (read_queries, b"q1\tone\nq2 two", "line 2, column query: 1 columns"),
    (read_queries, b"q1\tone\nq1\ttwo", "line 2, column qid: 'q1' comes twice"),
    (read_queries, b"\tone", "line 1, column qid: empty"),
    (read_judgements, b"q1\ta\tmuch", "line 1, column gain: 'much' is not a number"),
    (read_judgements, b"q1\ta\t-1", "line 1, column gain"),
    (read_judgements, b"q1\ta\tnan", "line 1, column gain"),
    (read_judgements, b"q1\ta", "line 1, column gain: 2 columns"),
    (read_judgements, b"q1\t\t1", "line 1, column did: empty"),
    (read_judgements, gzip.compress(b"q1\ta\t1\n" * 1000, mtime=0)[:-20], "cannot be read"),
]


@pytest.mark.parametrize(("read", "content", "expected"), BROKEN)
def test_a_broken_file_is_named_with_line_and_column(read, content: bytes, expected: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "broken.gz"
    path.write_bytes(content)
    with pytest.raises(Invalid) as refusal:
        list(read(path))
    assert refusal.value.detail.startswith("broken.gz, line ")
    assert expected in refusal.value.detail


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"nowhere\.tsv"):
        read_queries(tmp_path / "nowhere.tsv")


def test_nothing_judged_is_an_error(index: SearchIndex, files: tuple[Path, ...]) -> None:
    files[2].write_text("q9\ta\t1\n")
    with pytest.raises(Invalid, match="no query of the queries file"):
        evaluate(*files, Dictionary(), index)


def test_hash_encoder_never_drags_the_hybrid_below_words(tmp_path: Path, files: tuple[Path, ...]) -> None:
    index = open_index("embedded://", tmp_path / "hash", HashEncoder().dimensions)
    report = evaluate(*files, HashEncoder(), index)
    assert report["hybrid"]["ndcg@10"] >= report["bm25"]["ndcg@10"]
    index.close()


def test_what_the_encoder_reads_begins_with_the_title() -> None:
    assert meaning("Title", ["brand", "", "text"]) == "Title\nbrand\ntext"
