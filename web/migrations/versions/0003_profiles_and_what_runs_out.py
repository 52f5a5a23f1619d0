"""profiles have versions; sessions and uploads say when their time is over"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("media", sa.Column("free_since", sa.DateTime(timezone=True), nullable=True))
    # Whether one is used is asked before it is deleted, so all may be asked about.
    op.execute("UPDATE media SET free_since = created_at")
    op.create_index("ix_media_free_since", "media", ["free_since"])
    op.create_index("ix_tokens_expires_at", "tokens", ["expires_at"])


def downgrade() -> None:
    op.drop_index("ix_tokens_expires_at", "tokens")
    op.drop_index("ix_media_free_since", "media")
    op.drop_column("media", "free_since")
    op.drop_column("accounts", "version")
