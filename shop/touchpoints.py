"""Where a line says it came from: kept on the order when it is true, refused when it is not, dropped when it is too old."""

from __future__ import annotations

from collections.abc import Sequence
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
    """What an exposure showed: a `note` or a `room`."""

    kind: str
    item_id: str


class Origins(Protocol):
    """What the services above answer of what they show, in the session of the quote."""

    def note_carries(self, session: Session, note_id: str, sku_ids: Sequence[str]) -> bool:
        """Whether the note is published with one of these on it."""
        ...

    def room_carries(self, session: Session, room_id: str, sku_ids: Sequence[str]) -> bool:
        """Whether one of these stands on the room's shelf."""
        ...

    def exposed(self, session: Session, actor: Actor, exposure_id: str) -> Exposed | None:
        """What this exposure showed to this person, or to a device that has become theirs; None for anybody else's."""
        ...


class Touchpoints:
    """A card is for a product: another of its SKUs may be bought from it."""

    def __init__(self, origins: Origins) -> None:
        self.origins = origins

    def checked(self, session: Session, actor: Actor, lines: Sequence[StoredLine], now: datetime) -> list[StoredLine]:
        """The lines with the touchpoints that hold. `touchpoint.untrue` names the fields of those that do not."""
        given = [Touchpoint(**line.touchpoint) if line.touchpoint else None for line in lines]
        kept = [one if one is not None and not _expired(one, now) else None for one in given]
        siblings = _siblings(session, [line.product_id for line, one in zip(lines, kept, strict=True) if one])
        errors = [
            FieldError(f"lines.{n}.touchpoint.{field}", UNTRUE, "did not show this product, or not to you")
            for n, (line, one) in enumerate(zip(lines, kept, strict=True))
            if one is not None and (field := self._untrue(session, actor, one, siblings[line.product_id])) is not None
        ]
        if errors:
            raise Invalid(UNTRUE, "A line did not come from where it says.", errors)
        return [
            line if one is not None else line.model_copy(update={"touchpoint": None})
            for line, one in zip(lines, kept, strict=True)
        ]

    def _untrue(self, session: Session, actor: Actor, met: Touchpoint, sku_ids: Sequence[str]) -> str | None:
        """The field that says what is not so."""
        if met.note_id is not None and not self.origins.note_carries(session, met.note_id, sku_ids):
            return "note_id"
        if met.room_id is not None and not self.origins.room_carries(session, met.room_id, sku_ids):
            return "room_id"
        if met.exposure_id is None:
            return None
        shown = self.origins.exposed(session, actor, met.exposure_id)
        return None if shown is not None and self._leads_here(session, met, shown, sku_ids) else "exposure_id"

    def _leads_here(self, session: Session, met: Touchpoint, shown: Exposed, sku_ids: Sequence[str]) -> bool:
        """Whether the exposure is of the note or room named, or of one that carries the product when none is."""
        if met.note_id is not None or met.room_id is not None:
            return shown.item_id in (met.note_id, met.room_id)
        carries = self.origins.note_carries if shown.kind == "note" else self.origins.room_carries
        return carries(session, shown.item_id, sku_ids)


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
