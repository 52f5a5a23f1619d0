"""The words of the pages: one gettext catalogue, and numbers, money and times as each reader writes them.

English is the language of the source; `web/translations/LOCALE/LC_MESSAGES/messages.po` holds the others. The `.po` files
are read directly when the process starts (a few milliseconds), so there is nothing to compile and nothing to go stale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, negotiate_locale
from babel.dates import format_datetime, format_skeleton, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import (
    format_compact_decimal,
    format_currency,
    format_decimal,
    format_percent,
)
from babel.support import NullTranslations, Translations
from jinja2 import Environment

from kernel.money import major

FOLDER = Path(__file__).resolve().parent.parent / "translations"
LANGUAGES = {"en": "English", "zh_Hans": "简体中文"}
_ALIASES = {"zh": "zh_Hans", "zh_CN": "zh_Hans", "zh_SG": "zh_Hans", "zh_Hans_CN": "zh_Hans"}
_spoken: ContextVar[str] = ContextVar("spoken_language", default="en")


def _load(locale: str) -> NullTranslations:
    path = FOLDER / locale / "LC_MESSAGES" / "messages.po"
    if not path.is_file():
        return NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as source:
        write_mo(compiled, read_po(source, locale=locale))
    compiled.seek(0)
    return Translations(compiled)


_CATALOGUES: dict[str, NullTranslations] = {locale: _load(locale) for locale in LANGUAGES}


def speak(locale: str) -> None:
    """Use `locale` for the rest of this request; an unknown one means English."""
    _spoken.set(locale if locale in LANGUAGES else "en")


def spoken() -> str:
    """The language in use, a key of `LANGUAGES`."""
    return _spoken.get()


def choose(cookie: str | None, accept_language: str | None) -> str:
    """The language a reader asked for: the cookie when it names one of ours, else the first match of Accept-Language."""
    if cookie in LANGUAGES:
        return str(cookie)
    wanted = [part.split(";")[0].strip().replace("-", "_") for part in (accept_language or "").split(",")]
    return negotiate_locale([_ALIASES.get(name, name) for name in wanted if name], list(LANGUAGES)) or "en"


def gettext(message: str) -> str:
    return str(_CATALOGUES[spoken()].gettext(message))


def ngettext(one: str, many: str, n: int) -> str:
    return str(_CATALOGUES[spoken()].ngettext(one, many, n))


def _locale() -> Locale:
    return Locale.parse(spoken())


def money(value: Mapping[str, Any]) -> str:
    """Money as read: `{"amount": 12900, "currency": "CNY"}` -> `¥129.00`."""
    currency = str(value["currency"])
    amount = major(int(value["amount"]), currency)
    # One market, one yuan: "CN¥" would only lengthen every price.
    return format_currency(amount, currency, locale=_locale()).replace("CN¥", "¥")


def number(value: float) -> str:
    """A whole or decimal number in full, grouped as the locale does."""
    return format_decimal(value, locale=_locale())


def short(value: int | None) -> str:
    """A count for a card: 950, 1.2K, 1.2万; a dash for one that nobody knows at the moment."""
    if value is None:
        return "\N{EN DASH}"
    return number(value) if value < 1000 else format_compact_decimal(value, locale=_locale(), fraction_digits=1)


def share(value: float) -> str:
    """A ratio 0..1 as a percentage with one decimal."""
    return format_percent(value, format="#,##0.0%", locale=_locale())


def moment(value: str | datetime) -> datetime:
    """An aware datetime from RFC 3339 text."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


class Times:
    """Times of a page: relative to `now`, exact in the business time zone."""

    def __init__(self, now: Callable[[], datetime], zone: str) -> None:
        self._now = now
        self._zone = ZoneInfo(zone)

    def ago(self, value: str | datetime) -> str:
        """ "3 hours ago"; times within a minute are "now" (clocks differ by seconds)."""
        delta: timedelta = moment(value) - self._now()
        if abs(delta) < timedelta(minutes=1):
            return gettext("now")
        return format_timedelta(delta, add_direction=True, threshold=1, locale=_locale())

    def exact(self, value: str | datetime) -> str:
        return format_datetime(moment(value), "medium", tzinfo=self._zone, locale=_locale())

    def day(self, value: str | date) -> str:
        """A business day, `2025-06-18` -> `Jun 18` in the reader's manner."""
        parsed = date.fromisoformat(value) if isinstance(value, str) else value
        return format_skeleton("MMMd", parsed, locale=_locale())

    def axis(self, days: Sequence[date]) -> list[str]:
        """Short names for a row of days: the month only where it begins, so that they fit under columns."""
        return [self.day(day) if index == 0 or day.day == 1 else str(day.day) for index, day in enumerate(days)]

    def server_now(self) -> str:
        """The server's clock for countdowns, RFC 3339 with milliseconds."""
        return self._now().astimezone(ZoneInfo("UTC")).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lane_rows(cover: Mapping[str, Any] | None) -> int:
    """Height of a cover in 24ths of its width, which is the row unit of the waterfall (see `.waterfall` in app.css).

    Kept between 16 (3:2) and 34 (a little taller than 3:4) so that one long picture does not fill a phone.
    """
    if not cover or not cover.get("width") or not cover.get("height"):
        return 24
    return max(16, min(34, round(24 * int(cover["height"]) / int(cover["width"]))))


def report_reasons() -> list[tuple[str, str]]:
    """Why something can be reported: `(code, words)`, in the order offered."""
    return [
        ("spam", gettext("Spam")),
        ("misleading", gettext("Misleading or undisclosed advertising")),
        ("counterfeit", gettext("Fake goods")),
        ("offensive", gettext("Offensive or hateful")),
        ("dangerous", gettext("Dangerous or illegal")),
        ("private_data", gettext("Somebody's private data")),
        ("copyright", gettext("Copied without permission")),
        ("other", gettext("Something else")),
    ]


def install(env: Environment, now: Callable[[], datetime], zone: str = "Asia/Shanghai") -> None:
    """Give a Jinja environment the catalogue, the filters and the globals that the templates use."""
    times = Times(now, zone)
    env.add_extension("jinja2.ext.i18n")
    env.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
    env.filters.update(
        money=money, number=number, short=short, share=share, ago=times.ago, exact=times.exact, day=times.day
    )
    env.globals.update(spoken=spoken, languages=LANGUAGES, lane_rows=lane_rows, server_now=times.server_now)
    env.globals.update(report_reasons=report_reasons)
