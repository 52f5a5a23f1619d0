"""The guarantee's queue has a place for each author; every note is read again, for its place and its new fingerprint."""

from datetime import UTC, datetime
from uuid import uuid4

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_where = {"sqlite_where": sa.text("waiting = 1"), "postgresql_where": sa.text("waiting")}
_jobs = sa.table(
    "jobs",
    sa.column("id", sa.String),
    sa.column("name", sa.String),
    sa.column("args", sa.JSON().with_variant(postgresql.JSONB(), "postgresql")),
    sa.column("status", sa.String),
    sa.column("attempts", sa.Integer),
    sa.column("run_at", sa.DateTime(timezone=True)),
    sa.column("created_at", sa.DateTime(timezone=True)),
)
_NOTES_A_JOB = 20


def upgrade() -> None:
    with op.batch_alter_table("feed_candidates", schema=None) as batch_op:
        batch_op.add_column(sa.Column("waiting", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.drop_index("ix_feed_candidates_fresh")
        batch_op.create_index("ix_feed_candidates_waiting", ["published_at"], unique=False, **_where)
    notes = list(op.get_bind().scalars(sa.text("SELECT note_id FROM feed_candidates ORDER BY note_id")))
    for start in range(0, len(notes), _NOTES_A_JOB):
        op.execute(_jobs.insert().values(_refresh(notes[start : start + _NOTES_A_JOB])))


def _refresh(notes: list[str]) -> dict[str, object]:
    """A job. Only what reads a note's text can tell its fingerprint."""
    now = datetime.now(UTC)
    job = {"id": f"job_{uuid4().hex[:26]}", "name": "feed.refresh", "args": {"note_ids": notes}}
    return {**job, "status": "waiting", "attempts": 0, "run_at": now, "created_at": now}


def downgrade() -> None:
    with op.batch_alter_table("feed_candidates", schema=None) as batch_op:
        batch_op.drop_index("ix_feed_candidates_waiting", **_where)
        batch_op.create_index("ix_feed_candidates_fresh", ["eligible", "exposures", "published_at"], unique=False)
        batch_op.drop_column("waiting")
