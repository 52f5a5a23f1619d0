"""The tables of metrics. `metric_events` is the truth; everything else is recountable from it."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Date, Index, Integer, LargeBinary, String, false
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, Instant


class MetricEvent(Base):
    """One thing a person did. `source` makes a repeated delivery harmless; `amount` is in minor units, for orders."""

    __tablename__ = "metric_events"
    __table_args__ = (Index("ix_metric_events_day", "day"), Index("ix_metric_events_person", "person", "day"))

    source: Mapped[str] = mapped_column(String(120), primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)
    day: Mapped[date] = mapped_column(Date)
    person: Mapped[str] = mapped_column(String(48))
    synthetic: Mapped[bool]
    name: Mapped[str] = mapped_column(String(32))
    channel: Mapped[str] = mapped_column(String(16))
    target: Mapped[str | None] = mapped_column(String(48))
    amount: Mapped[int] = mapped_column(BigInteger, default=0)


class PersonNumber(Base):
    """A small dense number for each person, so that a set of people is a compact bitmap."""

    __tablename__ = "person_numbers"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    person: Mapped[str] = mapped_column(String(48), unique=True)


class PersonAlias(Base):
    """A device that merged: its past is the account's, and no person's when the account is none (`synthetic`)."""

    __tablename__ = "person_aliases"

    device_id: Mapped[str] = mapped_column(String(48), primary_key=True)
    account_id: Mapped[str] = mapped_column(String(48), index=True)
    synthetic: Mapped[bool] = mapped_column(default=False, server_default=false())


class DayPerson(Base):
    """A member of an open day's set; sealed into a bitmap when the day is over."""

    __tablename__ = "day_people"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    metric: Mapped[str] = mapped_column(String(8), primary_key=True)
    channel: Mapped[str] = mapped_column(String(16), primary_key=True)
    population: Mapped[str] = mapped_column(String(10), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)


class DaySet(Base):
    """A sealed day's set of people as a portable roaring bitmap."""

    __tablename__ = "day_sets"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    metric: Mapped[str] = mapped_column(String(8), primary_key=True)
    channel: Mapped[str] = mapped_column(String(16), primary_key=True)
    population: Mapped[str] = mapped_column(String(10), primary_key=True)
    bitmap: Mapped[bytes] = mapped_column(LargeBinary)


class DaySum(Base):
    """Sums of a day: `orders` counts, `gmv` and `gmv_paid` in minor units."""

    __tablename__ = "day_sums"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    metric: Mapped[str] = mapped_column(String(8), primary_key=True)
    channel: Mapped[str] = mapped_column(String(16), primary_key=True)
    population: Mapped[str] = mapped_column(String(10), primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger)
