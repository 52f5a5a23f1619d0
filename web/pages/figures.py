"""DAU and DAB side by side, with GMV, day by day: charts, a table behind them, CSV beside."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date
from typing import Any

from flask import Response, request

from kernel.clock import business_day
from kernel.http import current_actor, find, parse
from kernel.money import major
from metrics import MetricsService
from metrics.schemas import Daily, DailyQuery, RecountIn
from web.pages.charts import Bar, bars_svg
from web.pages.front import back, blueprint, go, page, say
from web.pages.words import Times, gettext, money, ngettext, number, share, short

routes = blueprint("figures_pages")
_DAYS = 30
_SHOWN = ("dau", "dab", "gmv")


@routes.get("/figures")
def figures() -> Response:
    """The figures of a period, by default the last 30 days."""
    daily, today = _daily(), _today()
    first, last = daily.days[0].day, daily.days[-1].day
    totals = [(one.day, one.figures) for one in daily.days if one.channel is None]
    begun = first <= today
    return page(
        "figures.html",
        since=first.isoformat(),
        until=last.isoformat(),
        zone=daily.time_zone,
        include_synthetic=daily.population == "all",
        by=_by(),
        tiles=_tiles(daily, today) if begun else [],
        charts=[_chart(*one, totals, today, daily.currency) for one in _titles(daily.currency)],
        columns=_columns(daily),
        rows=_rows(daily, today) if begun else [],
    )


@routes.get("/figures.csv")
def download() -> Response:
    """The same figures as a file: one line per day, and per channel when asked. Amounts in minor units."""
    daily, out = _daily(), io.StringIO()
    writer = csv.writer(out)
    names = list(daily.days[0].figures)
    writer.writerow(["day", "channel", "population", "currency", *names])
    for one in daily.days:
        writer.writerow([one.day, one.channel or "", daily.population, daily.currency, *one.figures.values()])
    name = f"offshelf-{daily.days[0].day}-{daily.days[-1].day}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-cache"}
    return Response(out.getvalue(), mimetype="text/csv", headers=headers)


@routes.post("/figures/recount")
def recount() -> Response:
    """Count the raw events of the period again and say whether the stored figures are right."""
    period = {"from": request.form.get("from", ""), "to": request.form.get("to", "")}
    form = parse(RecountIn, period, strict=False)
    found = find(MetricsService).check(current_actor(), form)
    if found.differences:
        words = ngettext("%(num)d stored figure differs.", "%(num)d stored figures differ.", len(found.differences))
        say(words % {"num": len(found.differences)}, "error")
    else:
        words = gettext("Counted %(events)s events again: every stored figure is right.")
        say(words % {"events": number(found.events)})
    return go(back("/figures"))


def _daily() -> Daily:
    today = _today()
    until = request.args.get("to") or today.isoformat()
    first = max(_date(until, today).toordinal() - _DAYS + 1, 1)
    since = request.args.get("from") or date.fromordinal(first).isoformat()
    asked = {"metrics": ",".join(_SHOWN), "from": since, "to": until, "by": _by() or "day"}
    asked["population"] = "all" if request.args.get("synthetic") == "1" else "people"
    return find(MetricsService).daily(current_actor(), parse(DailyQuery, asked, strict=False))


def _by() -> str:
    return "channel" if request.args.get("by") == "channel" else ""


def _date(text: str, otherwise: date) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return otherwise


def _today() -> date:
    metrics = find(MetricsService)
    return business_day(metrics.db.clock.now(), metrics.zone)


def _titles(currency: str) -> list[tuple[str, str, str]]:
    return [
        ("dau", gettext("DAU: daily active users"), gettext("users a day")),
        ("dab", gettext("DAB: users who placed an order"), gettext("buyers a day")),
        ("gmv", gettext("GMV: placed orders"), gettext("%(currency)s a day") % {"currency": currency}),
    ]


def _chart(
    key: str, title: str, unit: str, totals: list[tuple[date, dict[str, int]]], today: date, currency: str
) -> dict[str, Any]:
    metrics = find(MetricsService)
    names = Times(metrics.db.clock.now, metrics.zone.key).axis([day for day, _ in totals])
    bars = [
        Bar(str(day), name, _value(key, found[key], day, today, currency), day == today)
        for (day, found), name in zip(totals, names)
    ]
    gaps = sum(bar.value is None for bar in bars)
    return {"id": key, "title": title, "unit": unit, "gaps": gaps, "svg": bars_svg(bars, title, unit, _brief)}


def _value(key: str, amount: int, day: date, today: date, currency: str) -> float | None:
    """A day that has not come has no figure; money is drawn in yuan, not in fen."""
    if day > today:
        return None
    return float(major(amount, currency) if key == "gmv" else amount)


def _brief(value: float) -> str:
    return short(round(value))


def _tiles(daily: Daily, today: date) -> list[dict[str, Any]]:
    period, counted = daily.period, {one.day for one in daily.days}
    days = ngettext("mean of %(num)d day", "mean of %(num)d days", len(counted)) % {"num": len(counted)}
    if today in counted:
        days = gettext("%(days)s, today so far included") % {"days": days}
    cash: Callable[[float], str] = lambda amount: money({"amount": round(amount), "currency": daily.currency})  # noqa: E731
    return [
        {"name": "DAU", "value": number(round(period["dau"], 1)), "unit": days},
        {"name": "DAB", "value": number(round(period["dab"], 1)), "unit": days},
        {"name": "DAB / DAU", "value": share(period["buyer_share"]), "unit": gettext("buyers among active users")},
        {
            "name": gettext("Spend per buyer"),
            "value": cash(period["spend_per_buyer"]),
            "unit": gettext("a buyer and day"),
        },
        {"name": "GMV", "value": cash(period["gmv"]), "unit": gettext("placed orders in the period")},
    ]


def _columns(daily: Daily) -> list[dict[str, str]]:
    channels = list(dict.fromkeys(one.channel for one in daily.days))
    return [
        {"key": _key(key, channel), "name": key.upper() + (f" {channel}" if channel else "")}
        for channel in channels
        for key in _SHOWN
    ]


def _rows(daily: Daily, today: date) -> list[dict[str, Any]]:
    """One row a day, newest first."""
    rows: dict[date, dict[str, Any]] = {}
    for one in daily.days:
        row = rows.setdefault(one.day, {"day": one.day.isoformat(), "partial": one.day == today, "values": {}})
        for key, amount in one.figures.items():
            written = money({"amount": amount, "currency": daily.currency}) if key == "gmv" else number(amount)
            row["values"][_key(key, one.channel)] = None if one.day > today else written
    return [rows[day] for day in sorted(rows, reverse=True)]


def _key(metric: str, channel: str | None) -> str:
    return f"{metric}.{channel}" if channel else metric
