"""What happens to notes and around them."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.facts import Fact


@dataclass(frozen=True)
class NoteWritten(Fact):
    """Its author put this version down, as a draft or to be judged."""

    note_id: str
    version: int
    author_id: str


@dataclass(frozen=True)
class NoteSubmitted(Fact):
    """This version waits for a verdict: a first submission, an edit, or (not `by_author`) a changed listing."""

    note_id: str
    version: int
    author_id: str
    by_author: bool


@dataclass(frozen=True)
class NotePublished(Fact):
    """This version is served from now on, everywhere."""

    note_id: str
    author_id: str
    version: int


@dataclass(frozen=True)
class NoteLimited(Fact):
    """This version is served from now on, to followers and in search only."""

    note_id: str
    author_id: str
    version: int


@dataclass(frozen=True)
class NoteRejected(Fact):
    """This version is not served (any more); an earlier approved one may still be."""

    note_id: str
    author_id: str
    version: int


@dataclass(frozen=True)
class NoteRefused(Fact):
    """The product gate has closed since this version was handed in, so that no verdict publishes it."""

    note_id: str
    author_id: str
    version: int
    reason: str


@dataclass(frozen=True)
class NoteHidden(Fact):
    """Out of sight for everybody but its author and staff."""

    note_id: str
    author_id: str


@dataclass(frozen=True)
class NoteRemoved(Fact):
    """Taken down for good, unless that is undone."""

    note_id: str
    author_id: str


@dataclass(frozen=True)
class NoteRestored(Fact):
    """Neither hidden nor removed any more."""

    note_id: str
    author_id: str


@dataclass(frozen=True)
class NoteDeleted(Fact):
    """By its author."""

    note_id: str
    author_id: str


@dataclass(frozen=True)
class NoteProductsChanged(Fact):
    """The newest version carries other product cards than the one before."""

    note_id: str
    author_id: str
    sku_ids: tuple[str, ...]


@dataclass(frozen=True)
class NoteLiked(Fact):
    note_id: str
    account_id: str
    author_id: str


@dataclass(frozen=True)
class NoteUnliked(Fact):
    note_id: str
    account_id: str
    author_id: str


@dataclass(frozen=True)
class NoteSaved(Fact):
    note_id: str
    account_id: str
    author_id: str


@dataclass(frozen=True)
class NoteUnsaved(Fact):
    note_id: str
    account_id: str
    author_id: str


@dataclass(frozen=True)
class NoteCommented(Fact):
    note_id: str
    comment_id: str
    account_id: str
    text: str


@dataclass(frozen=True)
class CommentHeld(Fact):
    """It waits for a moderator; its author alone sees it."""

    note_id: str
    comment_id: str
    account_id: str


@dataclass(frozen=True)
class CommentHidden(Fact):
    note_id: str
    comment_id: str
    account_id: str


@dataclass(frozen=True)
class CommentRestored(Fact):
    note_id: str
    comment_id: str
    account_id: str


@dataclass(frozen=True)
class CommentDeleted(Fact):
    note_id: str
    comment_id: str
    account_id: str
