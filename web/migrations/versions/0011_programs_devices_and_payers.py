"""A device that merged into a program is one; who only paid on a day was not active on it."""

from datetime import date
from typing import Any

import sqlalchemy as sa
from alembic import op
from pyroaring import BitMap

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_PASSIVE = ("order.paid", "impression", "poll", "video.progress")
_KEY = ("day", "metric", "channel", "population")


def _table(name: str, *columns: str) -> sa.TableClause:
    kinds = {"day": sa.Date, "bitmap": sa.LargeBinary}
    return sa.table(name, *(sa.column(column, kinds.get(column)) for column in columns))


_events = _table("metric_events", "day", "person", "name", "channel", "synthetic")
_aliases = _table("person_aliases", "device_id", "account_id")
_numbers = _table("person_numbers", "person", "number")
_rows = _table("day_people", *_KEY, "number")
_sets = _table("day_sets", *_KEY, "bitmap")


def upgrade() -> None:
    op.add_column("person_aliases", sa.Column("synthetic", sa.Boolean(), nullable=False, server_default=sa.false()))
    database = op.get_bind()
    for number, day, channel, synthetic in database.execute(_only_paid()).all():
        _forget(database, number, (day, "dau", channel, "synthetic" if synthetic else "people"))


def _only_paid() -> sa.Select[Any]:
    """Who paid on a day, in a channel, and did nothing else there that counts, nor did a device of theirs."""
    paid, other, alias = _events.alias("paid"), _events.alias("other"), _aliases.alias("alias")
    theirs = sa.select(alias.c.device_id).where(alias.c.account_id == paid.c.person).correlate(paid)
    same = [other.c[name] == paid.c[name] for name in ("day", "channel", "synthetic")]
    person = sa.or_(other.c.person == paid.c.person, other.c.person.in_(theirs))
    active = sa.select(sa.literal(1)).select_from(other).where(*same, person, other.c.name.not_in(_PASSIVE))
    return (
        sa.select(_numbers.c.number, paid.c.day, paid.c.channel, paid.c.synthetic)
        .join_from(paid, _numbers, _numbers.c.person == paid.c.person)
        .where(paid.c.name == "order.paid", ~active.exists())
        .distinct()
    )


def _forget(database: sa.Connection, number: int, key: tuple[date, str, str, str]) -> None:
    def at(table: sa.TableClause) -> list[sa.ColumnElement[bool]]:
        return [table.c[name] == value for name, value in zip(_KEY, key, strict=True)]

    database.execute(_rows.delete().where(*at(_rows), _rows.c.number == number))
    sealed = database.scalar(sa.select(_sets.c.bitmap).where(*at(_sets)))
    if sealed is not None:
        members = BitMap.deserialize(sealed)
        members.discard(number)
        database.execute(_sets.update().where(*at(_sets)).values(bitmap=members.serialize()))


def downgrade() -> None:
    op.drop_column("person_aliases", "synthetic")
