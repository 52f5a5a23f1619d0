"""The present, and the calendar of the business."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FrozenClock:
    """A clock that stands until it is moved: for tests and for loading the demo's past."""

    def __init__(self, at: datetime) -> None:
        self.at = at.astimezone(UTC)

    def now(self) -> datetime:
        return self.at

    def move_to(self, at: datetime) -> None:
        self.at = at.astimezone(UTC)

    def advance(self, **span: float) -> None:
        """`advance(minutes=5)`: the keywords of `timedelta`."""
        self.at += timedelta(**span)


def business_day(at: datetime, zone: tzinfo) -> date:
    """The calendar day of `at` in the business's time zone."""
    return at.astimezone(zone).date()


def rfc3339(at: datetime) -> str:
    """`2026-11-22T03:38:00.000Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
