"""Metrics over HTTP."""

from __future__ import annotations

from kernel.actor import Actor
from kernel.errors import Forbidden
from kernel.http import Rate, blueprint, endpoint, find
from metrics.schemas import Daily, DailyQuery, EventBatch, Ingested, Recount, RecountIn
from metrics.service import MetricsService

routes = blueprint("metrics", __name__)
RECOUNT_RATE = Rate(12, 60)


@routes.post("/events")
@endpoint(body=EventBatch, returns=Ingested, status=202, auth=False)
def ingest(actor: Actor, body: EventBatch) -> Ingested:
    """Count a batch of a client's events; sending it again is harmless."""
    return find(MetricsService).ingest(actor, body)


@routes.get("/metrics/daily")
@endpoint(query=DailyQuery, returns=Daily, refuses=(Forbidden,))
def daily(actor: Actor, query: DailyQuery) -> Daily:
    """DAU, DAB and GMV per business day."""
    return find(MetricsService).daily(actor, query)


@routes.post("/metrics/recount")
@endpoint(body=RecountIn, returns=Recount, rate=RECOUNT_RATE)
def recount(actor: Actor, body: RecountIn) -> Recount:
    """Count the raw events again and compare with what is stored."""
    return find(MetricsService).check(actor, body)
