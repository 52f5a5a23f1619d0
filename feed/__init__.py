"""What to show next: recall, rank, rules, explain."""

from feed.broadcasts import Broadcasts
from feed.candidates import Act, Candidates
from feed.exposures import shown_to
from feed.facts import FeedbackGiven, PlaceFreed
from feed.policy import FeedPolicies
from feed.schemas import FeedPage
from feed.service import FeedService

__all__ = [
    "Act",
    "Broadcasts",
    "Candidates",
    "FeedPage",
    "FeedPolicies",
    "FeedService",
    "FeedbackGiven",
    "PlaceFreed",
    "shown_to",
]
