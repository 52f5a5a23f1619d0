"""Exposures: what was really shown to whom, where, and how it was chosen. A page is one insert."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy.orm import Session

from feed.models import Exposure
from feed.ranking import Draw
from kernel.actor import Actor
from kernel.db import Write
from kernel.errors import FULL, Unavailable
from kernel.ids import new_id
from notes import NoteCard

CHRONOLOGICAL = "2026-11-22/chrono-1"
"""Version of the policy that chooses the following feed: everything, newest first, so with certainty."""
Placement = Literal["feed", "following"]
Row = dict[str, Any]


def drawn(draw: Draw, policy_version: str) -> Row:
    """An item that the ranking policy drew, in this version."""
    item = draw.item
    parts = {"quality": round(item.quality, 4), "affinity": round(item.affinity, 4)}
    return {
        "placement": "feed",
        "kind": item.kind,
        "item_id": item.id,
        "author_id": item.author_id,
        "state": item.state,
        "commercial": item.commercial,
        "policy_version": policy_version,
        "propensity": draw.propensity,
        "why": {"source": item.source, "about": item.about, "score": round(draw.score, 6), "parts": parts},
    }


def followed(card: NoteCard) -> Row:
    """A note that is shown because its author is followed; nothing was weighed."""
    return {
        "placement": "following",
        "kind": "note",
        "item_id": card.id,
        "author_id": card.author.id,
        "state": card.id,
        "commercial": card.commercial,
        "policy_version": CHRONOLOGICAL,
        "propensity": 1.0,
        "why": {"source": "following", "about": "", "score": 0.0, "parts": {}},
    }


def page(actor: Actor, shown: Sequence[Row], start: int, now: datetime) -> list[Row]:
    """The rows of a page whose first item comes after `start` others."""
    about = {"person": actor.person, "shown_at": now}
    return [{**row, **about, "id": new_id("expo", now), "position": n} for n, row in enumerate(shown, start + 1)]


def write(tx: Write, rows: Sequence[Row]) -> None:
    tx.session.execute(Exposure.__table__.insert(), list(rows))  # type: ignore[attr-defined]


def logged(rows: Sequence[Row], write: Callable[[], object]) -> bool:
    """Write a page's rows down. On a full disk it is shown all the same, with nobody's exposure: the rows lose their ids."""
    try:
        write()
    except Unavailable as away:
        if away.code != FULL:
            raise
        for row in rows:
            row["id"] = None
        return False
    return True


def shown_to(session: Session, actor: Actor, exposure_id: str) -> tuple[str, str, str] | None:
    """Kind and id of what this exposure showed to the actor, or to the device they came with, and its placement; None for
    anybody else's."""
    row = session.get(Exposure, exposure_id)
    if row is None or row.person is None or row.person not in (actor.person, actor.device_id):
        return None
    return row.kind, row.item_id, row.placement


def present(card: Any, row: Mapping[str, Any]) -> Row:
    """A card with its exposure, as a feed gives it out."""
    names = {"exposure_id": row["id"], "placement": row["placement"], "position": row["position"]}
    return {**card.model_dump(mode="json"), **names, "recommended": row["placement"] == "feed"}
