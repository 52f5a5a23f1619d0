"""Two rankings become one: by how sure each side is, and by what the query itself shows."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.ports import Hit
from search.fusion import (
    DENSE_WEIGHT,
    TAIL,
    astray,
    conviction,
    coverage,
    dense_weight,
    fuse,
    meaning_floor,
    trust,
)


def hits(**scores: float) -> list[Hit]:
    return [Hit(id, score) for id, score in sorted(scores.items(), key=lambda pair: -pair[1])]


def test_a_document_both_sides_like_beats_either_sides_favourite() -> None:
    ranked = fuse(hits(a=10, b=9, x=0), hits(c=0.9, b=0.88, y=0.5), 0.5)
    assert ranked[0].id == "b"
    assert ranked[0].matched_by == ("words", "meaning")
    assert {found.id: found.matched_by for found in ranked}["a"] == ("words",)
    assert {found.id: found.matched_by for found in ranked}["c"] == ("meaning",)


def test_the_scale_of_either_side_does_not_matter() -> None:
    one = fuse(hits(a=10, b=7, c=1), hits(c=0.9, b=0.4, a=0.1), 0.4)
    other = fuse(hits(a=1000, b=700, c=100), hits(c=0.09, b=0.04, a=0.01), 0.4)
    assert [found.id for found in one] == [found.id for found in other]
    assert [found.score for found in one] == pytest.approx([found.score for found in other])


def test_at_the_ends_one_side_speaks_alone() -> None:
    words, meaning = hits(a=3, b=2, c=1), hits(d=0.9, b=0.5)
    assert [found.id for found in fuse(words, meaning, 0)] == ["a", "b", "c"]
    assert [found.id for found in fuse(words, meaning, 1)] == ["d", "b"]


def test_nothing_found_is_nothing() -> None:
    assert fuse([], [], 0.5) == []
    assert [found.id for found in fuse([], hits(a=0.3), 0.5)] == ["a"]


def test_below_the_floor_meaning_alone_is_no_result() -> None:
    ranked = fuse(hits(a=10, b=9), hits(a=0.1, c=0.4, d=0.2), 0.5, floor=0.3)
    assert {found.id: found.matched_by for found in ranked} == {"a": ("words",), "b": ("words",), "c": ("meaning",)}
    assert fuse([], hits(a=0.2), 1, floor=0.3) == []


def test_the_floor_moves_nobody() -> None:
    words, meaning = hits(a=10, b=9, x=0), hits(c=0.9, b=0.88, y=0.5)
    kept = fuse(words, meaning, 0.5, floor=0.6)
    assert [(f.id, f.score) for f in kept] == [(f.id, f.score) for f in fuse(words, meaning, 0.5) if f.id != "y"]


def test_beside_a_convincing_match_a_little_less_will_do() -> None:
    assert meaning_floor(hits(a=0.31), 0.3) == pytest.approx(0.3 * TAIL)
    assert meaning_floor(hits(a=0.29), 0.3) == 0.3


def test_meaning_well_above_chance_is_believed() -> None:
    assert conviction(hits(a=0.3), 0.3) == 0
    assert conviction(hits(a=0.6, b=0.1), 0.3) == 1
    assert conviction([], 0.3) == conviction(hits(a=0.9), 0) == 0


def test_words_went_astray_where_their_matches_mean_something_else() -> None:
    words, meaning = hits(a=9, b=8, c=7, d=1), hits(x=0.5, y=0.4)
    assert astray(words, {"a": 0.05, "b": 0.1, "c": 0.0, "d": 0.5}, meaning, 0.3, short=True) == 1
    assert astray(words, {"a": 0.05, "b": 0.45, "c": 0.0}, meaning, 0.3) == 0
    fourth = {"a": 0.05, "b": 0.1, "c": 0.0, "d": 0.5}
    assert astray(words, fourth, meaning, 0.3) == 0
    assert astray(words, {"a": 0.05}, hits(x=0.3), 0.3) == 0, "what meaning found may be chance as well"
    assert dense_weight(coverage=0.3, trust=0, foreign=0, astray=1) == 1
    assert dense_weight(coverage=0.9, trust=0, foreign=0, astray=1) == 0, "nearly every word was found"


def test_ties_are_ordered_by_id() -> None:
    assert [found.id for found in fuse([Hit("b", 1), Hit("a", 1)], [], 0)] == ["a", "b"]


def test_meaning_decides_where_words_find_nothing() -> None:
    assert dense_weight(coverage=0, trust=0, foreign=0) == 1


def test_meaning_decides_where_words_only_touch_texts_of_another_script() -> None:
    assert dense_weight(coverage=0.33, trust=0.1, foreign=1) == 1


def test_a_model_number_counts_in_every_script() -> None:
    assert dense_weight(coverage=0.95, trust=1, foreign=1) == DENSE_WEIGHT


def test_meaning_that_contradicts_good_word_matches_counts_for_nothing() -> None:
    assert dense_weight(coverage=0.8, trust=0, foreign=0) == 0


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_weight_is_a_weight(covered: float, trusted: float, foreign: float) -> None:
    weight = dense_weight(covered, trusted, foreign)
    assert 0 <= weight <= 1
    assert weight >= dense_weight(min(1, covered + 0.1), trusted, foreign) - 1e-9
    assert weight <= dense_weight(covered, trusted, min(1, foreign + 0.1)) + 1e-9


def test_coverage_is_the_share_of_the_highest_thinkable_score() -> None:
    assert coverage(hits(a=6), [4, 4], 10) == pytest.approx(0.75)
    assert coverage(hits(a=6), [6, 0], 10) == pytest.approx(0.5)
    assert coverage(hits(a=2), [2, 0], 100) == pytest.approx(2 / (2 + math.log(202)))
    assert coverage([], [1], 10) == 0


def test_trust_is_full_when_both_sides_rise_together_and_none_when_they_do_not() -> None:
    words = [Hit(str(n), float(n)) for n in range(20)]
    assert trust(words, {str(n): n / 20 for n in range(20)}) == 1
    assert trust(words, {str(n): -n / 20 for n in range(20)}) == 0
    assert trust(words, {str(n): float(n % 2) for n in range(20)}) < 0.3


def test_too_little_evidence_takes_no_trust_away() -> None:
    assert trust(hits(a=1, b=2), {"a": 0.9, "b": 0.1}) == 1
    assert trust([Hit(str(n), 1.0) for n in range(20)], {str(n): n / 20 for n in range(20)}) == 1


rankings = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-10, 10), max_size=8).map(lambda d: hits(**d))


@given(rankings, rankings, st.floats(0, 1))
def test_every_candidate_comes_once_in_order_of_score(lexical: list[Hit], dense: list[Hit], weight: float) -> None:
    ranked = fuse(lexical, dense, weight)
    scores = [found.score for found in ranked]
    assert scores == sorted(scores, reverse=True)
    assert all(-1e-9 <= score <= 1 + 1e-9 for score in scores)
    if 0 < weight < 1:
        assert sorted(found.id for found in ranked) == sorted({hit.id for hit in lexical} | {hit.id for hit in dense})
