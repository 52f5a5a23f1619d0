"""Step 8: a report, a hiding that is seen everywhere in the next response, and its undoing."""

from __future__ import annotations

from web.tour.checks import same, until
from web.tour.client import Client
from web.tour.props import NOTE
from web.tour.publishing import PATIENCE, in_feed, in_profile, search
from web.tour.stage import MOST_PAGES, Stage

BY_NAME = NOTE["title"]


def hide_and_undo(stage: Stage) -> None:
    """A report reaches a moderator, who hides the note: absent everywhere at once; author and reporter are told; undo."""
    reporter, moderator = stage.shopper(1), stage.moderator
    eyes = stage.stranger()
    same("where the note is", _places(stage, eyes), ["search", "profile", "note page"])
    target = {"kind": "note", "id": stage.note}
    reporter.post("reports", {"target": target, "reason": "misleading", "text": "The tour wants to see what happens."})
    cases = moderator.pages("cases", MOST_PAGES, kind="note", limit=100)
    case = next((line for line in cases if line["target_id"] == stage.note), None)
    same("the case in the queue", case and (case["status"], case["reports"]), ("open", 1))
    assert case is not None
    claimed = moderator.post(f"cases/{case['id']}/claim")
    same("who has the case", claimed["claimed_by"], stage.ids[moderator.who])
    stage.saw(f"{reporter.who}'s report is {case['id']} in the queue; {moderator.who} claims it")

    reason = "Under review for the tour."
    body = {"action": "hide", "version": claimed["target"]["version"], "reason": reason}
    action = moderator.post(f"cases/{case['id']}/actions", body)
    same("where the hidden note is", _places(stage, eyes), [])
    same("the hidden note in a stranger's feed", in_feed(stage.stranger(), stage.note), None)
    for who, kind in ((stage.creator, "content.acted"), (reporter, "report.answered")):
        told = who.get("notices", limit=1)["items"][0]
        seen = (told["kind"], told["data"]["id"], told["data"]["action"])
        same(f"what {who.who} is told", seen, (kind, stage.note, "hide"))
    stage.saw(
        "hidden: the next responses of feed, search, profile and note page are without it; author and reporter are told"
    )

    moderator.post(f"actions/{action['id']}/undo", {"reason": "The tour has seen it."})
    same("who is told of the undoing", stage.creator.get("notices", limit=1)["items"][0]["kind"], "content.restored")
    everywhere = ["search", "profile", "note page"]
    until(
        "the note is back",
        lambda: _places(stage, eyes) == everywhere or None,
        PATIENCE,
        lambda: _places(stage, eyes),
    )
    place, _ = until("the note is back in a feed", lambda: in_feed(eyes, stage.note), PATIENCE)
    stage.saw(f"undone: it is back in search, profile and note page, and at position {place} of a stranger's feed")


def _places(stage: Stage, eyes: Client) -> list[str]:
    """Where the note is to be seen, asked in one go: by its own words, on its author's profile, on its page."""
    found = {
        "search": search(eyes, BY_NAME, stage.note) is not None,
        "profile": in_profile(eyes, stage.creator_id, stage.note),
        "note page": (eyes.status(f"notes/{stage.note}"), eyes.status(f"/notes/{stage.note}")) == (200, 200),
    }
    return [place for place, there in found.items() if there]
