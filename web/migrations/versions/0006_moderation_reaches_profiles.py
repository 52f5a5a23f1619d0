"""moderation reaches profiles and rooms' titles, and remembers what each reporter was told"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("veiled", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("rooms", sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("reports", sa.Column("answered_by", sa.String(length=48), nullable=True))
    # Ids sort by time: whoever was answered was last told of the newest action of their case.
    newest = "SELECT max(id) FROM moderation_actions WHERE moderation_actions.case_id = reports.case_id"
    op.execute(f"UPDATE reports SET answered_by = ({newest}) WHERE answered")
    with op.batch_alter_table("reports") as reports:
        reports.drop_column("answered")


def downgrade() -> None:
    op.add_column("reports", sa.Column("answered", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE reports SET answered = true WHERE answered_by IS NOT NULL")
    with op.batch_alter_table("reports") as reports:
        reports.drop_column("answered_by")
    op.drop_column("rooms", "version")
    op.drop_column("accounts", "veiled")
