"""A picture leads to what shows it: the versions of notes, the covers of products, the avatars"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_ID = sa.String(48)
_versions = sa.table(
    "note_versions", sa.column("note_id", _ID), sa.column("n", sa.Integer), sa.column("pictures", _JSON)
)
_products = sa.table("products", sa.column("cover", _JSON), sa.column("cover_url", sa.String))
_BATCH = 1000


def upgrade() -> None:
    pictures = op.create_table(
        "version_pictures",
        sa.Column("note_id", _ID, nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("media_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["note_id", "n"],
            ["note_versions.note_id", "note_versions.n"],
            name=op.f("fk_version_pictures_note_id_n_note_versions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("note_id", "n", "media_id", name=op.f("pk_version_pictures")),
    )
    op.create_index("ix_version_pictures_media", "version_pictures", ["media_id", "note_id", "n"])
    op.create_index("ix_media_name", "media", ["name"])
    op.create_index("ix_media_small_name", "media", ["small_name"])
    op.create_index("ix_accounts_avatar", "accounts", ["avatar"])
    op.add_column("products", sa.Column("cover_url", sa.String(300), nullable=True))
    op.create_index("ix_products_cover", "products", ["cover_url", "status"])
    _fill(pictures)


def _fill(pictures: sa.Table) -> None:
    database = op.get_bind()
    for some in database.execute(sa.select(_versions)).partitions(_BATCH):
        rows = [{"note_id": row.note_id, "n": row.n, "media_id": one} for row in some for one in _media(row.pictures)]
        if rows:
            database.execute(pictures.insert(), rows)
    op.execute(_products.update().values(cover_url=_products.c.cover["url"].as_string()))


def _media(shown: list[dict[str, Any]]) -> set[str]:
    return {picture["media"] for picture in shown}


def downgrade() -> None:
    op.drop_index("ix_products_cover", "products")
    op.drop_column("products", "cover_url")
    op.drop_index("ix_accounts_avatar", "accounts")
    op.drop_index("ix_media_small_name", "media")
    op.drop_index("ix_media_name", "media")
    op.drop_table("version_pictures")
