"""A tour in words for a terminal, or as one JSON document."""

from __future__ import annotations

from typing import Any

from web.tour.story import STEPS, Seen


def lines(step: Seen) -> str:
    """One step as a terminal shows it."""
    mark = "ok  " if step.ok else "FAIL"
    head = f"{mark} {step.n}. {step.title} ({step.seconds:.1f} s)"
    if step.ok:
        return "\n".join([head, *(f"       {line}" for line in step.saw)])
    *before, last = step.saw
    return "\n".join(
        [head, *(f"       {line}" for line in before), f"       expected  {step.expected}", f"       saw       {last}"]
    )


def closing(steps: list[Seen], left: list[str]) -> str:
    """The last line."""
    done = sum(step.ok for step in steps)
    seconds = sum(step.seconds for step in steps)
    words = [f"{done} of {len(STEPS)} steps passed in {seconds:.1f} s"]
    words += [f"could not be put away: {what}" for what in left]
    return "; ".join(words) + "."


def document(steps: list[Seen], left: list[str]) -> dict[str, Any]:
    """`{"steps": [{"n", "title", "ok", "saw", "seconds"}], "ok"}`; a step that failed has `expected` too."""
    told = [
        {"n": s.n, "title": s.title, "ok": s.ok, "saw": s.saw, "seconds": s.seconds}
        | ({"expected": s.expected} if s.expected else {})
        for s in steps
    ]
    return {"steps": told, "ok": passed(steps, left), "left": left}


def passed(steps: list[Seen], left: list[str]) -> bool:
    """Whether every step held and everything was put away."""
    return len(steps) == len(STEPS) and all(step.ok for step in steps) and not left
