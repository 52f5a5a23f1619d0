"""jobs that have their time are found without passing what else waits"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0005"
branch_labels = None
depends_on = None

_timed = sa.text("run_at > created_at")


def upgrade() -> None:
    op.create_index("ix_jobs_timed", "jobs", ["status", "run_at"], sqlite_where=_timed, postgresql_where=_timed)


def downgrade() -> None:
    op.drop_index("ix_jobs_timed", "jobs")
