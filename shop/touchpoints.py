"""Where a line says it came from: kept on the order as far as it is proven, refused when it is not true, dropped when it is too
old or what it names is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.actor import Actor
from kernel.errors import FieldError, Invalid
from kernel.ids import made_at
from shop.models import Sku
from shop.schemas import StoredLine, Touchpoint

WINDOW = timedelta(days=7)
UNTRUE = "touchpoint.untrue"


@dataclass(frozen=True)
class Exposed:
    """What an exposure showed, a `note` or a `room`, and in which feed."""

    kind: str
    item_id: str
    placement: str


class Origins(Protocol):
    """What the services above answer of what they show, in the session of the quote."""

    def note_carries(self, session: Session, viewer_id: str, note_id: str, sku_ids: Sequence[str]) -> bool | None:
        """Whether the note is published with one of these on it; None when it was, and is out of this viewer's sight now."""
        ...

    def room_carries(self, session: Session, viewer_id: str, room_id: str, sku_ids: Sequence[str]) -> bool | None:
        """Whether one of these stands on the room's shelf; None when the room is out of this viewer's sight."""
        ...

    def exposed(self, session: Session, actor: Actor, exposure_id: str) -> Exposed | None:
        """What this exposure showed to this person, or to a device that has become theirs; None for anybody else's."""
        ...


class _Untrue(Exception):
    """The field that says what is not so."""


class Touchpoints:
    """A card is for a product: another of its SKUs may be bought from it."""

    def __init__(self, origins: Origins) -> None:
        self.origins = origins

    def checked(self, session: Session, actor: Actor, lines: Sequence[StoredLine], now: datetime) -> list[StoredLine]:
        """The lines with their touchpoints as far as these hold. `touchpoint.untrue` names the fields that do not."""
        given = [Touchpoint(**line.touchpoint) if line.touchpoint else None for line in lines]
        siblings = _siblings(session, [line.product_id for line, met in zip(lines, given, strict=True) if met])
        checked, errors = [], []
        for n, (line, met) in enumerate(zip(lines, given, strict=True)):
            try:
                if met is not None:
                    met = None if _expired(met, now) else self._proven(session, actor, met, siblings[line.product_id])
            except _Untrue as untrue:
                field = f"lines.{n}.touchpoint.{untrue}"
                errors.append(FieldError(field, UNTRUE, "did not show this product, or not to you"))
            kept = met.model_dump(exclude_none=True) if met else None
            checked.append(line.model_copy(update={"touchpoint": kept}))
        if errors:
            raise Invalid(UNTRUE, "A line did not come from where it says.", errors)
        return checked

    def _proven(self, session: Session, actor: Actor, met: Touchpoint, sku_ids: Sequence[str]) -> Touchpoint | None:
        """The touchpoint with the item that its exposure showed, and the placement that all this bears out; None when what it
        names is gone."""
        shown = None
        if met.exposure_id is not None:
            shown = self.origins.exposed(session, actor, met.exposure_id)
        item = {"note_id": met.note_id, "room_id": met.room_id}
        if shown is not None and not any(item.values()):
            item[f"{shown.kind}_id"] = shown.item_id
        there = self._carried(session, actor, met, item, sku_ids)
        if met.exposure_id is not None and (shown is None or shown.item_id not in item.values()):
            raise _Untrue("exposure_id")
        return met.model_copy(update={**item, "placement": _placement(met, item, shown)}) if there else None

    def _carried(
        self, session: Session, actor: Actor, met: Touchpoint, item: Mapping[str, str | None], sku_ids: Sequence[str]
    ) -> bool:
        """Whether the note and the room are there to be seen. One that was not named by itself stands for its exposure."""
        found: list[bool | None] = []
        for field, carries in (("note_id", self.origins.note_carries), ("room_id", self.origins.room_carries)):
            if (item_id := item[field]) is not None:
                found.append(carries(session, actor.require_account(), item_id, sku_ids))
                if found[-1] is False:
                    raise _Untrue(field if getattr(met, field) else "exposure_id")
        return None not in found


def _placement(met: Touchpoint, item: Mapping[str, str | None], shown: Exposed | None) -> str:
    """A room's offer is one whatever it is called, and an exposure says in which feed it was. Of a note one may have heard
    anywhere; of nothing that is shown there is only the product."""
    if item["room_id"] is not None:
        return "room"
    if item["note_id"] is None:
        return "product" if met.placement in ("feed", "following", "note", "room") else met.placement
    if shown is not None and met.placement in ("feed", "following"):
        return shown.placement
    return "note" if met.placement == "room" else met.placement


def _expired(met: Touchpoint, now: datetime) -> bool:
    """An exposure says by its id when it was; after the window it earns nobody anything, whether it is still kept or not."""
    if met.exposure_id is None:
        return False
    at = made_at(met.exposure_id)
    return at is not None and at < now - WINDOW


def _siblings(session: Session, product_ids: Sequence[str]) -> dict[str, list[str]]:
    """All SKUs of these products."""
    found: dict[str, list[str]] = {product_id: [] for product_id in product_ids}
    if found:
        for product_id, sku_id in session.execute(select(Sku.product_id, Sku.id).where(Sku.product_id.in_(found))):
            found[product_id].append(sku_id)
    return found
