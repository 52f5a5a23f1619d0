"""`offshelf eval search`: how good the production ranking is on judged queries.

nDCG@10 takes gains as the file gives them (not 2^g - 1), discounted by log2(rank + 1), over the ideal order of all
judged documents (Jarvelin & Kekalainen, 2002). MRR and recall count every gain above 0, MRR down to rank 100.
Queries without a gain above 0 measure nothing and are left out of the means.
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from kernel.errors import Invalid
from kernel.ports import Encoder, IndexDocument, SearchIndex
from search.documents import document, meaning
from search.fusion import Ranked, fuse
from search.ranking import recall
from search.tokens import query_tokens

DEPTH = 100
BATCH = 64
Progress = Callable[[str, int, int], None]
Judgements = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Passage:
    """One line of the documents file."""

    id: str
    title: str
    texts: tuple[str, ...]


def evaluate(
    docs_path: Path,
    queries_path: Path,
    qrels_path: Path,
    encoder: Encoder,
    index: SearchIndex,
    progress: Progress | None = None,
    gains: Mapping[float, float] | None = None,
) -> dict[str, Any]:
    """Fill an empty `index` with the documents, ask every judged query, and score hybrid, BM25 and dense.

    Those rank all candidates. `shown` is the hybrid as people see it, without what is too far off to be called a result.

    `progress(step, done, of)` is told about each batch. `gains`: what each label of the file is worth (`read_judgements`).
    Raises Invalid, which names file, line and column.
    """
    if index.count():
        raise Invalid("evaluation.index_not_empty", "An evaluation fills an index of its own and was given one in use")
    passages, queries = list(read_documents(docs_path)), read_queries(queries_path)
    judgements = read_judgements(qrels_path, gains)
    judged = {qid: text for qid, text in queries.items() if max(judgements.get(qid, {}).values(), default=0) > 0}
    if not judged:
        raise _bad(qrels_path, 1, "qid", "no query of the queries file has a document with a gain above 0")
    tell = progress or _silent
    _fill(index, encoder, passages, tell)
    runs = _ask(index, encoder, judged, tell)
    counts = {"documents": len(passages), "queries": len(judged), "queries_left_out": len(queries) - len(judged)}
    counts["queries_without_result"] = sum(not ids for ids in runs["shown"].values())
    scores = {name: _scores(run, judgements) for name, run in runs.items()}
    return {"encoder": encoder.name, **counts, **scores}


def ndcg(ranking: Sequence[str], gains: Mapping[str, float], depth: int = 10) -> float:
    """Normalised discounted cumulative gain of one ranking; 0 when nothing has a gain."""
    best = _dcg(sorted(gains.values(), reverse=True)[:depth])
    return _dcg([gains.get(id, 0.0) for id in ranking[:depth]]) / best if best else 0.0


def reciprocal_rank(ranking: Sequence[str], gains: Mapping[str, float]) -> float:
    """1 / rank of the first document with a gain, 0 when none is found."""
    return next((1 / rank for rank, id in enumerate(ranking, 1) if gains.get(id, 0) > 0), 0.0)


def recall_at(ranking: Sequence[str], gains: Mapping[str, float], depth: int = DEPTH) -> float:
    """The share of the documents with a gain that are among the first `depth`."""
    wanted = {id for id, gain in gains.items() if gain > 0}
    return len(wanted & set(ranking[:depth])) / len(wanted) if wanted else 0.0


def read_documents(path: Path) -> Iterator[Passage]:
    """JSON lines with `id` and any of `title, brand, class, desc`; gzip or not."""
    seen: set[str] = set()
    for number, line in _lines(path):
        try:
            row = json.loads(line)
        except ValueError as problem:
            raise _bad(path, number, "", f"not JSON ({problem})") from None
        if not isinstance(row, dict):
            raise _bad(path, number, "", "not a JSON object")
        id, *texts = (_text(path, number, row, name) for name in ("id", "title", "brand", "class", "desc"))
        if not id or id in seen:
            raise _bad(path, number, "id", f"{id!r} comes twice" if id else "missing or empty")
        seen.add(id)
        yield Passage(id, texts[0], tuple(texts[1:]))


def read_queries(path: Path) -> dict[str, str]:
    """`qid TAB query` lines; gzip or not."""
    queries: dict[str, str] = {}
    for number, (qid, text) in _columns(path, ("qid", "query")):
        if qid in queries:
            raise _bad(path, number, "qid", f"{qid!r} comes twice")
        queries[qid] = text
    return queries


def read_gains(text: str) -> dict[float, float]:
    """`0=0,1=.01,2=.1,3=1`: what each label is worth. Raises Invalid, which names the pair that cannot be read."""
    gains: dict[float, float] = {}
    for pair in text.split(","):
        label, _, gain = pair.partition("=")
        worth, names = _gain(gain), _gain(label)
        if worth is None or names is None or names in gains:
            raise Invalid(
                "evaluation.bad_gains", f"{pair!r} is not LABEL=GAIN, each a number from 0 and no label twice"
            )
        gains[names] = worth
    return gains


def read_judgements(path: Path, gains: Mapping[float, float] | None = None) -> Judgements:
    """`qid TAB did TAB gain` lines; gzip or not; of a pair that comes twice the last counts.

    With `gains` the third column is a label, and each label must be among them: scales that mix measure nothing.
    """
    judgements: Judgements = {}
    for number, (qid, did, given) in _columns(path, ("qid", "did", "gain")):
        gain = _gain(given)
        if gain is None:
            raise _bad(path, number, "gain", f"{given!r} is not a number from 0")
        if gains is not None and gain not in gains:
            raise _bad(path, number, "gain", f"label {given} is not among the gains given")
        judgements.setdefault(qid, {})[did] = gain if gains is None else gains[gain]
    return judgements


def _gain(text: str) -> float | None:
    """A finite number from 0, or None."""
    try:
        gain = float(text)
    except ValueError:
        return None
    return gain if 0 <= gain < math.inf else None


def _fill(index: SearchIndex, encoder: Encoder, passages: Sequence[Passage], tell: Progress) -> None:
    todo = iter(passages)
    done = 0
    while batch := list(islice(todo, BATCH)):
        vectors = encoder.documents([meaning(passage.title, passage.texts) for passage in batch])
        index.put([_indexed(passage, vector) for passage, vector in zip(batch, vectors, strict=True)])
        done += len(batch)
        tell("index", done, len(passages))
    index.refresh()


def _indexed(passage: Passage, vector: Any) -> IndexDocument:
    return document(passage.id, "passage", passage.title, passage.texts, vector=vector)


def _ask(
    index: SearchIndex, encoder: Encoder, queries: Mapping[str, str], tell: Progress
) -> dict[str, dict[str, list[str]]]:
    """Query id -> ids in order, for each of the three rankings, and for what of the hybrid is shown to people."""
    runs: dict[str, dict[str, list[str]]] = {"hybrid": {}, "bm25": {}, "dense": {}, "shown": {}}
    for done, (qid, text) in enumerate(queries.items(), 1):
        found = recall(index, query_tokens(text), encoder.queries([text])[0], DEPTH, floor=encoder.floor)
        for name, weight in (("hybrid", found.weight), ("bm25", 0.0), ("dense", 1.0)):
            runs[name][qid] = _ids(fuse(found.lexical, found.dense, weight))
        runs["shown"][qid] = _ids(fuse(found.lexical, found.dense, found.weight, found.floor))
        if done % BATCH == 0 or done == len(queries):
            tell("query", done, len(queries))
    return runs


def _ids(ranked: Sequence[Ranked]) -> list[str]:
    return [found.id for found in ranked[:DEPTH]]


def _scores(run: Mapping[str, Sequence[str]], judgements: Judgements) -> dict[str, float]:
    measures = {"ndcg@10": ndcg, "mrr": reciprocal_rank, f"recall@{DEPTH}": recall_at}
    return {
        name: round(math.fsum(measure(ids, judgements[qid]) for qid, ids in run.items()) / len(run), 4)
        for name, measure in measures.items()
    }


def _dcg(gains: Sequence[float]) -> float:
    return math.fsum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


def _text(path: Path, number: int, row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _bad(path, number, name, f"{value!r:.40} is not a text")
    return value


def _columns(path: Path, names: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    for number, line in _lines(path):
        values = line.split("\t")
        if len(values) != len(names):
            missing = names[min(len(values), len(names) - 1)]
            raise _bad(path, number, missing, f"{len(values)} columns, expected {' TAB '.join(names)}")
        if "" in values[: 2 if len(names) > 2 else 1]:
            raise _bad(path, number, names[values.index("")], "empty")
        yield number, values


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not empty, gzip recognised by its first bytes."""
    number = 0
    try:
        with path.open("rb") as raw, _plain(raw) as file:
            for number, line in enumerate(file, 1):
                if text := line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n"):
                    yield number, text
    except UnicodeDecodeError as problem:
        raise _bad(path, number, f"byte {problem.start + 1}", "not UTF-8") from None
    except (EOFError, OSError, zlib.error) as problem:
        raise _bad(path, number + 1, "", f"cannot be read ({problem})") from None


def _plain(raw: Any) -> Any:
    packed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw) if packed else raw


def _bad(path: Path, line: int, column: str, problem: str) -> Invalid:
    where = f"{path.name}, line {line}" + (f", column {column}" if column else "")
    return Invalid("evaluation.bad_file", f"{where}: {problem}", file=path.name, line=line, column=column)


def _silent(step: str, done: int, of: int) -> None:
    """Nobody asked to be told."""
