"""The guarantee's queue: which new notes wait to be shown as often as each may count on, oldest first.

At most `feed.author_cap` notes of one author wait at a time, its oldest: as many as ten positions take. Who publishes five hundred has
two in the queue like everybody else, and who is suspended has none. So recall reads the head of one small index. While few authors
wait they share the `HEAD` that a page reads: else who has seen an author's two would be offered none of the rest.

A note leaves the queue in the write that shows it often enough or hides it (`PlaceFreed`); the next of its author comes in by a job,
for which no page waits. What a job cannot know of, such as a changed rule, `out_of_line` finds.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, func, not_, or_, select, union, update
from sqlalchemy.orm import Session

from feed.models import Candidate
from feed.policy import FeedPolicy
from kernel.db import Write, alone

HEAD = 40
"""How many waiting notes a page takes to choose from."""


def hold(tx: Write, author_id: str) -> None:
    """Let nobody else line up this author's notes until this commit has ended. To be taken before any of their rows."""
    alone(tx.session, f"guarantee:{author_id}")


def line_up(tx: Write, author_id: str, policy: FeedPolicy) -> None:
    """Let the author's oldest notes wait, and no other; `hold` first."""
    theirs = select(Candidate.note_id).where(Candidate.author_id == author_id, _due(policy))
    oldest = tx.session.scalars(
        theirs.order_by(Candidate.published_at, Candidate.note_id).limit(_places(tx.session, policy))
    ).all()
    _let_wait(tx, author_id, oldest)


def step_aside(tx: Write, author_id: str) -> None:
    """Let none of the author's notes wait."""
    hold(tx, author_id)
    _let_wait(tx, author_id, [])


def still_waits(policy: FeedPolicy) -> ColumnElement[bool]:
    """Whether a note goes on waiting after one more exposure."""
    return and_(Candidate.waiting, Candidate.exposures + 1 < policy.guarantee)


def out_of_line(session: Session, policy: FeedPolicy) -> Sequence[str]:
    """Authors of whom others wait than should."""
    place = func.row_number().over(
        partition_by=Candidate.author_id, order_by=(Candidate.published_at, Candidate.note_id)
    )
    due = (
        select(Candidate.author_id, Candidate.waiting, (place <= _places(session, policy)).label("oldest"))
        .where(_due(policy))
        .subquery()
        .c
    )
    wrong = select(due.author_id).where(or_(and_(due.waiting, not_(due.oldest)), and_(not_(due.waiting), due.oldest)))
    return session.scalars(union(wrong, select(Candidate.author_id).where(Candidate.waiting, not_(_due(policy))))).all()


def _places(session: Session, policy: FeedPolicy) -> int:
    """How many notes of one author may wait."""
    waiting = select(Candidate.author_id).where(Candidate.waiting).distinct().limit(HEAD).subquery()
    authors = session.scalar(select(func.count()).select_from(waiting)) or 1
    return max(policy.author_cap, HEAD // authors)


def _due(policy: FeedPolicy) -> ColumnElement[bool]:
    return and_(Candidate.eligible, Candidate.exposures < policy.guarantee)


def _let_wait(tx: Write, author_id: str, notes: Sequence[str]) -> None:
    """Rows are taken in the order in which a page takes them."""
    now = Candidate.note_id.in_(notes)
    turned = or_(and_(Candidate.waiting, not_(now)), and_(not_(Candidate.waiting), now))
    rows = select(Candidate.note_id).where(Candidate.author_id == author_id, turned).order_by(Candidate.note_id)
    change = (
        update(Candidate).where(Candidate.note_id.in_(rows.with_for_update())).values(waiting=not_(Candidate.waiting))
    )
    tx.session.execute(change.execution_options(synchronize_session=False))
