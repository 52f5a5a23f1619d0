"""Search through HTTP; the hash encoder stands in for meaning, the index is the real one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from kernel import cursors
from kernel.errors import Conflict, Unavailable
from kernel.jobs import JobRow
from kernel.ports import IndexDocument
from search.fusion import Ranked
from search.pages import by_relevance
from search.schemas import SearchQuery
from search.service import DEPTH
from search.tokens import query_tokens
from tests.house import House, problem
from tests.market import list_product
from tests.writing import publish


def found(house: House, query: str, **extra: str) -> list[str]:
    path = "search?q=" + query + "".join(f"&{name}={value}" for name, value in extra.items())
    return [item["id"] for item in house.device().get(path).json["items"]]


def test_a_published_note_is_found_by_its_words(any_house: House) -> None:
    any_house.services.search.fill_if_lost()
    author = any_house.as_("author")
    linen = publish(any_house, author, title="Washed linen shirt", text="Soft after the third wash, true to size.")
    publish(any_house, author, title="Camping stove", text="Boils a litre in four minutes, light to carry.")
    page = any_house.device().get("search?q=linen shirts").json
    assert page["items"][0]["id"] == linen
    assert "words" in page["items"][0]["matched_by"]
    assert page["facets"]["kind"]["note"] >= 1
    assert page["degraded"] is False


def test_chinese_is_found_without_spaces(house: House) -> None:
    author = house.as_("author")
    note = publish(house, author, title="梨形身材怎么穿", text="高腰阔腿裤加短上衣，显腿长。")
    publish(house, author, title="手账排版", text="三种实用的排版方法。")
    assert found(house, "梨形身材")[0] == note


def test_what_is_taken_down_is_absent_from_the_next_answer(house: House) -> None:
    author = house.as_("author")
    note = publish(house, author, title="Washed linen shirt", text="Soft after the third wash.")
    house.services.notes.delete(house.services.accounts.actor(author.id), note)
    assert found(house, "linen") == []  # before any job has run: results are re-read from SQL
    house.jobs()
    assert house.engines.index.count() == 0


def test_blocked_people_do_not_find_each_other(house: House) -> None:
    author, viewer = house.as_("author"), house.as_("viewer")
    publish(house, author, title="Washed linen shirt", text="Soft after the third wash.")
    author.put(f"accounts/{viewer.id}/block")
    assert viewer.get("search?q=linen").json["items"] == []
    assert len(house.as_("other").get("search?q=linen").json["items"]) == 1


def test_a_renamed_product_is_found_by_its_new_name_and_no_more_by_its_old_one(any_house: House) -> None:
    merchant = any_house.as_("merchant", "merchant")
    product = list_product(merchant)
    any_house.jobs()
    merchant.patch(f"products/{product['id']}", {"title": "Beeswax candle"}, '"1"')
    any_house.jobs()
    assert found(any_house, "beeswax", kind="product") == [product["id"]]
    assert found(any_house, "linen", kind="product") == []


def test_what_means_nothing_finds_nothing(any_house: House) -> None:
    any_house.services.search.fill_if_lost()
    author = any_house.as_("author")
    publish(any_house, author, title="Washed linen shirt", text="Soft after the third wash, true to size.")
    publish(any_house, author, title="手账排版", text="三种实用的排版方法。")
    viewer = any_house.device()
    for nonsense in ("qqqqzzzz", "巭孬嫑夯", "xkcdvbn hjkqwe"):
        page = viewer.get(f"search?q={nonsense}").json
        assert (page["items"], page["next_cursor"], page["degraded"]) == ([], None, False)
        assert page["facets"]["kind"] == {"note": 0, "product": 0, "room": 0}
    assert len(found(any_house, "linen")) == 1


def test_pages_are_disjoint_and_complete(house: House) -> None:
    author = house.as_("author")
    notes = {publish(house, author, title=f"Linen number {n}", text="Soft linen, washed before use.") for n in range(7)}
    viewer, seen, cursor = house.device(), [], ""
    while cursor is not None:
        page = viewer.get(f"search?q=linen&limit=3{cursor and '&cursor=' + cursor}").json
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen))
    assert set(seen) == notes


MEANWHILE = st.one_of(st.just("publish"), st.tuples(st.just("hide"), st.integers(0, 30)))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(0, 9), min_size=3, max_size=7),
    limit=st.integers(1, 3),
    sort=st.sampled_from(["relevance", "newest"]),
    script=st.lists(st.lists(MEANWHILE, max_size=3), max_size=7),
)
def test_pages_skip_and_repeat_nothing_whatever_is_published_or_hidden_between_them(
    house: House, lengths: list[int], limit: int, sort: str, script: list[list[Any]]
) -> None:
    run = house.runs = getattr(house, "runs", 0) + 1  # type: ignore[attr-defined]
    author, viewer, word = house.as_(f"author_{run}"), house.device(), f"linen{run}x"

    def write(length: int) -> str:
        house.clock.advance(seconds=60)
        return publish(house, author, title=f"A {word} shirt", text=f"{word} " + "soft and washed " * length)

    there = [write(length) for length in lengths]
    all_along, hidden = set(there), set()
    seen, cursor = list[str](), ""
    while cursor is not None:
        answer = viewer.get(f"search?q={word}&limit={limit}&sort={sort}&kind=note{cursor and '&cursor=' + cursor}")
        page = [item["id"] for item in answer.json["items"]]
        assert not hidden & set(page)
        seen, cursor = seen + page, answer.json["next_cursor"]
        for act in script.pop(0) if script else []:
            if act == "publish" or not there:
                there.append(write(len(there)))
                continue
            gone = there.pop(act[1] % len(there))
            house.services.notes.delete(house.services.accounts.actor(author.id), gone)
            hidden.add(gone)
            house.jobs()
    assert len(seen) == len(set(seen))
    assert set(seen) >= all_along - hidden
    if sort == "newest":
        assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("kind", ["note", "product"])
def test_an_answer_is_paged_to_its_depth_and_no_further(house: House, kind: str) -> None:
    merchant = house.as_("merchant", "merchant")
    for n in range(12):
        publish(house, merchant, title=f"Linen {n}", text="Soft linen.") if kind == "note" else list_product(merchant)
    house.jobs()
    for sort in ("relevance", "newest"):
        seen, cursor = list[str](), ""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("search.service.DEPTH", 7)
            while cursor is not None:
                query = f"search?q=linen&kind={kind}&sort={sort}&limit=2{cursor and '&cursor=' + cursor}"
                page = house.device().get(query).json
                seen, cursor = seen + [item["id"] for item in page["items"]], page["next_cursor"]
        assert len(seen) == len(set(seen)) == 7


def test_a_cursor_of_one_order_is_refused_by_another(house: House) -> None:
    author, viewer = house.as_("author"), house.device()
    for n in range(3):
        publish(house, author, title=f"Linen {n}", text="Soft linen.")
    best, newest = (
        viewer.get(f"search?q=linen&limit=1&sort={sort}").json["next_cursor"] for sort in ("relevance", "newest")
    )
    assert problem(viewer.get(f"search?q=linen&sort=newest&cursor={best}")) == (400, "cursor.malformed")
    assert problem(viewer.get(f"search?q=linen&cursor={newest}")) == (400, "cursor.malformed")
    assert problem(viewer.get(f"search?q=linen&cursor={cursors.encode('abc')}")) == (400, "cursor.malformed")
    assert problem(viewer.get(f"search?q=linen&cursor={cursors.encode('YWJj')}")) == (400, "cursor.malformed")


def test_the_cursor_of_the_deepest_page_is_taken_again() -> None:
    found = [(Ranked(f"note_{n:026}", 1.0, ("words",)), dict[str, Any]()) for n in range(DEPTH + 1)]
    page, cursor = by_relevance(found, None, DEPTH, DEPTH + 1)
    assert cursor is not None
    assert SearchQuery(q="linen", cursor=cursor).cursor == cursor
    assert by_relevance(found, cursor, DEPTH, DEPTH + 1) == ([found[-1]], None)
    assert len(page) == DEPTH


def test_a_kind_is_filtered_and_newest_sorted(house: House) -> None:
    author = house.as_("author")
    old = publish(house, author, title="Linen shirt", text="Soft linen.")
    house.clock.advance(hours=1)
    new = publish(house, author, title="Linen trousers", text="Wide linen.")
    assert found(house, "linen", sort="newest") == [new, old]
    assert found(house, "linen", kind="product") == []


def test_a_kind_is_searched_as_deep_as_all_of_them(house: House) -> None:
    product = list_product(house.as_("merchant", "merchant"))["id"]
    house.jobs()
    tokens, vector = 3 * query_tokens("linen"), house.engines.encoder.queries(["linen"])[0]
    flood = [IndexDocument(f"note_{n:026}", "note", tokens, vector, {"kind": "note"}) for n in range(DEPTH + 50)]
    house.engines.index.put(flood)
    house.engines.index.refresh()
    page = house.device().get("search?q=linen&kind=product").json
    assert [item["id"] for item in page["items"]] == [product]
    assert page["facets"]["kind"]["product"] == 1


@contextmanager
def without_encoder(house: House) -> Iterator[None]:
    def away(texts: object) -> None:
        raise Unavailable("encoder.unavailable", "The encoder does not answer.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.engines.encoder, "queries", away)
        patch.setattr(house.engines.encoder, "documents", away)
        yield


def jobs_waiting(house: House) -> list[tuple[str, str]]:
    with house.engines.db.read() as session:
        return [(row.name, row.status) for row in session.scalars(select(JobRow))]


def test_what_is_published_without_the_encoder_is_found_by_words_at_once_and_by_meaning_later(house: House) -> None:
    house.services.search.fill_if_lost()
    author, viewer = house.as_("author"), house.device()
    before = publish(house, author, title="Linen trousers", text="Wide, and soft after the third wash.")
    with without_encoder(house):
        note = publish(house, author, title="Washed linen shirt", text="Soft after the third wash.")
        for _ in range(10):  # more often than a job is tried that is at fault itself
            house.clock.advance(seconds=16)
            house.jobs()
        page = viewer.get("search?q=linen").json
        assert page["degraded"] is True
        assert {item["id"]: item["matched_by"] for item in page["items"]} == {before: ["words"], note: ["words"]}
        assert {item["text"] for item in viewer.get("search/suggest?q=linen").json["items"]} == {
            "Linen trousers",
            "Washed linen shirt",
        }
        assert "taking a rest" in viewer.get("/search?q=linen").get_data(as_text=True)
        assert jobs_waiting(house) == [("search.index", "waiting")]
        assert house.engines.index.vectors([note]) == {}
    house.clock.advance(seconds=16)
    house.jobs()
    assert jobs_waiting(house) == []
    assert viewer.get("search?q=linen").json["degraded"] is False
    assert set(house.engines.index.vectors([before, note])) == {before, note}


def test_without_the_encoder_a_rebuild_is_refused_and_a_lost_index_is_filled_with_words(house: House) -> None:
    search, viewer = house.services.search, house.device()
    note = publish(house, house.as_("author"), title="Washed linen shirt", text="Soft after the third wash.")
    with house.engines.index.filling():
        pass  # whatever it held is gone
    with without_encoder(house):
        with pytest.raises(Unavailable, match="encoder"):
            search.rebuild()
        assert found(house, "linen") == []
    with pytest.MonkeyPatch.context() as lost:
        lost.setattr(type(house.engines.index), "fresh", property(lambda index: False))
        with without_encoder(house), pytest.raises(Unavailable, match="encoder"):
            search.fill_if_lost()  # so that the job is tried again
        assert found(house, "linen") == [note]
        assert viewer.get("search?q=linen").json["degraded"] is True
        assert house.engines.index.vectors([note]) == {}
        search.fill_if_lost()
    assert set(house.engines.index.vectors([note])) == {note}
    assert viewer.get("search?q=linen").json["degraded"] is False


def test_an_index_that_is_not_whole_is_said(house: House) -> None:
    assert house.device().get("search?q=linen").json["degraded"] is True  # never filled
    house.services.search.fill_if_lost()
    assert house.device().get("search?q=linen").json["degraded"] is False


def test_a_lost_index_is_filled_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    note = publish(house, house.as_("author"), title="Washed linen shirt", text="Soft after the third wash.")
    with house.engines.index.filling():
        pass  # whatever it held is gone
    assert found(house, "linen") == []
    monkeypatch.setattr(type(house.engines.index), "fresh", property(lambda index: False))
    house.services.search.fill_if_lost()
    assert found(house, "linen") == [note]


def test_a_rebuild_loses_nothing_that_is_published_or_hidden_meanwhile(house: House) -> None:
    author, search = house.as_("author"), house.services.search
    first, second = (publish(house, author, title=f"Washed linen shirt {n}", text="Soft.") for n in (1, 2))
    meanwhile = []

    def halfway(kind: str, done: int) -> None:
        if kind == "note" and not meanwhile:
            search.fill_if_lost()  # the job of every minute comes while this filling goes on
            house.services.notes.delete(house.services.accounts.actor(author.id), first)
            meanwhile.append(publish(house, author, title="Washed linen trousers", text="Softer."))

    search.rebuild(halfway)
    assert set(found(house, "linen")) == {second, *meanwhile}
    assert house.engines.index.count() == 2


def test_a_second_rebuild_is_refused_while_one_goes_on(house: House) -> None:
    note = publish(house, house.as_("author"), title="Washed linen shirt", text="Soft after the third wash.")
    search = house.services.search

    def again(kind: str, done: int) -> None:
        with pytest.raises(Conflict) as refused:
            search.rebuild()
        assert refused.value.code == "index.filling"

    assert search.rebuild(again) == 1
    assert found(house, "linen") == [note]


def test_what_changes_while_it_is_indexed_is_read_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    author = house.as_("author")
    note = publish(house, author, title="Washed linen shirt", text="Soft after the third wash.")
    index, notes = house.engines.index, house.services.notes
    put = index.put

    def late(documents: Any) -> None:
        monkeypatch.setattr(index, "put", put)
        notes.delete(house.services.accounts.actor(author.id), note)  # the read is old before it is written down
        house.services.search.index_things("note", [note])
        put(documents)

    monkeypatch.setattr(index, "put", late)
    house.services.search.index_things("note", [note])
    assert index.count() == 0


def test_suggestions_are_topics_then_titles(house: House) -> None:
    publish(house, house.as_("author"), title="Linen shirt for tall people", text="Soft.", topics=["linen care"])
    items = house.device().get("search/suggest?q=linen").json["items"]
    assert items == [
        {"text": "linen care", "kind": "topic"},
        {"text": "Linen shirt for tall people", "kind": "note"},
    ]


def test_bad_queries_are_refused(house: House) -> None:
    viewer = house.device()
    for query in (
        "q=",
        "q=%00",
        "q=a%E2%80%AEb",
        "q=a&kind=person",
        "q=a&limit=0",
        "q=" + "a" * 201,
        "",
        "q=a&q=b",
        "q=a&x=1",
    ):
        answer = viewer.get(f"search?{query}")
        assert answer.status_code == 422, query
        assert problem(answer) == (422, "request.invalid")
    assert problem(viewer.get("search?q=a&cursor=WzFd!")) == (400, "cursor.malformed")
