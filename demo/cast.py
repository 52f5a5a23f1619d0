"""Who plays `offshelf tour` beside the creator at the gate, the moderator and the admin.

They are synthetic: what they do is counted beside the people, never among them. Their password is the demo's.
"""

from __future__ import annotations

TOUR_FAN = "tour_fan"
"""Follows nobody; becomes the one more follower that the creator at the gate needs."""
TOUR_VIEWERS = ("tour_ava", "tour_ben")
TOUR_MERCHANT = "tour_potter"

TOUR_ACCOUNTS = (
    (TOUR_FAN, "Tour Fan", "Plays the tour: the last follower.", ("viewer",)),
    (TOUR_VIEWERS[0], "Tour Ava", "Plays the tour: watches, chats, buys.", ("viewer",)),
    (TOUR_VIEWERS[1], "Tour Ben", "Plays the tour: watches, waits, reports.", ("viewer",)),
    (TOUR_MERCHANT, "Tour Potter", "Plays the tour: one pot, thrown by hand.", ("viewer", "merchant")),
)
"""Handle, name, bio and roles, as `demo.people` keeps its named accounts."""
