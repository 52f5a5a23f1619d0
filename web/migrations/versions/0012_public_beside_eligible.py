"""What keeps a note out of recall for now, a poor response, is told from what takes it down."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_candidates = sa.table("feed_candidates", sa.column("note_id", sa.String), sa.column("public", sa.Boolean))
_notes = sa.table(
    "notes",
    sa.column("id", sa.String),
    sa.column("status", sa.String),
    sa.column("hidden", sa.Boolean),
    sa.column("removed", sa.Boolean),
    sa.column("deleted_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    with op.batch_alter_table("feed_candidates", schema=None) as batch_op:
        batch_op.add_column(sa.Column("public", sa.Boolean(), nullable=False, server_default=sa.false()))
    note = _notes.c
    shown = sa.and_(note.status == "public", ~note.hidden, ~note.removed, note.deleted_at.is_(None))
    op.execute(_candidates.update().values(public=sa.exists().where(note.id == _candidates.c.note_id, shown)))


def downgrade() -> None:
    with op.batch_alter_table("feed_candidates", schema=None) as batch_op:
        batch_op.drop_column("public")
