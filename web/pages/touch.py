"""Where a reader met a thing, as it travels in addresses: `?via=` to a page, `touchpoint=` on to an order line."""

from __future__ import annotations

from flask import request

from kernel.errors import AppError
from kernel.http import parse
from kernel.ids import is_id
from shop import Touchpoint

PLACEMENTS = ("feed", "following", "search", "note", "room", "profile", "product", "share")
_KINDS = {"note": "note_id", "room": "room_id", "expo": "exposure_id"}


def via() -> tuple[str, str | None]:
    """The channel that led to this page, and the exposure it was, where a feed gave one out."""
    channel, _, exposure = request.args.get("via", "").partition(":")
    if channel not in PLACEMENTS:
        return "app", None
    return channel, (exposure if is_id(exposure, "expo") else None)


def pack(placement: str, *ids: str | None) -> str:
    """`note:note_...:expo_...`: a placement and what is known of it."""
    return ":".join([placement, *(one for one in ids if one)])


def unpack(text: str | None) -> Touchpoint | None:
    """The touchpoint again; None for what is none of ours."""
    placement, *ids = (text or "").split(":")
    fields = {_KINDS[prefix]: one for one in ids if (prefix := one.partition("_")[0]) in _KINDS}
    try:
        found: Touchpoint = parse(Touchpoint, {"placement": placement, **fields})
    except AppError:
        return None
    return found
