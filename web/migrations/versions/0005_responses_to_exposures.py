"""Count as a response only what follows an exposure, once per person and act; rooms on the notes' scale."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feed_broadcasts",
        sa.Column("room_id", sa.String(length=48), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.Float(), nullable=False),
        sa.Column("quality", sa.Float(), nullable=False),
        sa.Column("exposures", sa.Integer(), nullable=False),
        sa.Column("examined", sa.Float(), nullable=False),
        sa.Column("responses", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("room_id", name=op.f("pk_feed_broadcasts")),
    )
    op.create_table(
        "feed_response_rate",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rate", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_response_rate")),
    )
    op.create_table(
        "feed_responses",
        sa.Column("person", sa.String(length=48), nullable=False),
        sa.Column("item_id", sa.String(length=48), nullable=False),
        sa.Column("act", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("person", "item_id", "act", name=op.f("pk_feed_responses")),
    )
    op.create_index("ix_feed_responses_item", "feed_responses", ["item_id"], unique=False)
    op.add_column("exposures", sa.Column("counts", sa.Boolean(), nullable=False, server_default=sa.false()))
    # What was counted did not ask for an exposure and cannot be told apart any more: both sides of the rate start anew.
    # How often a note was shown stays, so that no guarantee is given twice.
    op.execute("UPDATE feed_candidates SET examined = 0, responses = 0")


def downgrade() -> None:
    op.drop_column("exposures", "counts")
    op.drop_table("feed_responses")
    op.drop_table("feed_response_rate")
    op.drop_table("feed_broadcasts")
