"""Search over HTTP."""

from __future__ import annotations

from kernel.actor import Actor
from kernel.http import blueprint, endpoint, find
from search.schemas import SearchAnswer, SearchPage, SearchQuery, Suggestions, SuggestQuery
from search.service import SearchService

routes = blueprint("search", __name__)


@routes.get("/search")
@endpoint(query=SearchQuery, returns=SearchAnswer, auth=False)
def search(actor: Actor, query: SearchQuery) -> SearchPage:
    """Notes, products and rooms by words and by meaning."""
    return find(SearchService).search(actor, query)


@routes.get("/search/suggest")
@endpoint(query=SuggestQuery, returns=Suggestions, auth=False)
def suggest(actor: Actor, query: SuggestQuery) -> Suggestions:
    """Topics and titles for what was typed so far."""
    return find(SearchService).suggest(actor, query)
