"""Step 9: what the figures say of the tour itself."""

from __future__ import annotations

from typing import Any

from web.tour.checks import same
from web.tour.stage import Stage

FIGURES = ("dau", "dab", "dab_paid", "orders", "gmv", "gmv_paid")
SUMS = ("orders", "gmv", "gmv_paid")
POPULATIONS = ("people", "synthetic")


def now(stage: Stage) -> dict[str, dict[str, int]]:
    """The figures of each population, from the business day on which the tour began to this one."""
    query = {"metrics": ",".join(FIGURES), **_period(stage)}
    days = {p: stage.admin.get("metrics/daily", **query, population=p)["days"] for p in POPULATIONS}
    return {p: {name: sum(day["figures"][name] for day in days[p]) for name in FIGURES} for p in POPULATIONS}


def count(stage: Stage) -> None:
    """Figures with synthetic actors rose by exactly what the tour did, the headline did not; a recount agrees."""
    after = now(stage)
    rose = {name: after["synthetic"][name] - stage.before["synthetic"][name] for name in FIGURES}
    did = stage.deeds
    expected = {
        "dau": did.openings,
        "dab": did.buyers,
        "dab_paid": did.payers,
        "orders": did.orders,
        "gmv": did.gmv,
        "gmv_paid": did.gmv_paid,
    }
    if stage.today() != stage.opened_on:  # who acts again after midnight is active on two days
        stage.saw(f"the business day ended during the tour ({stage.opened_on}): only sums are compared, over both days")
        rose = {name: rose[name] for name in SUMS}
    same("what the figures of synthetic actors rose by", rose, {name: expected[name] for name in rose})
    stage.saw("synthetic: " + ", ".join(f"{name} {_change(stage, after, name)}" for name in FIGURES))
    same("the headline figures", after["people"], stage.before["people"])
    stage.saw(f"people: DAU {after['people']['dau']} and DAB {after['people']['dab']}, as before the tour")
    recount = stage.admin.post("metrics/recount", _period(stage))
    same("what the recount finds different", recount["differences"], [])
    stage.saw(f"recounted {recount['events']:,} raw events of {stage.today()}: equal to what was stored")


def _change(stage: Stage, after: dict[str, dict[str, int]], name: str) -> str:
    return f"{stage.before['synthetic'][name]} -> {after['synthetic'][name]}"


def _period(stage: Stage) -> dict[str, Any]:
    today = stage.today()
    return {"from": (stage.opened_on or today).isoformat(), "to": today.isoformat()}
