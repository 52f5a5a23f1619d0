"""What happened: events, unique people (DAU, DAB) as exact mergeable sets, GMV, recount."""

from metrics.counting import Act, Event, OrderEvent
from metrics.facts import EventsIngested, NoteOpened
from metrics.people import PEOPLE, SYNTHETIC
from metrics.schemas import Daily, DailyQuery, EventBatch
from metrics.service import MetricsService

__all__ = [
    "PEOPLE",
    "SYNTHETIC",
    "Act",
    "Daily",
    "DailyQuery",
    "Event",
    "EventBatch",
    "EventsIngested",
    "MetricsService",
    "NoteOpened",
    "OrderEvent",
]
