"""What comes in and goes out of moderation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from kernel.schema import Schema
from kernel.text import Id, Line, Prose

Kind = Literal["note", "comment", "chat", "product", "room", "account"]
Reason = Literal["spam", "counterfeit", "misleading", "offensive", "dangerous", "private_data", "copyright", "other"]
ActionName = Literal["approve", "limit", "hide", "reject", "remove"]
# What can be done to each kind: a version is sent back, a thing hidden; a profile that is removed is suspended.
CHOICES: dict[str, tuple[ActionName, ...]] = {
    "note": ("approve", "limit", "hide", "reject", "remove"),
    "comment": ("approve", "hide", "remove"),
    "chat": ("approve", "hide"),
    "product": ("approve", "hide", "remove"),
    "room": ("approve", "hide", "reject", "remove"),
    "account": ("approve", "hide", "remove"),
}
GONE: tuple[ActionName, ...] = ("approve", "remove")
RISK: dict[str, float] = {
    "dangerous": 0.9,
    "private_data": 0.8,
    "counterfeit": 0.8,
    "offensive": 0.6,
    "misleading": 0.5,
    "copyright": 0.5,
    "spam": 0.4,
    "other": 0.3,
}


class TargetRef(Schema):
    kind: Kind
    id: Id


class ReportIn(Schema):
    target: TargetRef
    reason: Reason
    text: Annotated[Prose, StringConstraints(max_length=1000)] = ""


class ReportOut(Schema):
    id: str
    target: TargetRef
    reason: Reason
    created_at: str


class CaseQuery(Schema):
    status: Literal["open", "closed"] = "open"
    kind: Kind | None = None
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class ReportLine(Schema):
    """`version` is the one that was reported, 0 where that is not known."""

    reason: str
    text: str
    version: int
    created_at: str


class ActionOut(Schema):
    id: str
    action: ActionName
    version: int
    reason: str
    actor_id: str
    created_at: str
    undone_at: str | None = None


class TargetOut(Schema):
    kind: Kind
    id: str
    author_id: str
    title: str
    text: str
    version: int
    url: str


class CaseOut(Schema):
    """`target` is null when the thing is gone; `choices` are the actions it can still be closed with. `hits` are the screening rules that matched its newest version."""

    id: str
    kind: Kind
    target_id: str
    author_id: str
    status: Literal["open", "closed"]
    priority: float
    risk: float
    reach: int
    reports: int
    opened_at: str
    claimed_by: str | None
    claimed_until: str | None
    target: TargetOut | None = None
    choices: list[ActionName] = []
    report_lines: list[ReportLine] = []
    hits: list[dict[str, Any]] = []
    actions: list[ActionOut] = []


class CasePage(Schema):
    items: list[CaseOut]
    next_cursor: str | None


class CaseCounts(Schema):
    """The queue in numbers: `claimed` of the open ones are with somebody, `by_kind` counts the open ones."""

    open: int
    claimed: int
    closed: int
    oldest_opened_at: str | None
    by_kind: dict[str, int]


class ActionIn(Schema):
    """`version` is the version the moderator saw; `strike` counts against the author."""

    action: ActionName
    version: Annotated[int, Field(ge=0, le=2**31 - 1)]
    reason: Line
    strike: bool = False


class UndoIn(Schema):
    reason: Line


class StrikeOut(Schema):
    """`counts` until it decays or its action is undone."""

    id: str
    action_id: str
    action: str | None
    reason: str
    created_at: str
    decays_at: str
    revoked_at: str | None
    counts: bool


class StrikesOut(Schema):
    """The newest hundred; `active` says how many count."""

    items: list[StrikeOut]
    active: int


class NoticeOut(Schema):
    id: str
    kind: str
    data: dict[str, Any]
    created_at: str
    read_at: str | None


class NoticePage(Schema):
    items: list[NoticeOut]
    next_cursor: str | None
    unread: int


class PageQuery(Schema):
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class AuditLine(Schema):
    id: str
    actor_id: str
    what: str
    target_id: str
    data: dict[str, Any]
    created_at: str


class AuditPage(Schema):
    items: list[AuditLine]
    next_cursor: str | None
