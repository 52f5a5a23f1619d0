"""The feed over HTTP."""

from __future__ import annotations

from feed.schemas import (
    FeedAnswer,
    FeedbackIn,
    FeedPage,
    FeedQuery,
    FollowingAnswer,
    QualityOut,
    RankingInputs,
    Why,
)
from feed.service import FeedService
from kernel.actor import Actor
from kernel.http import blueprint, endpoint, find

routes = blueprint("feed", __name__)


@routes.get("/feed")
@endpoint(query=FeedQuery, returns=FeedAnswer, auth=False)
def feed(actor: Actor, query: FeedQuery) -> FeedPage:
    """What to look at next: notes, product notes and live rooms on one scale."""
    return find(FeedService).page(actor, query.cursor, query.limit)


@routes.get("/feed/following")
@endpoint(query=FeedQuery, returns=FollowingAnswer)
def following(actor: Actor, query: FeedQuery) -> FeedPage:
    """Everything by whom the caller follows, newest first."""
    return find(FeedService).following(actor, query.cursor, query.limit)


@routes.get("/exposures/<id:exposure_id>/why")
@endpoint(returns=Why, auth=False)
def why(actor: Actor, exposure_id: str) -> Why:
    """Why am I seeing this?"""
    return find(FeedService).why(actor, exposure_id)


@routes.post("/feedback")
@endpoint(body=FeedbackIn, auth=False)
def feedback(actor: Actor, body: FeedbackIn) -> None:
    """Less of this, from the very next page on."""
    find(FeedService).feedback(actor, body)


@routes.get("/notes/<id:note_id>/quality")
@endpoint(returns=QualityOut)
def quality(actor: Actor, note_id: str) -> QualityOut:
    """What a note's score is made of, for its author."""
    return find(FeedService).quality(actor, note_id)


@routes.get("/ranking/inputs")
@endpoint(returns=RankingInputs, auth=False)
def ranking_inputs(actor: Actor) -> RankingInputs:
    """Everything ranking may see, and what it must not."""
    return find(FeedService).ranking_inputs()
