"""What people do on purpose, whichever door it came through: the facts that make somebody active, as metrics counts them.

A command that a person gives is an act of theirs; what a job, a moderator or a provider does with their things is none.
What somebody only opens leaves no fact: pages count it as they are opened, and other clients tell it (`POST /events`),
because only they know a tap from a poll.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import accounts as a
import feed as fd
import live as l
import moderation as m
import notes as n
import shop as s
from kernel.db import Write
from kernel.facts import Fact, Reaction
from metrics import Act

ACTS: Mapping[type[Fact], Callable[[Any], Act | None]] = {
    a.LoggedIn: lambda f: Act(f.account_id, "session.opened"),
    a.LoggedOut: lambda f: Act(f.account_id, "session.closed"),
    a.ProfileChanged: lambda f: Act(f.account_id, "profile.changed", "profile"),
    a.Followed: lambda f: Act(f.follower_id, "account.followed", "profile", f.followee_id),
    a.Unfollowed: lambda f: (
        Act(f.follower_id, "account.unfollowed", "profile", f.followee_id) if f.by_id == f.follower_id else None
    ),
    a.Blocked: lambda f: Act(f.blocker_id, "account.blocked", "profile", f.blocked_id),
    a.Unblocked: lambda f: Act(f.blocker_id, "account.unblocked", "profile", f.blocked_id),
    a.CreatorApplied: lambda f: Act(f.account_id, "creator.applied"),
    a.CreatorWithdrawn: lambda f: Act(f.by_id, "creator.withdrawn"),
    fd.FeedbackGiven: lambda f: Act(f.person, "feedback.given", "feed", f.target_id or None),
    m.Reported: lambda f: Act(f.reporter_id, "report.made", "app", f.target_id),
    n.NoteWritten: lambda f: Act(f.author_id, "note.written", "app", f.note_id),
    n.NoteSubmitted: lambda f: Act(f.author_id, "note.submitted", "app", f.note_id) if f.by_author else None,
    n.NoteDeleted: lambda f: Act(f.author_id, "note.deleted", "app", f.note_id),
    n.NoteLiked: lambda f: Act(f.account_id, "note.liked", "note", f.note_id),
    n.NoteUnliked: lambda f: Act(f.account_id, "note.unliked", "note", f.note_id),
    n.NoteSaved: lambda f: Act(f.account_id, "note.saved", "note", f.note_id),
    n.NoteUnsaved: lambda f: Act(f.account_id, "note.unsaved", "note", f.note_id),
    n.NoteCommented: lambda f: Act(f.account_id, "note.commented", "note", f.note_id),
    s.PaymentOpened: lambda f: Act(f.buyer_id, "payment.opened", "app", f.order_id),
    s.OrderCancelled: lambda f: Act(f.buyer_id, "order.cancelled", "app", f.order_id),
    l.RoomCreated: lambda f: Act(f.host_id, "room.created", "room", f.room_id),
    l.RoomStarted: lambda f: Act(f.host_id, "room.started", "room", f.room_id),
    l.RoomEnded: lambda f: Act(f.host_id, "room.ended", "room", f.room_id) if f.reason == "host" else None,
    l.ChatSent: lambda f: Act(f.account_id, "chat.sent", "room", f.room_id),
}
"""Placing an order is counted by itself, with its sums (`web/reactions.py`). A payment is no act: it is told when the payer
may be asleep; that they asked for the payment page is one."""

Count = Callable[[Write, Act], None]


def counted(table: Mapping[type[Fact], Reaction], count: Count) -> dict[type[Fact], Reaction]:
    """The table of consequences with `count` told of every act, within its commit and before anything else."""

    def told(fact: type[Fact]) -> Callable[[Write, Any], None]:
        def react(tx: Write, f: Any) -> None:
            if (act := ACTS[fact](f)) is not None:
                count(tx, act)

        return react

    return {
        fact: replace(reaction, within=[told(fact), *reaction.within]) if fact in ACTS else reaction
        for fact, reaction in table.items()
    }
