"""What happens in moderation."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.facts import Fact


@dataclass(frozen=True)
class Screened(Fact):
    """The rules read one version; `verdict` is approve, limit, hold or reject, and no softer than what a moderator said."""

    kind: str
    target_id: str
    author_id: str
    version: int
    verdict: str
    reason: str


@dataclass(frozen=True)
class Reported(Fact):
    case_id: str
    kind: str
    target_id: str
    reporter_id: str


@dataclass(frozen=True)
class CaseActed(Fact):
    """A moderator decided; what the action means for the target is the target's service's matter."""

    action_id: str
    case_id: str
    kind: str
    target_id: str
    author_id: str
    action: str
    version: int
    reason: str


@dataclass(frozen=True)
class ActionUndone(Fact):
    """`standing` is the verdict that holds again: of an earlier action, else of screening. `lifted`: no other action holds
    the whole thing as this one did. `versions` are verdicts of versions that hold again, newest first."""

    action_id: str
    case_id: str
    kind: str
    target_id: str
    author_id: str
    action: str
    version: int
    standing: str
    lifted: bool
    versions: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class StrikeGiven(Fact):
    account_id: str
    action_id: str


@dataclass(frozen=True)
class NoticeSent(Fact):
    notice_id: str
    account_id: str
