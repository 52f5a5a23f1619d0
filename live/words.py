"""What may be said in a room: the rules read every message before anybody else does. Pure."""

from __future__ import annotations

from typing import Literal

from kernel.errors import FieldError, Invalid
from moderation import judge

CERTAIN = 0.8
PASS, DOUBT, REFUSE = "pass", "doubt", "refuse"
Weight = Literal["pass", "doubt", "refuse"]


def weigh(text: str) -> Weight:
    """Nobody waits for a reviewer in a live chat: what the rules reject, or hold at a risk from .8, is refused at once;
    what they hold at less may be said, and is looked at."""
    verdict = judge(text)
    if verdict.verdict == "reject" or (verdict.verdict == "hold" and verdict.risk >= CERTAIN):
        return "refuse"
    return "doubt" if verdict.verdict == "hold" else "pass"


def refused() -> Invalid:
    detail = "The rules of the house do not let this be said here."
    return Invalid("chat.refused", detail, [FieldError("text", "chat.refused", "breaks a rule of the house")])
