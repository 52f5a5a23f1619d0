"""Ranking and its rules, pure."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from demo.reviews import read_reviews
from feed import quality, ranking
from feed.ranking import FORBIDDEN, INPUTS, Item, arrange, score
from feed.rules import Shown, page_rules

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)


def item(number: int, author: int = 0, commercial: bool = False, **fields: object) -> Item:
    values = {"quality": 0.5, "affinity": 0.0, "since": NOW - timedelta(hours=number), "kind": "note", **fields}
    return Item(id=f"n{number}", author_id=f"a{author}", commercial=commercial, fingerprint=None, state="", **values)  # type: ignore[arg-type]


items = st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.floats(0, 1), st.booleans()), max_size=60).map(
    lambda rows: [item(n, a, c, quality=q, guaranteed=g) for n, (a, c, q, g) in enumerate(rows)]
)
tails = st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=9)


@given(items=items, tail=tails, cap=st.integers(0, 3), seed=st.integers(0, 99))
def test_a_page_never_breaks_a_cap(items: list[Item], tail: list[tuple[int, bool]], cap: int, seed: int) -> None:
    before = [Shown(f"a{author}", commercial) for author, commercial in tail]
    draws = arrange(items, 20, NOW, Random(seed), page_rules(before, cap), {"note": 0.2})
    line = [*before, *(Shown(draw.item.author_id, draw.item.commercial) for draw in draws)]
    for end in range(len(before) + 1, len(line) + 1):
        window, newest = line[max(0, end - 10) : end], line[end - 1]
        assert sum(shown.author_id == newest.author_id for shown in window) <= 2 or newest in before
        if newest.commercial:
            assert sum(shown.commercial for shown in window) <= max(cap, 0)
            assert end < 2 or not line[end - 2].commercial
    assert len({draw.item.id for draw in draws}) == len(draws)
    assert all(0 < draw.propensity <= 1.000001 for draw in draws)


def test_the_logged_propensity_is_how_often_it_happens() -> None:
    pool = [item(1, 1, quality=0.50), item(2, 2, quality=0.55), item(3, 3, quality=0.52, guaranteed=True)]
    told: dict[str, float] = {}
    seen: Counter[str] = Counter()
    random = Random(7)
    for _ in range(6000):
        draw = arrange(pool, 1, NOW, random, page_rules([], 2), {"note": 0.2})[0]
        seen[draw.item.id] += 1
        told[draw.item.id] = draw.propensity
    assert abs(sum(told.values()) - 1) < 1e-9
    for name, propensity in told.items():
        assert abs(seen[name] / 6000 - propensity) < 0.03, name


def test_guaranteed_notes_get_their_share_oldest_first() -> None:
    pool = [item(n, n, quality=0.9) for n in range(40)] + [item(99, 99, quality=0.36, guaranteed=True)]
    hits = sum(
        any(d.item.id == "n99" for d in arrange(pool, 10, NOW, Random(seed), page_rules([], 2), {"note": 0.2}))
        for seed in range(60)
    )
    assert hits >= 40  # 1 - .8**10 = .89 of the pages


def test_forbidden_inputs_have_no_field() -> None:
    assert not set(INPUTS) & set(FORBIDDEN)
    assert not any(word in name for name in INPUTS for word in ("price", "paid", "follow", "margin", "discount"))


def test_better_content_ranks_higher_all_else_equal() -> None:
    assert score(item(1, quality=0.8), NOW) > score(item(1, quality=0.4), NOW)
    assert set(ranking.WEIGHTS) <= set(INPUTS) | {"freshness"}


def content(text: str, title: str = "") -> float:
    return quality.content_score(quality.content_parts(quality.ContentSignals(title, text, 1, 2)))


def test_a_note_that_merely_displays_a_product_is_below_the_floor() -> None:
    for text in (
        "New arrival! Buy now, link below. 20% off while stocks last.",
        "新品上架，链接在下方，现货包邮，手慢无！",
        "Floral dress. Available now. Shop now, free shipping!",
        "",
        "nice",
    ):
        assert content(text) < quality.FLOOR, text


def test_a_note_worth_reading_is_above_the_floor() -> None:
    for text in (
        "I am 5'2\" and bought the petite in size 4. The waist sits where it should, but the hem is long, so I had it "
        "shortened. The linen is soft and does not itch.",
        "梨形身材的显瘦公式：我自己165，高腰线加垂坠面料，腰线提到肋骨下三厘米，胯部用A字裙盖住。材质选醋酸，不要选贴身针织。",
    ):
        assert content(text) > quality.FLOOR, text


def test_the_content_score_follows_helpful_votes_as_well_as_length_does() -> None:
    reviews = [review for review in read_reviews() if review.text]
    votes = _ranks([review.helpful for review in reviews])
    scores = _ranks([content(review.text, review.title) for review in reviews])
    lengths = _ranks([len(review.text) for review in reviews])
    assert np.corrcoef(scores, votes)[0, 1] > max(0.3, np.corrcoef(lengths, votes)[0, 1] - 0.01)


def _ranks(values: list[float]) -> np.ndarray:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - count / 2)[place]


def test_a_new_note_has_its_contents_score_and_the_usual_response_is_typical() -> None:
    assert quality.quality(0.4, quality.Response()) == 0.4
    usual = quality.Response(examined=1e6, responses=1e6 * quality.START_RATE)
    assert abs(quality.quality(0.9, usual) - quality.TYPICAL) < 0.001


@given(content=st.floats(0, 1), examined=st.floats(1, 1e4), rate=st.floats(0, 10))
def test_more_responses_never_lower_a_score_and_none_saturates_it(content: float, examined: float, rate: float) -> None:
    few, more = (quality.quality(content, quality.Response(examined, r * examined)) for r in (rate, rate + 0.1))
    assert few < more < 1


def test_a_hosts_score_asks_for_depth_in_a_niche() -> None:
    deep = quality.host_score([(0.7, ["tennis"])] * 8)
    wide = quality.host_score([(0.7, [f"topic {n}"]) for n in range(8)])
    assert deep > wide > quality.host_score([(0.2, ["tennis"])] * 8)
    assert quality.host_score([(0.7, ["tennis", "Tennis"])] * 8) == deep


def test_rooms_and_notes_wait_in_lanes_of_their_own() -> None:
    notes = [item(n + 50, n, quality=0.9, guaranteed=True) for n in range(30)]
    room = item(1, 99, quality=0.3, kind="room", guaranteed=True)
    shares = {"note": 0.2, "room": 0.1}
    first = Counter(
        arrange([*notes, room], 1, NOW, Random(seed), page_rules([], 2), shares)[0].item.id for seed in range(2000)
    )
    assert abs(first["n1"] / 2000 - 0.1) < 0.03
    assert first["n79"] / 2000 > 0.17  # the oldest note


@given(content=st.floats(0, 1), examined=st.floats(0, 1e6), responses=st.floats(0, 1e6))
def test_quality_stays_on_its_scale(content: float, examined: float, responses: float) -> None:
    assert 0 <= quality.quality(content, quality.Response(examined, responses)) <= 1


def test_responses_count_against_exposure_not_by_themselves() -> None:
    small = quality.quality(0.5, quality.Response(examined=100, responses=20))
    large = quality.quality(0.5, quality.Response(examined=10_000, responses=200))
    assert small > large


def test_a_guarantee_ends_and_a_poor_note_stops() -> None:
    assert quality.tier(quality.Response(exposures=199, examined=100)) == "guaranteed"
    assert quality.tier(quality.Response(exposures=400, examined=250, responses=1)) == "stopped"
    assert quality.tier(quality.Response(exposures=400, examined=250, responses=25)) == "earning"
