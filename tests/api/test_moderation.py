"""Reports, the queue, actions and their undoing, through HTTP."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest
from sqlalchemy import insert

from kernel.db import Write
from kernel.errors import AppError
from moderation import Subject
from moderation.models import Case
from moderation.rules import judge
from moderation.schemas import ActionIn, UndoIn
from tests.house import Client, House, problem
from tests.writing import close_gate


def report(reporter: Client, account_id: str, reason: str = "spam", **extra: Any) -> Any:
    return reporter.post("reports", {"target": {"kind": "account", "id": account_id}, "reason": reason, **extra})


def open_case(house: House) -> tuple[Client, Client, Client, str]:
    author, reporter, moderator = house.as_("author"), house.as_("reporter"), house.as_("mod", "moderator")
    assert report(reporter, author.id).status_code == 201
    case_id = moderator.get("cases").json["items"][0]["id"]
    return author, reporter, moderator, case_id


def test_reports_of_one_target_make_one_case(any_house: House) -> None:
    author, first, second = any_house.as_("author"), any_house.as_("first"), any_house.as_("second")
    moderator = any_house.as_("mod", "moderator")
    report(first, author.id)
    report(first, author.id)
    report(second, author.id, "dangerous")
    cases = moderator.get("cases").json["items"]
    assert [(case["target_id"], case["reports"], case["risk"]) for case in cases] == [(author.id, 2, 0.9)]


def test_only_moderators_see_the_queue(house: House) -> None:
    _, reporter, _, case_id = open_case(house)
    for path in ("cases", f"cases/{case_id}", "audit"):
        assert problem(reporter.get(path)) == (403, "role.required")
    assert problem(reporter.post(f"cases/{case_id}/claim")) == (403, "role.required")


def test_a_claim_is_a_lease(any_house: House) -> None:
    _, _, moderator, case_id = open_case(any_house)
    other = any_house.as_("other_mod", "moderator")
    assert moderator.post(f"cases/{case_id}/claim").json["claimed_by"] == moderator.id
    assert problem(other.post(f"cases/{case_id}/claim")) == (409, "case.claimed")
    any_house.clock.advance(minutes=16)
    assert other.post(f"cases/{case_id}/claim").json["claimed_by"] == other.id


def test_an_action_closes_the_case_and_tells_both_sides(any_house: House) -> None:
    author, reporter, moderator, case_id = open_case(any_house)
    acted = moderator.post(f"cases/{case_id}/actions", {"action": "hide", "version": 1, "reason": "Spam links"})
    assert acted.status_code == 201
    assert moderator.get("cases").json["items"] == []
    assert [notice["kind"] for notice in author.get("notices").json["items"]] == ["content.acted"]
    assert [notice["kind"] for notice in reporter.get("notices").json["items"]] == ["report.answered"]
    assert author.get("notices").json["unread"] == 1
    author.put("notices/read")
    assert author.get("notices").json["unread"] == 0
    assert [line["what"] for line in moderator.get("audit").json["items"]] == ["case.hide"]


def test_undo_is_once_and_takes_the_strike_back(any_house: House) -> None:
    author, _, moderator, case_id = open_case(any_house)
    body = {"action": "remove", "version": 1, "reason": "Counterfeit", "strike": True}
    acted = moderator.post(f"cases/{case_id}/actions", body).json
    assert any_house.services.strikes.active_strikes(author.id) == 1
    undone = moderator.post(f"actions/{acted['id']}/undo", {"reason": "Was genuine"})
    assert undone.json["undone_at"] is not None
    assert any_house.services.strikes.active_strikes(author.id) == 0
    again = moderator.post(f"actions/{acted['id']}/undo", {"reason": "Again"})
    assert problem(again) == (409, "action.already_undone")
    assert [notice["kind"] for notice in author.get("notices").json["items"]] == ["content.restored", "content.acted"]


def test_strikes_decay(house: House) -> None:
    author, _, moderator, case_id = open_case(house)
    body = {"action": "hide", "version": 1, "reason": "Counterfeit", "strike": True}
    moderator.post(f"cases/{case_id}/actions", body)
    house.add_followers(author.id, 1001)
    assert problem(author.post("creator-applications", {})) == (403, "creator.active_strike")
    house.clock.advance(days=91)
    assert house.services.strikes.active_strikes(author.id) == 0


def test_a_wrong_version_is_refused_and_nothing_changes(house: House) -> None:
    author, _, moderator, case_id = open_case(house)
    refused = moderator.post(f"cases/{case_id}/actions", {"action": "hide", "version": 7, "reason": "Spam"})
    assert problem(refused) == (409, "case.version_changed")
    assert len(moderator.get("cases").json["items"]) == 1
    assert author.get("notices").json["items"] == []


def test_looking_at_a_case_holds_one_connection_at_a_time(house: House) -> None:
    _, _, moderator, case_id = open_case(house)
    pool = house.engines.db._readers.pool
    held: list[int] = []
    describe = house.services.moderation.targets.describe

    def watched(*asked: Any) -> Any:
        held.append(pool.checkedout())  # type: ignore[attr-defined]
        return describe(*asked)

    house.services.moderation.targets.describe = watched  # type: ignore[method-assign]
    assert moderator.get(f"cases/{case_id}").json["target"]["kind"] == "account"
    assert held == [0]


def test_nobody_judges_their_own(house: House) -> None:
    _, _, moderator, _ = open_case(house)
    report(house.as_("second"), moderator.id)
    mine = next(c for c in moderator.get("cases").json["items"] if c["target_id"] == moderator.id)
    refused = moderator.post(f"cases/{mine['id']}/actions", {"action": "approve", "version": 1, "reason": "Fine"})
    assert problem(refused) == (403, "case.own_content")


def test_nobody_takes_back_what_was_done_to_them(any_house: House) -> None:
    author, _, moderator, case_id = open_case(any_house)
    body = {"action": "hide", "version": 1, "reason": "Counterfeit", "strike": True}
    acted = moderator.post(f"cases/{case_id}/actions", body).json
    any_house.engines.db.write(lambda tx: any_house.services.accounts.add_role(tx, author.id, "moderator"))
    refused = author.post(f"actions/{acted['id']}/undo", {"reason": "I did nothing"})
    assert problem(refused) == (403, "case.own_content")
    assert any_house.services.strikes.active_strikes(author.id) == 1


def test_a_retry_gets_the_first_answer_whatever_became_of_the_target(
    any_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    author, reporter, moderator, case_id = open_case(any_house)
    reported = {"target": {"kind": "account", "id": author.id}, "reason": "spam"}
    decided = {"action": "remove", "version": 1, "reason": "Counterfeit"}
    first = (
        reporter.post("reports", reported, key="report-1"),
        moderator.post(f"cases/{case_id}/actions", decided, key="act-1"),
    )
    monkeypatch.setattr(any_house.services.moderation.targets, "describe", lambda *asked: None)
    again = (
        reporter.post("reports", reported, key="report-1"),
        moderator.post(f"cases/{case_id}/actions", decided, key="act-1"),
    )
    assert [one.status_code for one in again] == [201, 201]
    assert [one.json for one in again] == [one.json for one in first]
    assert {one.headers["Idempotency-Replayed"] for one in again} == {"true"}
    other = moderator.post(f"cases/{case_id}/actions", {**decided, "action": "hide"}, key="act-1")
    assert problem(other) == (409, "idempotency.key_reused")


def test_an_action_under_way_is_not_undone_past(any_house: House) -> None:
    author, _, moderator, case_id = open_case(any_house)
    acted = moderator.post(f"cases/{case_id}/actions", {"action": "hide", "version": 1, "reason": "Spam"}).json
    report(any_house.as_("second"), author.id)
    service, actor = any_house.services.moderation, any_house.services.accounts.actor(moderator.id)
    undone: list[Exception] = []

    def undo() -> None:
        try:
            service.undo(actor, acted["id"], UndoIn(reason="Was fine"))
        except AppError as error:
            undone.append(error)

    other = Thread(target=undo)
    act = service._act

    def meanwhile(*arguments: Any) -> Any:
        any_house.clock.advance(seconds=1)
        out = act(*arguments)
        other.start()
        other.join(0.3)
        return out

    service._act = meanwhile  # type: ignore[method-assign]
    service.act(actor, case_id, ActionIn(action="remove", version=1, reason="Counterfeit"))
    other.join()
    assert [getattr(error, "code", None) for error in undone] == ["action.superseded"]


def test_a_report_of_nothing_is_refused(house: House) -> None:
    reporter = house.as_("reporter")
    assert problem(report(reporter, "acct_" + "0" * 26)) == (404, "target.not_found")
    assert problem(report(reporter, reporter.id, "because")) == (422, "request.invalid")
    assert house.as_("mod", "moderator").get("cases").json["items"] == []


def test_the_queue_pages_without_gaps(house: House) -> None:
    reporter, moderator = house.as_("reporter"), house.as_("mod", "moderator")
    for number in range(7):
        report(reporter, house.as_(f"author{number}").id)
        house.clock.advance(minutes=7)
    seen, cursor = [], ""
    while cursor is not None:
        page = moderator.get(f"cases?limit=3{cursor and '&cursor=' + cursor}").json
        seen += [case["id"] for case in page["items"]]
        cursor = page["next_cursor"]
        house.clock.advance(hours=5)
    assert len(seen) == len(set(seen)) == 7
    assert seen == sorted(seen)  # same risk and reach: the oldest first


def test_a_grave_case_comes_first_however_many_older_ones_wait(any_house: House) -> None:
    moderator, reporter = any_house.as_("mod", "moderator"), any_house.as_("reporter")

    def flood(tx: Write) -> None:
        old = {"kind": "account", "status": "open", "risk": 0.1, "reach": 0, "reports": 1, "opened_at": tx.now}
        rows = [
            {**old, "id": f"case_{n:026}", "target_id": f"acct_{n:026}", "author_id": f"acct_{n:026}"}
            for n in range(2_500)
        ]
        tx.session.execute(insert(Case), rows)

    any_house.engines.db.write(flood)
    any_house.clock.advance(minutes=1)
    grave = any_house.as_("grave").id
    report(reporter, grave, "dangerous")
    first = moderator.get("cases?limit=2").json["items"]
    assert first[0]["target_id"] == grave
    assert first[1]["risk"] == 0.1


def test_the_newest_of_what_is_closed_comes_first(house: House) -> None:
    moderator, reporter = house.as_("mod", "moderator"), house.as_("reporter")
    for number in range(3):
        report(reporter, house.as_(f"author{number}").id)
        house.clock.advance(minutes=7)
    cases = [case["id"] for case in moderator.get("cases").json["items"]]
    for case in cases:
        answer = moderator.post(
            f"cases/{case}/actions", {"action": "approve", "version": 1, "reason": "Nothing wrong."}
        )
        assert answer.status_code in (200, 201), answer.json
    seen, cursor = [], ""
    while cursor is not None:
        page = moderator.get(f"cases?status=closed&limit=2{cursor and '&cursor=' + cursor}").json
        seen, cursor = seen + [case["id"] for case in page["items"]], page["next_cursor"]
    assert seen == sorted(cases, reverse=True)


@pytest.mark.parametrize("cursor", ["x", "AAAA", "W10", "WyJhIiwxLDJd", "9" * 2000])
def test_absurd_cursors_are_refused(house: House, cursor: str) -> None:
    moderator = house.as_("mod", "moderator")
    assert problem(moderator.get(f"cases?cursor={cursor}")) == (400, "cursor.malformed")
    assert problem(moderator.get(f"notices?cursor={cursor}")) == (400, "cursor.malformed")


def test_screening_holds_a_version_once_and_opens_a_case(any_house: House) -> None:
    author, moderator = any_house.as_("author"), any_house.as_("mod", "moderator")
    subject = Subject("account", author.id, 2, author.id, "想要的加我微信 abc12345")
    assert any_house.services.screening.screen(subject) == "hold"
    any_house.services.screening.screen(subject)
    cases = moderator.get("cases").json["items"]
    assert [case["target_id"] for case in cases] == [author.id]
    assert moderator.get(f"cases/{cases[0]['id']}").json["hits"][0]["rule"] == "off_platform_contact"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Absolutely wonderful - silky and sexy and comfortable", "approve"),
        ("I bought a petite and am 5'8\". I LOVE IT so much, FITS like a DREAM", "approve"),
        ("梨形身材的显瘦公式：高腰线加垂坠面料", "approve"),
        ("卖高仿包包", "reject"),
        ("call me 13812345678", "hold"),
        ("加ＶＸ:abcde1", "hold"),
        ("visit https://cheap.example", "hold"),
        ("BUY NOW BUY NOW BUY NOW BUY NOW BUY NOW", "limit"),
        ("全网最低", "approve"),
    ],
)
def test_what_the_rules_say(text: str, verdict: str) -> None:
    assert judge(text).verdict == verdict


def test_one_sees_one_s_own_strikes_with_their_reasons_and_whether_they_count(any_house: House) -> None:
    author, other = any_house.as_("author"), any_house.as_("other")
    assert author.get("me/strikes").json == {"items": [], "active": 0}
    close_gate(any_house, author.id)
    (strike,) = author.get("me/strikes").json["items"]
    assert (strike["counts"], strike["revoked_at"]) == (True, None)
    assert author.get("me/strikes").json["active"] == 1
    assert other.get("me/strikes").json == {"items": [], "active": 0}
    any_house.clock.advance(days=20)
    any_house.engines.db.write(lambda tx: any_house.services.strikes.revoke(tx, strike["action_id"]))
    (revoked,) = author.get("me/strikes").json["items"]
    assert (revoked["counts"], author.get("me/strikes").json["active"]) == (False, 0)
    assert problem(any_house.anonymous().get("me/strikes")) == (401, "session.required")
