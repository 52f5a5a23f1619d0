"""rooms take a picture from their host"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0001"
branch_labels = None
depends_on = None

_rooms = sa.table("rooms", sa.column("status", sa.String()), sa.column("receiving", sa.Boolean()))
_heads = sa.table(
    "room_log_heads",
    sa.column("room_id", sa.String()),
    sa.column("state", sa.JSON().with_variant(postgresql.JSONB(), "postgresql")),
)


def upgrade() -> None:
    op.add_column("rooms", sa.Column("stream", sa.String(length=16), server_default="test_picture", nullable=False))
    op.add_column("rooms", sa.Column("receiving", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "room_ingests",
        sa.Column("room_id", sa.String(length=48), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("passphrase", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_room_ingests_room_id_rooms")),
        sa.PrimaryKeyConstraint("room_id", name=op.f("pk_room_ingests")),
        sa.UniqueConstraint("port", name=op.f("uq_room_ingests_port")),
    )
    connection = op.get_bind()
    connection.execute(sa.update(_rooms).where(_rooms.c.status == "live").values(receiving=True))
    for room_id, state in connection.execute(sa.select(_heads.c.room_id, _heads.c.state)).all():
        stream = "receiving" if state["status"] == "live" else None
        _set_state(connection, room_id, {**state, "stream": stream})


def downgrade() -> None:
    connection = op.get_bind()
    for room_id, state in connection.execute(sa.select(_heads.c.room_id, _heads.c.state)).all():
        _set_state(connection, room_id, {name: value for name, value in state.items() if name != "stream"})
    op.drop_table("room_ingests")
    op.drop_column("rooms", "receiving")
    op.drop_column("rooms", "stream")


def _set_state(connection: sa.Connection, room_id: str, state: dict[str, object]) -> None:
    connection.execute(sa.update(_heads).where(_heads.c.room_id == room_id).values(state=state))
