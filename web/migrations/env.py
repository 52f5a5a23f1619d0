"""Alembic runs on the connection that `web/migrate.py` hands over."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import JSON

from kernel.db import Base, Instant


def render(kind: str, item: Any, autogen: Any) -> str | Literal[False]:
    """Our own column types are written as what they are made of, so that a revision never imports the application."""
    if kind == "type" and isinstance(item, Instant):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, JSON):
        autogen.imports.add("from sqlalchemy.dialects import postgresql")
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=False,
    render_item=render,
    on_version_apply=lambda *, step, **_: context.config.attributes.get("applied", len)(step.up_revision_id),
)
with context.begin_transaction():
    context.run_migrations()
