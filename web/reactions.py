"""The table of consequences: what happened -> what follows within the commit, now, and later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import accounts as a
import metrics as x
import moderation as m
from engines.sql import AnyDatabase
from kernel.facts import Fact, Reaction

if TYPE_CHECKING:
    from web.app import Services


def connect(db: AnyDatabase, services: Services) -> None:
    """Fill the table and name the jobs' handlers."""
    db.reactions.table = table(services)
    services.worker.handlers.update({})


def table(services: Services) -> dict[type[Fact], Reaction]:
    """Every fact has a line here, an empty one when nothing follows."""
    return {
        a.AccountRegistered: Reaction(),
        a.LoggedIn: Reaction(),
        a.DeviceMerged: Reaction(within=[lambda tx, f: services.metrics.merge(tx, f.device_id, f.account_id)]),
        a.Followed: Reaction(),
        a.Unfollowed: Reaction(),
        a.Blocked: Reaction(),
        a.Unblocked: Reaction(),
        a.AccountSuspended: Reaction(),
        a.CreatorApplied: Reaction(),
        a.CreatorApproved: Reaction(),
        a.CreatorRefused: Reaction(),
        a.CreatorWithdrawn: Reaction(
            within=[
                lambda tx, f: services.moderation.witness(
                    tx, f.by_id, "creator_application.withdrawn", f.account_id, {"application": f.application_id}
                )
            ]
        ),
        x.EventsIngested: Reaction(),
        m.Screened: Reaction(),
        m.Reported: Reaction(),
        m.CaseActed: Reaction(),
        m.ActionUndone: Reaction(),
        m.StrikeGiven: Reaction(),
        m.NoticeSent: Reaction(),
    }
