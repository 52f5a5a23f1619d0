"""How people respond to what the feed shows them: which acts speak of quality, and each of them once.

An act counts when it follows, within `RESPONSE_WITHIN`, an exposure of that item to that person which was itself counted
as examined: one from the recommended feed, to a person, and not to a bot. So acts and exposures speak of the same people.
What came from elsewhere (a search, a profile, a shared link, the feed of those one follows) moves the person's own taste and
no score: such people sought the item or its author, and a ring of accounts that was linked to a note would outvote the
strangers it was shown to. What a device did before it logged in is its account's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Delete, Row, Select, delete, select, update

from feed.models import Exposure, Responded
from kernel.db import Write, in_chunks, insert_ignore

RESPONSE_WITHIN = timedelta(days=7)
"""As long as nothing comes back that was shown: an act follows at most one exposure."""


def told(tx: Write, person: str, item_id: str, act: str) -> bool:
    """Keep that a person did this; False when they had done it before."""
    row = {"person": person, "item_id": item_id, "act": act, "at": tx.now, "counted": False}
    return bool(insert_ignore(tx.session, Responded.__table__, row))


def counted(tx: Write, person: str, item_id: str, act: str, since: datetime | None = None) -> bool:
    """Whether this act begins to count now: it follows an exposure (not before `since`) and did not count yet."""
    shown = exposed([person], tx.now, since).where(Exposure.item_id == item_id)
    begins = update(Responded).where(*_this(person, item_id, act), ~Responded.counted, shown.exists())
    changed = tx.session.execute(begins.values(counted=True).execution_options(synchronize_session=False))
    return bool(changed.rowcount)  # type: ignore[attr-defined]


def taken_back(tx: Write, person: str, item_id: str, act: str) -> Row[datetime, bool] | None:
    """Forget an act: when it was and whether it counted; None when there was none."""
    gone = delete(Responded).where(*_this(person, item_id, act)).returning(Responded.at, Responded.counted)
    return tx.session.execute(gone).one_or_none()


def merge(tx: Write, device_id: str, account_id: str) -> list[Responded]:
    """What a device did is its account's: both are known by one name. The acts that the account had done as well."""
    acts = tx.session.scalars(select(Responded).where(Responded.person == device_id).order_by(Responded.item_id)).all()
    twice = []
    for act in acts:
        tx.session.delete(act)
        row = {"item_id": act.item_id, "act": act.act, "at": act.at, "counted": act.counted}
        if not insert_ignore(tx.session, Responded.__table__, {"person": account_id, **row}):
            twice.append(act)
    tx.session.flush()
    return twice


def forget(item_id: str) -> Delete:
    """DELETE all that was done with an item."""
    return delete(Responded).where(Responded.item_id == item_id).execution_options(synchronize_session=False)


def exposed(persons: Sequence[str], now: datetime, since: datetime | None = None) -> Select[str | None, str, datetime]:
    """SELECT person, item and time of the counted exposures that an act at `now` may follow."""
    first = now - RESPONSE_WITHIN if since is None else max(since, now - RESPONSE_WITHIN)
    mine = Exposure.person.in_(list(persons)), Exposure.counts, Exposure.shown_at >= first
    return select(Exposure.person, Exposure.item_id, Exposure.shown_at).where(*mine)


def known_of(tx: Write, persons: Sequence[str]) -> dict[tuple[str, str, str], tuple[datetime, bool]]:
    """What these people have done: when, and whether it counted."""
    acts = select(Responded.person, Responded.item_id, Responded.act, Responded.at, Responded.counted)
    return {
        (row.person, row.item_id, row.act): (row.at, row.counted)
        for chunk in in_chunks(persons)
        for row in tx.session.execute(acts.where(Responded.person.in_(chunk)))
    }


def _this(person: str, item_id: str, act: str) -> tuple[ColumnElement[bool], ...]:
    return Responded.person == person, Responded.item_id == item_id, Responded.act == act
