"""What tests about moderation do at the desk: report, find the case, decide, take back."""

from __future__ import annotations

from typing import Any

from tests.house import Client


def report(reporter: Client, kind: str, target: str, reason: str = "spam", **more: Any) -> Any:
    return reporter.post("reports", {"target": {"kind": kind, "id": target}, "reason": reason, **more})


def case_of(moderator: Client, target: str) -> dict[str, Any]:
    """The open case about a thing."""
    return next(case for case in moderator.get("cases?limit=100").json["items"] if case["target_id"] == target)


def decide(moderator: Client, target: str, action: str, **more: Any) -> Any:
    case = case_of(moderator, target)
    version = case["target"]["version"] if case["target"] else 0
    body = {"action": action, "version": version, "reason": "The rules say so", **more}
    return moderator.post(f"cases/{case['id']}/actions", body)


def told(client: Client) -> list[str]:
    return [notice["kind"] for notice in client.get("notices").json["items"]]


def undo(moderator: Client, action: str) -> None:
    assert moderator.post(f"actions/{action}/undo", {"reason": "A second look"}).status_code == 200
