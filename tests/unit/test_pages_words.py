"""The catalogue, and how numbers, money and times are written for a reader."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from jinja2 import Environment, FileSystemLoader

from web.pages import words

WEB = Path(words.__file__).resolve().parent.parent
NOW = datetime(2026, 3, 14, 12, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _english_again() -> Iterator[None]:
    yield
    words.speak("en")


def test_every_word_of_the_pages_is_in_the_chinese_catalogue() -> None:
    found = extract_from_dir(
        WEB,
        [("templates/**.html", "jinja2"), ("pages/**.py", "python")],
        {"templates/**.html": {"newstyle_gettext": "true"}},
    )
    used = {entry[2][0] if isinstance(entry[2], tuple) else entry[2] for entry in found}
    with (words.FOLDER / "zh_Hans/LC_MESSAGES/messages.po").open("rb") as source:
        catalogue = read_po(source, locale="zh_Hans")
    known = {m.id[0] if isinstance(m.id, tuple) else m.id for m in catalogue if m.id and m.string}
    assert len(used) > 150
    assert used - known == set()
    assert known - used == set()


def test_a_language_is_chosen_by_cookie_then_by_the_browser() -> None:
    assert words.choose("zh_Hans", "en") == "zh_Hans"
    assert words.choose("xx", "zh-CN,zh;q=0.9,en;q=0.8") == "zh_Hans"
    assert words.choose(None, "fr-FR,fr;q=0.9") == "en"
    assert words.choose(None, None) == "en"
    assert words.choose(None, ";;,,\x00") == "en"


def test_money_follows_the_minor_units_of_its_currency() -> None:
    assert words.money({"amount": 12900, "currency": "CNY"}) == "¥129.00"
    assert words.money({"amount": 129, "currency": "JPY"}) == "¥129"
    assert words.money({"amount": 1234567, "currency": "USD"}) == "$12,345.67"


def test_counts_are_short_in_the_readers_own_units() -> None:
    assert [words.short(n) for n in (0, 999, 12345)] == ["0", "999", "12.3K"]
    words.speak("zh_Hans")
    assert words.short(12345) == "1.2万"


def test_times_are_relative_with_the_exact_one_beside() -> None:
    times = words.Times(lambda: NOW, "Asia/Shanghai")
    assert times.ago("2026-03-14T12:29:40.000Z") == "now"
    assert times.ago(NOW - timedelta(minutes=60)) == "1 hour ago"
    assert "8:30:00" in times.exact("2026-03-14T12:30:00.000Z")
    assert times.server_now() == "2026-03-14T12:30:00.000Z"
    words.speak("zh_Hans")
    assert times.ago(NOW - timedelta(hours=3)) == "3小时前"


def test_an_axis_names_the_month_only_where_it_begins() -> None:
    days = [date(2026, 2, 27) + timedelta(days=n) for n in range(4)]
    assert words.Times(lambda: NOW, "UTC").axis(days) == ["Feb 27", "28", "Mar 1", "2"]


@pytest.mark.parametrize(
    ("cover", "rows"),
    [
        (None, 24),
        ({"width": 0, "height": 5}, 24),
        ({"width": 3, "height": 4}, 32),
        ({"width": 4, "height": 3}, 18),
        ({"width": 1, "height": 90}, 34),
        ({"width": 90, "height": 1}, 16),
    ],
)
def test_a_cover_spans_rows_by_its_ratio_within_bounds(cover: dict[str, int] | None, rows: int) -> None:
    assert words.lane_rows(cover) == rows


def environment() -> Environment:
    env = Environment(loader=FileSystemLoader(WEB / "templates"), autoescape=True)
    words.install(env, lambda: NOW)
    env.globals["asset"] = "/static/{}".format
    return env


def test_templates_speak_the_language_of_the_request() -> None:
    env = environment()
    page = env.get_template("orders.html")
    context = {"me": None, "csrf_token": "t", "path": "/orders", "items": [], "next_cursor": None}
    assert "No orders yet" in page.render(**context)
    words.speak("zh_Hans")
    assert "还没有订单" in page.render(**context)
    assert '<html lang="zh-Hans">' in page.render(**context)


def test_what_people_wrote_is_escaped_everywhere() -> None:
    env = environment()
    evil = '"><script>alert(1)</script>'
    html = env.get_template("search.html").render(
        me=None, csrf_token="t", path=f"/search?q={evil}", q=evil, kind="", sort="", items=[], suggestions=[evil]
    )
    assert "<script>alert" not in html
