"""Notices: what the house tells one person."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select, update

from kernel import cursors
from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.db import Database, Write
from kernel.ids import new_id
from moderation.facts import NoticeSent
from moderation.models import Notice
from moderation.schemas import NoticeOut, NoticePage


class Notices:
    """Writes and reads notices."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def send(self, tx: Write, account_id: str, kind: str, data: dict[str, Any]) -> None:
        """Tell an account something, within the commit that causes it."""
        row = Notice(id=new_id("notice", tx.now), account_id=account_id, kind=kind, data=data, created_at=tx.now)
        tx.session.add(row)
        tx.record(NoticeSent(row.id, account_id))

    def page(self, actor: Actor, cursor: str | None, limit: int) -> NoticePage:
        """The caller's notices, newest first."""
        account_id = actor.require_account()
        after = cursors.decode(cursor, str)
        mine = select(Notice).where(Notice.account_id == account_id).order_by(Notice.id.desc()).limit(limit + 1)
        with self.db.read() as session:
            rows = session.scalars(mine if after is None else mine.where(Notice.id < after[0])).all()
            unread = session.scalar(
                select(func.count()).where(Notice.account_id == account_id, Notice.read_at.is_(None))
            )
        shown, more = cursors.cut(rows, limit, lambda row: row.id)
        return NoticePage(items=[_out(row) for row in shown], next_cursor=more, unread=unread or 0)

    def read_all(self, actor: Actor) -> None:
        """Mark everything as read."""
        mine = update(Notice).where(Notice.account_id == actor.require_account(), Notice.read_at.is_(None))
        self.db.write(lambda tx: tx.session.execute(mine.values(read_at=tx.now)))


def _out(row: Notice) -> NoticeOut:
    read_at = rfc3339(row.read_at) if row.read_at else None
    return NoticeOut(id=row.id, kind=row.kind, data=row.data, created_at=rfc3339(row.created_at), read_at=read_at)
