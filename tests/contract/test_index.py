"""What every search index promises (`kernel.ports.SearchIndex`), run against each engine."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from elasticsearch import BadRequestError, Elasticsearch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.index import open_index, own_index
from engines.index.elastic import ElasticIndex
from engines.index.embedded import EmbeddedIndex
from kernel.errors import Conflict, SettingError, Unavailable
from kernel.ports import IndexDocument, SearchIndex, Vectors
from tests.conftest import on
from tests.e2e.small_disk import CannotMount, filled, small_disk

pytestmark = pytest.mark.engine("tantivy+usearch")
DIMENSIONS = 8
ROOT = Path(__file__).resolve().parents[2]
Opener = Callable[[], SearchIndex]


def unit(*values: float) -> Vectors:
    vector = np.zeros(DIMENSIONS, np.float32)
    vector[: len(values)] = values
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


@pytest.fixture(params=[on("tantivy+usearch"), on("elasticsearch")])
def url(request: pytest.FixtureRequest) -> str:
    return "embedded://" if request.param == "tantivy+usearch" else str(request.getfixturevalue("elasticsearch_url"))


@pytest.fixture
def opener(url: str, tmp_path: Path) -> Iterator[Opener]:
    opened: list[SearchIndex] = []

    def again() -> SearchIndex:
        while opened:
            opened.pop().close()
        opened.append(open_index(url, tmp_path / "index", DIMENSIONS, name="contract"))
        return opened[-1]

    yield again
    while opened:
        opened.pop().close()


@pytest.fixture
def index(opener: Opener) -> SearchIndex:
    return opener()


def fill(index: SearchIndex) -> None:
    index.put(
        [
            IndexDocument("a", "note", ["red", "shoe", "shoe"], unit(1), {"kind": "note", "topic": ["home", "diy"]}),
            IndexDocument("b", "note", ["red", "hat"], unit(1, 1), {"kind": "note", "topic": "home"}),
            IndexDocument("c", "product", ["跑", "步", "跑步", "shoe"], unit(0, 1), {"kind": "product"}),
            IndexDocument("d", "product", ["green", "bag"], None, {"kind": "product"}),
        ]
    )
    index.refresh()


def forget(index: SearchIndex) -> None:
    """A filling that finds nothing in SQL."""
    with index.filling():
        pass


def ids(hits: list) -> list[str]:
    return [hit.id for hit in hits]


def test_empty_index_answers_with_nothing(index: SearchIndex) -> None:
    assert index.count() == 0
    assert index.lexical(["red"], 10) == []
    assert index.nearest(unit(1), 10) == []
    assert index.vectors(["a"]) == {}


def test_any_token_matches_and_the_document_with_more_of_them_comes_first(index: SearchIndex) -> None:
    fill(index)
    assert index.count() == 4
    assert ids(index.lexical(["red", "hat"], 10)) == ["b", "a"]
    assert ids(index.lexical(["跑步"], 10)) == ["c"]
    assert index.lexical([], 10) == []
    assert index.lexical(["absent"], 10) == []
    assert index.lexical(["red"], 0) == []
    assert len(index.lexical(["red", "shoe"], 1)) == 1


def test_bm25_is_the_standard_formula(index: SearchIndex) -> None:
    index.put([IndexDocument(str(n), "note", ["x"] * n + ["y"] * (10 - n)) for n in range(5)])
    index.refresh()
    idf = math.log(1 + (5 - 4 + 0.5) / (4 + 0.5))
    expected = {str(n): idf * 2.2 * n / (n + 1.2) for n in range(1, 5)}
    assert {hit.id: hit.score for hit in index.lexical(["x"], 10)} == pytest.approx(expected, rel=1e-4)


def test_nearest_is_by_cosine_and_passes_over_documents_without_a_vector(index: SearchIndex) -> None:
    fill(index)
    hits = index.nearest(unit(1), 10)
    assert ids(hits) == ["a", "b", "c"]
    assert [hit.score for hit in hits] == pytest.approx([1, 0.5**0.5, 0], abs=2e-3)
    assert ids(index.nearest(unit(1), 2)) == ["a", "b"]


def test_filters_are_exact_for_words_and_for_meaning(index: SearchIndex) -> None:
    fill(index)
    assert ids(index.lexical(["shoe"], 10, {"kind": "product"})) == ["c"]
    assert ids(index.lexical(["red"], 10, {"kind": "note", "topic": "diy"})) == ["a"]
    assert set(ids(index.lexical(["shoe"], 10, {"kind": ["note", "product"]}))) == {"a", "c"}
    assert index.lexical(["red"], 10, {"topic": "absent"}) == []
    assert index.lexical(["red"], 10, {"kind": []}) == []
    assert ids(index.nearest(unit(0, 1), 10, {"kind": "note"})) == ["b", "a"]
    assert ids(index.nearest(unit(1), 1, {"kind": "product"})) == ["c"]
    assert index.nearest(unit(1), 10, {"kind": "note", "topic": "absent"}) == []
    assert index.nearest(unit(1), 10, {"kind": []}) == []


def test_a_selective_filter_finds_what_is_far_behind_everything_else(index: SearchIndex) -> None:
    rng = np.random.default_rng(3)
    near = unit(1) + 0.05 * rng.standard_normal((1500, DIMENSIONS)).astype(np.float32)
    crowd = [IndexDocument(f"n{n}", "note", ["x"], unit(*row), {"kind": "note"}) for n, row in enumerate(near)]
    rare = [IndexDocument(f"r{n}", "room", ["x"], unit(-1, n), {"kind": "room"}) for n in range(3)]
    index.put([*crowd, *rare])
    index.refresh()
    assert ids(index.nearest(unit(1), 10, {"kind": "room"})) == ["r2", "r1", "r0"]
    assert {hit.id[0] for hit in index.nearest(unit(1), 10)} == {"n"}
    assert len(index.lexical(["x"], 10, {"kind": "room"})) == 3


def test_a_filter_changes_no_score(index: SearchIndex) -> None:
    fill(index)
    open_, filtered = index.lexical(["shoe"], 10), index.lexical(["shoe"], 10, {"kind": "product"})
    assert {h.id: h.score for h in filtered}["c"] == pytest.approx({h.id: h.score for h in open_}["c"])


def test_ceilings_are_what_each_token_reaches_alone(index: SearchIndex) -> None:
    fill(index)
    best = [index.lexical([token], 1)[0].score for token in ("red", "shoe")]
    assert index.ceilings(["red", "absent", "shoe"]) == pytest.approx([best[0], 0, best[1]])
    assert index.ceilings([]) == []
    index.put([IndexDocument("e", "note", ["absent"])])
    index.refresh()
    assert index.ceilings(["absent"])[0] > 0


def test_ceilings_that_are_forgotten_meanwhile_are_asked_again(
    index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(index)
    monkeypatch.setattr("engines.index.elastic._REMEMBERED", 1)
    first = [index.ceilings([token])[0] for token in ("red", "hat")]
    assert index.ceilings(["red", "shoe", "hat"]) == pytest.approx([first[0], index.ceilings(["shoe"])[0], first[1]])


def test_put_replaces_words_vector_and_terms(index: SearchIndex) -> None:
    fill(index)
    index.put([IndexDocument("a", "note", ["blue"], unit(0, 0, 1), {"kind": "note", "topic": "blue"})])
    index.put([IndexDocument("c", "product", ["blue"], None, {"kind": "product"})])
    index.refresh()
    assert index.count() == 4
    assert ids(index.lexical(["shoe"], 10)) == []
    assert set(ids(index.lexical(["blue"], 10))) == {"a", "c"}
    assert ids(index.nearest(unit(0, 0, 1), 1)) == ["a"]
    assert index.nearest(unit(1), 10, {"topic": "diy"}) == []
    assert set(index.vectors(["a", "b", "c"])) == {"a", "b"}


def test_of_two_with_one_id_in_one_put_the_later_counts(index: SearchIndex) -> None:
    index.put([IndexDocument("a", "note", ["one"], unit(1)), IndexDocument("a", "note", ["two"], unit(0, 1))])
    index.refresh()
    assert index.count() == 1
    assert ids(index.lexical(["one", "two"], 5)) == ["a"]
    assert index.nearest(unit(0, 1), 5)[0].score == pytest.approx(1, abs=2e-3)


def test_what_waits_is_seen_after_refresh(index: SearchIndex) -> None:
    fill(index)
    index.put([IndexDocument("e", "note", ["fresh"], unit(0, 0, 0, 1))])
    index.delete(["a"])
    assert index.lexical(["fresh"], 5) == []
    assert "a" in ids(index.lexical(["red"], 5))
    index.refresh()
    assert ids(index.lexical(["fresh"], 5)) == ["e"]
    assert "a" not in ids(index.lexical(["red"], 5)) + ids(index.nearest(unit(1), 5))


def test_delete_of_an_absent_id_is_no_error(index: SearchIndex) -> None:
    fill(index)
    index.delete(["a", "nobody"])
    index.refresh()
    assert index.count() == 3


def test_delete_then_put_in_one_refresh_keeps_the_document(index: SearchIndex) -> None:
    fill(index)
    index.delete(["a"])
    index.put([IndexDocument("a", "note", ["again"], unit(1))])
    index.refresh()
    assert ids(index.lexical(["again"], 5)) == ["a"]
    assert "a" in ids(index.nearest(unit(1), 5))


def test_vectors_come_back_as_they_went_in(index: SearchIndex) -> None:
    fill(index)
    found = index.vectors(["b", "d", "nobody"])
    assert list(found) == ["b"]
    assert found["b"].dtype == np.float32
    assert found["b"] == pytest.approx(unit(1, 1), abs=1e-3)
    assert np.linalg.norm(found["b"]) == pytest.approx(1, abs=1e-6)


def test_a_filling_takes_the_place_of_what_was_there(index: SearchIndex) -> None:
    fill(index)
    with index.filling() as copy:
        copy.put([IndexDocument("e", "note", ["filled"], unit(0, 0, 1), {"kind": "note"})])
        assert index.lexical(["filled"], 5) == []
        assert ids(index.lexical(["hat"], 5)) == ["b"]
    assert index.fresh
    assert index.count() == 1
    assert ids(index.lexical(["filled", "hat"], 5)) == ["e"]
    assert ids(index.nearest(unit(1), 5, {"kind": "note"})) == ["e"]
    forget(index)
    assert index.count() == 0
    assert index.nearest(unit(1), 5) == []
    fill(index)
    assert ids(index.nearest(unit(1), 1)) == ["a"]


def test_what_changes_during_a_filling_is_in_both_copies(index: SearchIndex) -> None:
    fill(index)
    with index.filling() as copy:
        copy.put([IndexDocument(id, "note", ["old"], unit(1)) for id in ("a", "b", "x")])
        index.put([IndexDocument("a", "note", ["new"], unit(0, 1)), IndexDocument("f", "note", ["new"])])
        index.delete(["b"])
        copy.delete(["x"])
        index.refresh()
        assert ids(index.lexical(["new"], 5)) == ["a", "f"]
        assert ids(index.lexical(["hat"], 5)) == []
    assert ids(index.lexical(["new"], 5)) == ["a", "f"]
    assert index.lexical(["old"], 5) == []
    assert ids(index.nearest(unit(0, 1), 5)) == ["a"]


def test_a_filling_that_fails_changes_nothing_and_another_may_begin(index: SearchIndex) -> None:
    fill(index)
    filling = index.filling()
    filling.__enter__().put([IndexDocument("e", "note", ["filled"])])
    assert not filling.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert not index.fresh
    assert index.count() == 4
    forget(index)
    assert index.fresh


def test_who_asks_while_copies_are_swapped_gets_one_of_them_whole(index: SearchIndex) -> None:
    whole, answers, done = 30, list[tuple[int, int, int]](), threading.Event()

    def swap() -> None:
        with index.filling() as copy:
            copy.put([IndexDocument(str(n), "note", ["x"], unit(1, n), {"kind": "note"}) for n in range(whole)])

    def ask() -> None:
        while not done.is_set():
            found = (index.lexical(["x"], 100, {"kind": "note"}), index.nearest(unit(1), 100))
            answers.append((*map(len, found), index.count()))

    swap()
    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask) for _ in range(3)]
        try:
            for _ in range(6):
                swap()
        finally:
            done.set()
        for one in asking:
            one.result()
    assert set(answers) == {(whole, whole, whole)}


def test_there_is_one_filling_at_a_time(index: SearchIndex) -> None:
    with index.filling() as copy:
        copy.put([IndexDocument("e", "note", ["filled"])])
        with pytest.raises(Conflict) as refused, index.filling():
            pass
        assert refused.value.code == "index.filling"
    assert index.count() == 1


def test_a_vector_of_a_wrong_shape_is_refused_and_changes_nothing(index: SearchIndex) -> None:
    fill(index)
    with pytest.raises(ValueError, match="shape"):
        index.put([IndexDocument("x", "note", ["x"], np.ones(3, np.float32))])
    index.refresh()
    assert index.lexical(["x"], 5) == []


def test_odd_ids_tokens_and_terms_survive(index: SearchIndex) -> None:
    odd = 'a b"\\=&:*()[]{}^~ 你好 \u0301 😀'
    index.put([IndexDocument(odd, "note", ["x" * 300, "1/2", "c++"], unit(1), {"topic": odd})])
    index.refresh()
    for token in ("x" * 300, "1/2", "c++"):
        assert ids(index.lexical([token], 5, {"topic": odd})) == [odd]
    index.delete([odd])
    index.refresh()
    assert index.count() == 0


# -- Elasticsearch alone: what its server promises -----------------------------------------------------------------------


@pytest.mark.engine("elasticsearch")
def test_the_mapping_is_strict_and_takes_tokens_as_they_are(elasticsearch_url: str) -> None:
    index = ElasticIndex(elasticsearch_url, DIMENSIONS)
    server, alias = index._client, index._alias
    mapping = next(iter(server.indices.get_mapping(index=alias).body.values()))["mappings"]
    assert mapping["dynamic"] == "strict"
    assert mapping["properties"]["tokens"]["analyzer"] == "whitespace"
    assert mapping["properties"]["vector"]["type"] == "dense_vector"
    with pytest.raises(BadRequestError, match="strict_dynamic_mapping_exception"):
        server.index(index=alias, id="a", document={"tokens": "red", "price": 12900})
    index.refresh()
    assert index.count() == 0
    assert "price" not in str(server.indices.get_mapping(index=alias).body)
    index.close()


def test_an_index_of_its_own_lies_beside_the_one_in_use_and_is_gone_afterwards(index: SearchIndex, url: str) -> None:
    fill(index)
    with own_index(url, DIMENSIONS) as own:
        assert own.count() == 0
        own.put([IndexDocument("e", "note", ["red"], unit(1))])
        own.refresh()
        assert (own.count(), index.count()) == (1, 4)
    assert index.count() == 4
    if isinstance(index, ElasticIndex):
        assert list(index._client.indices.get(index=f"{index._alias}-own-*").body) == []


# -- the embedded engine alone: what its folder promises -------------------------------------------------------------


def test_reopened_index_is_as_it_was(opener: Opener) -> None:
    index = opener()
    forget(index)
    fill(index)
    index.put([IndexDocument("b", "note", ["later"], unit(0, 0, 0, 1), {"kind": "note"})])
    index.delete(["a"])
    again = opener()
    assert again.fresh
    assert again.count() == 3
    assert ids(again.lexical(["later"], 5)) == ["b"]
    assert ids(again.nearest(unit(0, 0, 0, 1), 1, {"kind": "note"})) == ["b"]
    assert set(again.vectors(["a", "b", "c", "d"])) == {"b", "c"}


DIED_FILLING = """
import os, signal, sys
from pathlib import Path
from engines.index import open_index
from kernel.ports import IndexDocument

index = open_index(sys.argv[1], Path(sys.argv[2]), 8, name="contract")
with index.filling() as copy:
    copy.put([IndexDocument("a", "note", ["whole"])])
with index.filling() as copy:
    copy.put([IndexDocument("b", "note", ["half"])])
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_filling_that_died_leaves_the_index_as_it_was(
    url: str, opener: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run([sys.executable, "-c", DIED_FILLING, url, str(tmp_path / "index")], cwd=ROOT, timeout=60)
    index = opener()
    assert index.fresh
    assert ids(index.lexical(["whole", "half"], 5)) == ["a"]
    monkeypatch.setattr(
        "engines.index.elastic_copies.ABANDONED", 0.0
    )  # the two minutes after which nobody believes in it
    forget(index)
    assert index.count() == 0


def _broken(folder: Path, how: str) -> None:
    if how == "marker":
        (folder / "index.json").write_text("{")
        return
    (folder,) = (path for path in folder.iterdir() if path.is_dir())
    if how == "rows":
        (row_file,) = (folder / "vectors").glob("rows-*")
        row_file.write_bytes(row_file.read_bytes()[: 2 * DIMENSIONS + 3])
    elif how == "vectors":
        for path in (folder / "vectors").iterdir():
            path.unlink()
    elif how == "meta":
        (folder / "words" / "meta.json").write_text("{}")
    elif how == "segment":
        for path in (folder / "words").glob("*.store"):
            path.write_bytes(path.read_bytes()[:10])
    elif how == "words":
        for path in (folder / "words").iterdir():
            path.unlink()


@pytest.mark.parametrize("how", ["marker", "rows", "vectors", "meta", "segment", "words"])
def test_a_damaged_folder_is_noticed_at_open(how: str, tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path, DIMENSIONS)
    forget(index)
    fill(index)
    index.close()
    _broken(tmp_path, how)
    again = EmbeddedIndex(tmp_path, DIMENSIONS)
    assert not again.fresh
    assert again.count() == 0
    forget(again)
    fill(again)
    again.close()
    once_more = EmbeddedIndex(tmp_path, DIMENSIONS)
    assert once_more.fresh
    assert once_more.count() == 4
    once_more.close()


@pytest.mark.engine("elasticsearch")
@pytest.mark.parametrize("late", ["writes", "ends", "fails"])
def test_who_was_taken_for_dead_neither_writes_nor_ends_anothers_filling(
    elasticsearch_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    """A process that was stopped for minutes wrote into the index of who had taken over, and put half of it in use."""

    def open_it() -> SearchIndex:
        return open_index(elasticsearch_url, tmp_path, DIMENSIONS, name="contract")

    stalled, rightful = open_it(), open_it()
    forget(stalled)
    with rightful.filling() as whole:
        whole.put([IndexDocument("old", "note", ["old"])])
    monkeypatch.setattr("engines.index.elastic_copies.ABANDONED", -1.0)  # whoever fills is taken for dead at once
    first = stalled.filling()
    begun = first.__enter__()
    begun.put([IndexDocument("half", "note", ["half"])])
    with rightful.filling() as anew:
        anew.put([IndexDocument("whole", "note", ["whole"])])
        if late == "fails":
            first.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
        elif late == "writes":
            with pytest.raises(Conflict, match=r"index\.filling"):
                begun.put([IndexDocument("more", "note", ["more"])])
        else:
            with pytest.raises(Conflict, match=r"index\.filling"):
                first.__exit__(None, None, None)
        anew.put([IndexDocument("rest", "note", ["rest"])])
    assert rightful.fresh
    assert rightful.count() == 2
    for index in (stalled, rightful):
        index.close()


@pytest.mark.engine("elasticsearch")
def test_an_elasticsearch_whose_disk_is_full_is_away_and_takes_it_later(elasticsearch_url: str, tmp_path: Path) -> None:
    """It was taken for a fault of ours: the job was parked, and what was published stayed out of search for good."""
    index = open_index(elasticsearch_url, tmp_path, DIMENSIONS, name="contract")
    forget(index)
    fill(index)
    server, _, alias = elasticsearch_url.rpartition("/")
    with Elasticsearch(server, request_timeout=60) as client:
        names = list(client.indices.get(index=f"{alias}-*").body)
        for full in (True, None):
            client.indices.put_settings(index=names, settings={"index.blocks.read_only_allow_delete": full})
            if full:
                with pytest.raises(Unavailable):
                    index.put([IndexDocument("late", "note", ["late"])])
    index.put([IndexDocument("late", "note", ["late"])])
    index.refresh()
    assert [hit.id for hit in index.lexical(["late"], 5)] == ["late"]
    index.close()


def test_an_index_deleted_behind_its_alias_is_noticed(elasticsearch_url: str, tmp_path: Path) -> None:
    def open_it() -> SearchIndex:
        return open_index(elasticsearch_url, tmp_path, DIMENSIONS, name="contract")

    index = open_it()
    forget(index)
    fill(index)
    assert index.fresh
    server, _, alias = elasticsearch_url.rpartition("/")
    with Elasticsearch(server, request_timeout=60) as client:
        client.indices.delete(index=list(client.indices.get(index=f"{alias}-*").body))
    assert not index.fresh  # a running server sees it, too
    index.close()
    again = open_it()
    assert not again.fresh
    assert again.count() == 0
    forget(again)
    assert again.fresh
    again.close()


@pytest.mark.parametrize("vector", [unit(1, 2), None], ids=["vectors are refused", "words are refused"])
def test_what_a_full_disk_refuses_is_written_down_once_there_is_room(vector: Vectors | None, tmp_path: Path) -> None:
    more = [IndexDocument(f"more_{n}", "note", ["red", f"word{n}"], vector) for n in range(200)]
    with on_small_disk(tmp_path / "disk") as disk:
        index = EmbeddedIndex(disk / "index", DIMENSIONS)
        forget(index)
        fill(index)
        with filled(disk):
            for _ in range(2):  # the second finds what the first broke
                with pytest.raises(Unavailable, match=r"disk\.full|index\.unavailable"):
                    _write(index, more)
            assert ids(index.lexical(["red", "hat"], 10)) == ["b", "a"]
            assert ids(index.nearest(unit(1), 1)) == ["a"]
        _write(index, more)
        assert index.count() == 204
        assert len(index.vectors([one.id for one in more])) == (0 if vector is None else 200)
        index.close()
        again = EmbeddedIndex(disk / "index", DIMENSIONS)
        assert again.fresh
        assert again.count() == 204
        again.close()


def _write(index: SearchIndex, documents: list[IndexDocument]) -> None:
    index.put(documents)
    index.refresh()


@contextmanager
def on_small_disk(folder: Path) -> Iterator[Path]:
    with ExitStack() as closing:
        try:
            disk = closing.enter_context(small_disk(folder))
        except CannotMount as error:
            pytest.skip(f"a small disk cannot be mounted here: {error}")
        yield disk


def test_another_encoder_or_size_of_vectors_begins_anew(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path, DIMENSIONS, name="one")
    forget(index)
    fill(index)
    index.close()
    other = EmbeddedIndex(tmp_path, DIMENSIONS, name="two")
    assert not other.fresh
    forget(other)
    other.close()
    wider = EmbeddedIndex(tmp_path, DIMENSIONS * 2, name="two")
    assert not wider.fresh
    wider.close()


def test_a_folder_in_use_is_refused_with_a_sentence(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path, DIMENSIONS)
    with pytest.raises(SettingError, match=r"OFFSHELF_DATA.*in use"):
        EmbeddedIndex(tmp_path, DIMENSIONS)
    fill(index)
    assert index.count() == 4
    index.close()


def test_an_unknown_scheme_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"OFFSHELF_INDEX_URL.*embedded://"):
        open_index("solr://localhost", tmp_path, DIMENSIONS)


def test_dead_rows_are_dropped_at_open(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path, DIMENSIONS)
    forget(index)
    for turn in range(13):
        index.put([IndexDocument(str(n), "note", ["x"], unit(n + 1, turn)) for n in range(100)])
        index.refresh()
    index.close()
    again = EmbeddedIndex(tmp_path, DIMENSIONS)
    assert again._live.rows.count == 100
    assert again.vectors(["42"])["42"] == pytest.approx(unit(43, 12), abs=2e-3)
    again.close()


def test_what_is_deleted_leaves_no_row_behind_for_good(tmp_path: Path) -> None:
    """Rooms come and go: once most rows are dead a start drops them, and does so once."""
    index = EmbeddedIndex(tmp_path, DIMENSIONS)
    with index.filling() as copy:
        copy.put([IndexDocument(str(n), "n", ["x"], unit(1)) for n in range(3000)])
    index.delete([str(n) for n in range(2990)])
    index.refresh()
    generations = set()
    for _ in range(3):
        index.close()
        index = EmbeddedIndex(tmp_path, DIMENSIONS)
        assert index._live.rows.count == 10
        generations.add(index._live.rows._generation)
        assert {hit.id for hit in index.nearest(unit(1), 20)} == {str(n) for n in range(2990, 3000)}
    assert len(generations) == 1
    index.close()


def test_the_graph_agrees_with_exact_search_under_filters_deletes_and_updates(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    rows = rng.standard_normal((3000, 32)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    exact = EmbeddedIndex(tmp_path / "exact", 32)
    graph = EmbeddedIndex(tmp_path / "graph", 32, exact_below=500)
    for index in (exact, graph):
        with index.filling() as copy:
            copy.put([IndexDocument(str(n), "n", ["x"], rows[n], {"half": str(n % 2)}) for n in range(2500)])
        index.put([IndexDocument(str(n), "n", ["x"], rows[n], {"half": str(n % 2)}) for n in range(2000, 3000)])
        index.delete([str(n) for n in range(0, 400)])
        index.refresh()
    graph.close()
    graph = EmbeddedIndex(tmp_path / "graph", 32, exact_below=500)
    assert graph._live.rows._grown > 0
    for terms in (None, {"half": "1"}):
        found = [
            len(set(ids(exact.nearest(q, 100, terms))) & set(ids(graph.nearest(q, 100, terms)))) / 100
            for q in rng.standard_normal((20, 32)).astype(np.float32)
        ]
        assert np.mean(found) >= 0.98
    for index in (exact, graph):
        index.close()


UNDER_GEVENT = """
from gevent import monkey; monkey.patch_all()
import sys, gevent, numpy as np
from pathlib import Path
from engines.index.embedded import EmbeddedIndex
from engines.offloop import off_loop
from kernel.ports import IndexDocument

index = EmbeddedIndex(Path(sys.argv[1]), 8, off_loop=off_loop)
index._query = lambda query, *args: off_loop(query, *args)  # every query from a native thread, as in a large index

def write(name):
    for turn in range(20):
        index.put([IndexDocument(f"{name}-{turn}", "n", ["x"], np.eye(8, dtype=np.float32)[turn % 8])])
        index.refresh()
        assert f"{name}-{turn}" in {hit.id for hit in index.lexical(["x"], 1000)}

def read():
    for _ in range(50):
        assert all(hit.score > 0.9 for hit in index.nearest(np.eye(8, dtype=np.float32)[0], 2) if hit.id.endswith("-0"))

gevent.joinall([gevent.spawn(write, n) for n in range(6)] + [gevent.spawn(read) for _ in range(4)], raise_error=True)
assert index.count() == 120
assert len(index.nearest(np.eye(8, dtype=np.float32)[0], 1000)) == 120
index.close()
print("whole")
"""


def test_greenlets_write_and_read_at_once_through_native_threads(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNDER_GEVENT, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "whole\n", done.stderr


KILLED = """
import os, signal, sys, numpy as np
from pathlib import Path
from engines.index.embedded import EmbeddedIndex
from kernel.ports import IndexDocument

index = EmbeddedIndex(Path(sys.argv[1]), 8)
with index.filling():
    pass
for turn in range(10):
    index.put([IndexDocument(str(turn), "n", ["x"], np.eye(8, dtype=np.float32)[turn % 8])])
    if turn < 7:
        index.refresh()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_its_last_refresh(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    index = EmbeddedIndex(tmp_path, DIMENSIONS)
    assert index.fresh
    assert index.count() == 7
    assert len(index.nearest(unit(1), 100)) == 7
    index.close()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["put", "bare", "delete", "refresh", "reopen"]), st.integers(0, 5), st.integers(0, 3)
        ),
        max_size=25,
    )
)
def test_any_sequence_of_changes_ends_as_a_dict_would(
    steps: list[tuple[str, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("index")
    index = EmbeddedIndex(folder, DIMENSIONS)
    forget(index)
    expected: dict[str, tuple[int, bool]] = {}
    for what, name, word in steps:
        if what in ("put", "bare"):
            vector = unit(1, word) if what == "put" else None
            index.put([IndexDocument(str(name), "n", [f"w{word}"], vector, {"word": str(word)})])
            expected[str(name)] = (word, what == "put")
        elif what == "delete":
            index.delete([str(name)])
            expected.pop(str(name), None)
        elif what == "refresh":
            index.refresh()
        else:
            index.close()
            index = EmbeddedIndex(folder, DIMENSIONS)
    index.refresh()
    try:
        assert index.count() == len(expected)
        for word in range(4):
            words = {i for i, (w, _) in expected.items() if w == word}
            meant = {i for i, (w, has) in expected.items() if w == word and has}
            assert set(ids(index.lexical([f"w{word}"], 10))) == words
            assert set(ids(index.nearest(unit(1), 10, {"word": str(word)}))) == meant
    finally:
        index.close()


def test_the_index_and_the_encoders_runtime_live_in_one_process() -> None:
    for first, second in (("engines.index.vectors", "onnxruntime"), ("onnxruntime", "engines.index.vectors")):
        code = f"import {first}, {second}"
        assert subprocess.run([sys.executable, "-W", "ignore", "-c", code]).returncode == 0, code
