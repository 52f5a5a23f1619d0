"""Metrics over HTTP."""

from __future__ import annotations

from kernel.actor import Actor
from kernel.http import blueprint, endpoint, find
from metrics.schemas import Daily, DailyQuery, EventBatch, Ingested
from metrics.service import MetricsService

routes = blueprint("metrics", __name__)


@routes.post("/events")
@endpoint(body=EventBatch, returns=Ingested, status=202, auth=False)
def ingest(actor: Actor, body: EventBatch) -> Ingested:
    """Count a batch of a client's events; sending it again is harmless."""
    return find(MetricsService).ingest(actor, body)


@routes.get("/metrics/daily")
@endpoint(query=DailyQuery, returns=Daily)
def daily(actor: Actor, query: DailyQuery) -> Daily:
    """DAU, DAB and GMV per business day."""
    return find(MetricsService).daily(actor, query)
