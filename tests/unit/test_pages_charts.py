"""Charts: a scale that holds every value, a column a day, gaps that show as gaps."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from web.pages.charts import PLOT, Bar, bars_svg, nice_step, scale_of

BARS = [Bar("2026-03-01", "Mar 1", 40), Bar("2026-03-02", "2", None), Bar("2026-03-03", "3", 80, partial=True)]


def _parts(svg: str, tag: str, kind: str) -> list[ElementTree.Element]:
    return [one for one in ElementTree.fromstring(svg).iter(tag) if kind in one.get("class", "").split()]


def test_columns_stand_on_zero_and_are_as_high_as_their_values() -> None:
    first, last = _parts(bars_svg(BARS, "DAB", "buyers a day"), "rect", "bar")
    assert float(last.get("height", "")) == pytest.approx(2 * float(first.get("height", "")), abs=0.1)
    assert last.get("class") == "bar partial"


def test_a_day_without_a_figure_is_a_gap_and_not_a_zero() -> None:
    svg = bars_svg(BARS, "DAB", "buyers a day")
    assert len(_parts(svg, "rect", "bar")) == 2
    assert [one.text for one in _parts(svg, "text", "gap")] == ["–"]


def test_every_value_can_be_read_off_and_the_scale_is_named() -> None:
    svg = bars_svg(BARS, "DAB", "buyers a day", write=lambda value: f"{value:.0f}")
    assert [one.text for one in _parts(svg, "text", "value")] == ["40", "80"]
    assert "buyers a day" in svg.split(">")[0]


@pytest.mark.parametrize(("top", "step"), [(0, 1), (3, 1), (80, 20), (81, 50), (1170, 500), (0.2, 0.05)])
def test_grid_lines_are_round_numbers(top: float, step: float) -> None:
    assert nice_step(top) == pytest.approx(step)


def test_the_axis_holds_the_highest_value() -> None:
    for value in (1, 7, 99, 100, 101, 12345.6):
        _, top = scale_of([Bar("d", "d", value)])
        assert value <= top <= 2 * value or top <= 4


def test_a_chart_of_nothing_and_of_zeros_still_draws() -> None:
    assert _parts(bars_svg([], "DAU", "users"), "rect", "bar") == []
    (bar,) = _parts(bars_svg([Bar("d", "d", 0)], "DAU", "users"), "rect", "bar")
    assert float(bar.get("height", "")) == 0 < PLOT


def test_titles_are_escaped() -> None:
    assert "<script>" not in bars_svg([Bar("<script>", "<script>", 1)], "<script>", "<script>")
