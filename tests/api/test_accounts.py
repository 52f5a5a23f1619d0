"""Accounts through HTTP."""

from __future__ import annotations

from threading import Thread

import pytest

from accounts import ApplicationIn, CreatorApplied
from kernel.actor import Actor
from kernel.db import Write
from kernel.errors import Conflict
from kernel.facts import Reaction
from tests.house import Client, House, problem
from tests.writing import picture, upload
from web.auth import SESSION_COOKIE, csrf_token

REGISTRATION = {"handle": "lin_mei", "password": "long enough 1"}


def test_registering_logs_in_and_the_token_works(any_house: House) -> None:
    visitor = any_house.device()
    made = visitor.post("accounts", REGISTRATION)
    assert made.status_code == 201
    me = visitor.get("me", headers={"Authorization": f"Bearer {made.json['token']}"})
    assert me.json["handle"] == "lin_mei"
    assert me.json["roles"] == ["viewer"]


def test_a_taken_handle_is_refused_and_changes_nothing(any_house: House) -> None:
    any_house.device().post("accounts", REGISTRATION)
    again = any_house.device().post("accounts", {**REGISTRATION, "password": "another password"})
    assert problem(again) == (409, "account.handle_taken")
    assert any_house.device().post("sessions", {**REGISTRATION, "password": "another password"}).status_code == 401


def test_unknown_fields_and_wrong_types_name_the_field(house: House) -> None:
    answer = house.device().post("accounts", {**REGISTRATION, "admin": True, "name": 7})
    assert problem(answer) == (422, "request.invalid")
    assert {error["field"] for error in answer.json["errors"]} == {"admin", "name"}
    assert house.services.accounts.find_by_handle("lin_mei") is None


def test_control_and_bidi_characters_are_refused(house: House) -> None:
    for name in ("a\u202eb", "a\x00b", "a\nb"):
        answer = house.device().post("accounts", {**REGISTRATION, "name": name})
        assert problem(answer) == (422, "request.invalid"), name
        assert answer.json["errors"][0]["code"] in ("text.bidi_character", "text.control_character")


def test_following_is_counted_once_and_undone(any_house: House) -> None:
    fan, star = any_house.as_("fan"), any_house.as_("star")
    assert fan.put(f"accounts/{star.id}/follow").json == {"following": True, "blocked": False, "followers": 1}
    assert fan.put(f"accounts/{star.id}/follow").json["followers"] == 1
    assert fan.delete(f"accounts/{star.id}/follow").json["followers"] == 0


def test_a_block_ends_follows_and_hides_the_profile(house: House) -> None:
    fan, star = house.as_("fan"), house.as_("star")
    fan.put(f"accounts/{star.id}/follow")
    assert star.put(f"accounts/{fan.id}/block").json["blocked"] is True
    assert problem(fan.get(f"accounts/{star.id}")) == (404, "account.not_found")
    assert problem(fan.put(f"accounts/{star.id}/follow")) == (404, "account.not_found")
    assert star.get(f"accounts/{star.id}").json["followers"] == 0


def test_how_many_followers_the_gate_needs_is_a_policy(any_house: House) -> None:
    creator, admin = any_house.as_("creator"), any_house.as_("boss", "admin")
    any_house.add_followers(creator.id, 3)
    change = {"name": "creator.followers_above", "value": 3, "reason": "a small town"}
    assert admin.put("policies", change).status_code == 200
    refused = creator.post("creator-applications", {})
    assert problem(refused) == (403, "creator.not_enough_followers")
    assert "more than 3 followers" in refused.json["detail"]
    assert admin.put("policies", {**change, "value": 2}).status_code == 200
    assert creator.post("creator-applications", {}).status_code == 201


def test_the_gate_needs_more_than_a_thousand_followers(house: House) -> None:
    creator, admin = house.as_("creator"), house.as_("boss", "admin")
    house.add_followers(creator.id, 1000)
    refused = creator.post("creator-applications", {"statement": "I write about linen."})
    assert problem(refused) == (403, "creator.not_enough_followers")
    assert refused.json["followers"] == 1000
    house.as_("last").put(f"accounts/{creator.id}/follow")
    made = creator.post("creator-applications", {"statement": "I write about linen."})
    assert (made.status_code, made.json["status"]) == (201, "open")
    decided = admin.post(f"creator-applications/{made.json['id']}/decision", {"verdict": "approve"})
    assert (decided.json["status"], decided.json["followers_at_decision"]) == ("approved", 1001)
    assert "creator" in creator.get("me").json["roles"]


def test_only_staff_decides(house: House) -> None:
    creator = house.as_("creator")
    house.add_followers(creator.id, 1001)
    made = creator.post("creator-applications", {})
    refused = creator.post(f"creator-applications/{made.json['id']}/decision", {"verdict": "approve"})
    assert problem(refused) == (403, "role.required")
    assert creator.get(f"creator-applications/{made.json['id']}").json["status"] == "open"


def test_nobody_decides_on_their_own_application(house: House) -> None:
    moderator = house.as_("mod", "moderator")
    house.add_followers(moderator.id, 1001)
    made = moderator.post("creator-applications", {}).json
    refused = moderator.post(f"creator-applications/{made['id']}/decision", {"verdict": "approve"})
    assert problem(refused) == (403, "creator.own_application")
    assert not house.approved(moderator.id)


def test_two_applications_at_once_are_one(any_house: House) -> None:
    creator = any_house.as_("creator")
    any_house.add_followers(creator.id, 1001)
    actor, applications = Actor(creator.id), any_house.services.applications
    answers: list[str] = []

    def apply() -> None:
        try:
            answers.append(applications.apply(actor, ApplicationIn()).value["status"])
        except Conflict as error:
            answers.append(error.code)

    other = Thread(target=apply)

    def meanwhile(tx: Write, fact: CreatorApplied) -> None:
        if not other.ident:
            tx.session.flush()
            other.start()
            other.join(0.3)

    reactions = any_house.engines.db.reactions
    reactions.table = {**reactions.table, CreatorApplied: Reaction(within=[meanwhile])}
    apply()
    other.join()
    assert sorted(answers) == ["creator.already_applied", "open"]


def test_a_session_cookie_logs_out_over_the_api_too(house: House) -> None:
    token = house.device().post("accounts", REGISTRATION).json["token"]
    browser = house.app.test_client()
    browser.set_cookie(SESSION_COOKIE, token)
    gone = browser.delete("/api/v1/sessions/current", headers={"X-CSRF-Token": csrf_token(token)})
    assert gone.status_code == 204
    assert problem(house.anonymous().get("me", headers={"Authorization": f"Bearer {token}"}))[0] == 401


def approved_creator(house: House) -> tuple[Client, Client, str]:
    creator, admin = house.as_("creator"), house.as_("boss", "admin")
    house.add_followers(creator.id, 1001)
    application = creator.post("creator-applications", {"statement": "I write about linen."}).json["id"]
    admin.post(f"creator-applications/{application}/decision", {"verdict": "approve"})
    return creator, admin, application


def test_an_approved_application_is_withdrawn_with_its_role_and_an_audit_entry(any_house: House) -> None:
    creator, admin, application = approved_creator(any_house)
    answer = admin.post(f"creator-applications/{application}/withdraw", {"reason": "by request"}, key="w1")
    assert (answer.status_code, answer.json["status"]) == (200, "withdrawn")
    assert answer.json["withdrawn_at"] is not None
    assert "creator" not in creator.get("me").json["roles"]
    assert creator.get("me/creator-application").json["status"] == "withdrawn"
    assert not any_house.approved(creator.id)
    (entry,) = [line for line in admin.get("audit").json["items"] if line["what"] == "creator_application.withdrawn"]
    assert (entry["actor_id"], entry["target_id"]) == (admin.id, creator.id)
    again = admin.post(f"creator-applications/{application}/withdraw", {"reason": "by request"}, key="w1")
    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_creator_withdraws_alone_and_may_apply_again(house: House) -> None:
    creator, _, application = approved_creator(house)
    assert creator.post(f"creator-applications/{application}/withdraw").json["status"] == "withdrawn"
    twice = creator.post(f"creator-applications/{application}/withdraw")
    assert problem(twice) == (409, "creator.not_withdrawable")
    assert creator.post("creator-applications", {}).json["status"] == "open"


def test_nobody_else_withdraws_an_application(house: House) -> None:
    creator, admin, application = approved_creator(house)
    path = f"creator-applications/{application}/withdraw"
    assert problem(house.as_("stranger").post(path)) == (404, "application.not_found")
    assert problem(house.as_("desk", "moderator").post(path)) == (403, "role.required")
    assert problem(admin.post(path, {"reason": "x", "by": "y"})) == (422, "request.invalid")
    assert creator.get(f"creator-applications/{application}").json["status"] == "approved"
    assert "creator" in creator.get("me").json["roles"]


def test_who_never_applied_has_no_application(house: House) -> None:
    assert problem(house.as_("viewer").get("me/creator-application")) == (404, "application.not_found")


def test_the_same_key_answers_the_same_and_another_body_is_refused(any_house: House) -> None:
    creator = any_house.as_("creator")
    any_house.add_followers(creator.id, 1001)
    first = creator.post("creator-applications", {"statement": "one"}, key="k1")
    again = creator.post("creator-applications", {"statement": "one"}, key="k1")
    other = creator.post("creator-applications", {"statement": "two"}, key="k1")
    assert again.json == first.json
    assert again.headers["Idempotency-Replayed"] == "true"
    assert problem(other) == (409, "idempotency.key_reused")


def test_a_device_is_of_whoever_logged_in_on_it_last(house: House) -> None:
    visitor = house.device()
    visitor.post("accounts", REGISTRATION)
    visitor.post("accounts", {**REGISTRATION, "handle": "second"})
    merged = house.services.accounts.find_by_handle("second")
    with house.engines.db.read() as session:
        from accounts.models import Device

        assert session.get_one(Device, visitor.headers["X-Device"]).account_id == merged


def test_bad_tokens_are_told_apart_from_none(house: House) -> None:
    assert problem(house.anonymous().get("me")) == (401, "session.required")
    assert problem(house.anonymous().get("me", headers={"Authorization": "Bearer nonsense"})) == (
        401,
        "session.invalid",
    )
    assert problem(house.anonymous().get("me", headers={"Authorization": "Basic eDp5"})) == (401, "session.malformed")


def test_an_expired_token_is_refused(house: House) -> None:
    viewer = house.as_("viewer")
    house.clock.advance(days=31)
    assert problem(viewer.get("me")) == (401, "session.expired")


def test_one_edits_one_s_own_profile_on_the_version_seen(any_house: House) -> None:
    mine, other = any_house.as_("mine"), any_house.as_("other")
    seen = mine.get("me").headers["ETag"]
    changed = mine.patch("me", {"name": "Lin Mei", "bio": "Linen.\nAnd wool."}, seen)
    assert (changed.status_code, changed.json["name"], changed.json["bio"]) == (200, "Lin Mei", "Linen.\nAnd wool.")
    assert other.get(f"accounts/{mine.id}").json["name"] == "Lin Mei"
    stale = mine.patch("me", {"name": "Somebody"}, seen)
    assert problem(stale) == (412, "version.changed")
    assert stale.json["current"] == "2"
    assert mine.get("me").json["name"] == "Lin Mei"
    assert problem(mine._open("PATCH", "me", json={"name": "X"})) == (412, "version.missing")
    assert problem(any_house.device().patch("me", {"name": "X"}, seen)) == (401, "session.required")


@pytest.mark.parametrize(
    "form",
    [
        {"name": ""},
        {"name": "x" * 51},
        {"name": "a\u202eb"},
        {"bio": "x" * 501},
        {"bio": "a\u0000b"},
        {"avatar": "https://elsewhere.example/x.webp"},
        {"avatar": "/media/images/../../secret"},
        {"handle": "other"},
        {"roles": ["admin"]},
    ],
)
def test_a_wrong_profile_changes_nothing(house: House, form: dict) -> None:
    mine = house.as_("mine")
    before = mine.get("me").json
    assert problem(mine.patch("me", form, '"1"')) == (422, "request.invalid")
    assert mine.get("me").json == before


def test_an_avatar_is_an_upload_of_ones_own(any_house: House) -> None:
    mine, other = any_house.as_("mine"), any_house.as_("other")
    theirs = upload(other, picture()).json["small"]["url"]
    for wrong in ("/media/images/" + "0" * 64 + ".webp", theirs):
        before = mine.get("me").json
        refused = mine.patch("me", {"name": "X", "avatar": wrong}, '"1"')
        assert problem(refused) == (422, "media.not_found")
        assert [line["field"] for line in refused.json["errors"]] == ["avatar"]
        assert mine.get("me").json == before
    own = upload(mine, picture(colour=(1, 2, 3))).json["small"]["url"]
    assert mine.patch("me", {"avatar": own}, '"1"').json["avatar"] == own
    assert mine.patch("me", {"name": "Y", "avatar": own}, '"2"').json["name"] == "Y"
