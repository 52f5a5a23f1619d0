"""Rows as others see them: cards, the note in full, the studio's line. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts import AccountRef
from kernel.clock import rfc3339
from notes import models
from notes.media import url
from notes.schemas import Cover, Disclosure, MyNote, NoteCard, NoteOut, PictureOut, ProductChip

EXCERPT = 120
LABELS = {"product": "Contains products", "own_product": "Contains the author's own products"}


@dataclass(frozen=True)
class NoteContent:
    """A note for machines (search, feed, moderation): the served version, or the newest while nothing is served.

    Says nothing of who may see it; `findable` is whether anybody but author and staff may.
    """

    id: str
    author_id: str
    title: str
    text: str
    topics: tuple[str, ...]
    image_count: int
    has_product: bool
    sku_ids: tuple[str, ...]
    status: str
    hidden: bool
    deleted: bool
    version: int
    created_at: datetime
    published_at: datetime | None
    likes: int
    saves: int
    comments: int

    @property
    def findable(self) -> bool:
        return self.status in ("public", "limited") and not self.hidden and not self.deleted


def card(
    note: models.Note, version: models.NoteVersion, author: AccountRef, chips: Mapping[str, ProductChip]
) -> NoteCard:
    return NoteCard(**_card_fields(note, version, author, chips))


def full(
    note: models.Note,
    version: models.NoteVersion,
    author: AccountRef,
    chips: Mapping[str, ProductChip],
    *,
    insider: bool,
    mine: bool,
    liked: bool,
    saved: bool,
) -> NoteOut:
    """The note in full; `insider` (its author, staff) also sees what a moderator wrote."""
    return NoteOut(
        **_card_fields(note, version, author, chips),
        text=version.text,
        pictures=[_picture(picture) for picture in version.pictures],
        products=[chips[sku_id] for sku_id in version.skus if sku_id in chips],
        product_ids=list(version.skus),
        state=state(note, version),  # type: ignore[arg-type]
        state_reason=reason(note, version) if insider else None,
        version=version.n,
        served_version=note.served,
        liked=liked,
        saved=saved,
        is_mine=mine,
        created_at=rfc3339(note.created_at),
        edited_at=_time(note.edited_at),
    )


def my_note(note: models.Note, version: models.NoteVersion) -> MyNote:
    return MyNote(
        id=note.id,
        title=version.title,
        excerpt=excerpt(version.text),
        cover=_cover(version),
        topics=list(version.topics),
        state=state(note, version),  # type: ignore[arg-type]
        state_reason=reason(note, version),
        version=version.n,
        served_version=note.served,
        served_state=note.status if note.served is not None and not note.hold else None,  # type: ignore[arg-type]
        product_ids=list(version.skus),
        disclosure=disclosure(version),
        likes=note.likes,
        saves=note.saves,
        comments=note.comments,
        created_at=rfc3339(note.created_at),
        published_at=_time(note.published_at),
        edited_at=_time(note.edited_at),
    )


def content(note: models.Note, version: models.NoteVersion) -> NoteContent:
    return NoteContent(
        id=note.id,
        author_id=note.author_id,
        title=version.title,
        text=version.text,
        topics=tuple(version.topics),
        image_count=len(version.pictures),
        has_product=bool(version.skus),
        sku_ids=tuple(version.skus),
        status=note.status,
        hidden=bool(note.hold),
        deleted=note.deleted_at is not None,
        version=version.n,
        created_at=note.created_at,
        published_at=note.published_at,
        likes=note.likes,
        saves=note.saves,
        comments=note.comments,
    )


def state(note: models.Note, version: models.NoteVersion) -> str:
    """What this version is to its author: moderation's hold goes before the version's own state."""
    return note.hold or version.state


def reason(note: models.Note, version: models.NoteVersion) -> str | None:
    return (note.hold_reason if note.hold else version.reason) or None


def disclosure(version: models.NoteVersion) -> Disclosure | None:
    """The label. It hangs on the version's SKUs alone: a sold-out or withdrawn product takes nothing away from it."""
    if not version.skus:
        return None
    kind = version.disclosure or "product"
    return Disclosure(kind=kind, label=LABELS[kind])  # type: ignore[arg-type]


def excerpt(text: str) -> str:
    """The first words in one line, cut at a word where the script has them."""
    line = " ".join(text.split())
    if len(line) <= EXCERPT:
        return line
    head, space, _ = line[:EXCERPT].rpartition(" ")
    return f"{head if space and len(head) > EXCERPT // 2 else line[: EXCERPT - 1]}\N{HORIZONTAL ELLIPSIS}"


def _card_fields(
    note: models.Note, version: models.NoteVersion, author: AccountRef, chips: Mapping[str, ProductChip]
) -> dict[str, Any]:
    return {
        "id": note.id,
        "title": version.title,
        "excerpt": excerpt(version.text),
        "cover": _cover(version),
        "author": author,
        "topics": list(version.topics),
        "saves": note.saves,
        "likes": note.likes,
        "comments": note.comments,
        "product": next((chips[sku_id] for sku_id in version.skus if sku_id in chips), None),
        "commercial": bool(version.skus),
        "disclosure": disclosure(version),
        "published_at": _time(note.published_at),
    }


def _cover(version: models.NoteVersion) -> Cover | None:
    return _small(version.pictures[0]) if version.pictures else None


def _small(picture: dict[str, Any]) -> Cover:
    small = picture["small"]
    return Cover(url=url(small["name"]), width=small["width"], height=small["height"], alt=picture["alt"])


def _picture(picture: dict[str, Any]) -> PictureOut:
    return PictureOut(
        media=picture["media"],
        url=url(picture["name"]),
        width=picture["width"],
        height=picture["height"],
        alt=picture["alt"],
        small=_small(picture),
    )


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
