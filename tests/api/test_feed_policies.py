"""The feed's numbers are policies: a change is followed, and what is shown says which version chose it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select, update

from feed import ranking
from feed.models import Candidate, Exposure
from kernel import policy
from tests.api.test_feed import ids, publish
from tests.house import Client, House, problem


@pytest.fixture(autouse=True)
def _kept_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "KEPT_FOR", 3600.0)


def change(admin: Client, name: str, value: Any) -> str:
    answer = admin.put("policies", {"name": name, "value": value, "reason": "an experiment"})
    assert answer.status_code == 200, answer.json
    return str(answer.json["id"])


def versions(house: House) -> list[str]:
    with house.engines.db.read() as session:
        return list(session.scalars(select(Exposure.policy_version).order_by(Exposure.id)))


def test_an_exposure_says_which_version_of_the_policy_chose_it(any_house: House) -> None:
    admin, viewer = any_house.as_("admin", "admin"), any_house.device()
    for number in range(3):
        publish(any_house, any_house.as_(f"author{number}"), number)
    viewer.get("feed?limit=1")
    first = change(admin, "feed.author_cap", 1)
    item = viewer.get("feed?limit=1").json["items"][0]
    second = change(admin, "feed.guarantee_share", 0.3)
    change(admin, "strike.decay_days", 30)  # chooses nothing here
    viewer.get("feed?limit=1")
    assert versions(any_house) == [ranking.POLICY, f"{ranking.POLICY}+{first}", f"{ranking.POLICY}+{second}"]
    assert viewer.get(f"exposures/{item['exposure_id']}/why").json["policy_version"] == f"{ranking.POLICY}+{first}"
    assert viewer.get("ranking/inputs").json["policy_version"] == f"{ranking.POLICY}+{second}"


def test_how_many_of_one_author_a_page_holds_is_a_policy(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feed.guarantee.HEAD", 1)  # as where many authors wait
    author = house.as_("author")
    notes = [publish(house, author, number) for number in range(4)]
    assert len(ids(house.device().get("feed?limit=8"))) == 2
    change(house.as_("admin", "admin"), "feed.author_cap", 3)
    assert len(ids(house.device().get("feed?limit=8"))) == 3
    house.services.candidates.rescore_all()
    with house.engines.db.read() as session:
        assert Counter(session.scalars(select(Candidate.waiting))) == {True: 3, False: 1}
    assert len(notes) == 4


def test_when_what_was_seen_comes_back_is_a_policy(house: House) -> None:
    note, viewer = publish(house, house.as_("author")), house.device()
    assert ids(viewer.get("feed")) == [note]
    house.clock.advance(days=3)
    assert ids(viewer.get("feed")) == []
    change(house.as_("admin", "admin"), "feed.seen_days", 2)
    assert ids(viewer.get("feed")) == [note]


def test_how_many_exposures_are_guaranteed_is_a_policy(any_house: House) -> None:
    author, admin = any_house.as_("author"), any_house.as_("admin", "admin")
    note = publish(any_house, author)
    change(admin, "feed.guarantee", 5)
    poor = update(Candidate).values(exposures=4, examined=900.0, responses=0.0)
    any_house.engines.db.write(lambda tx: tx.session.execute(poor) and None)
    told = author.get(f"notes/{note}/quality").json
    assert (told["guarantee"], told["tier"]) == (5, "guaranteed")
    assert ids(any_house.device().get("feed")) == [note]
    with any_house.engines.db.read() as session:
        assert list(session.scalars(select(Candidate.waiting))) == [False]
    any_house.services.candidates.rescore_all()
    assert author.get(f"notes/{note}/quality").json["tier"] == "stopped"
    assert ids(any_house.device().get("feed")) == []
    change(admin, "feed.guarantee", 200)
    any_house.services.candidates.rescore_all()
    told = author.get(f"notes/{note}/quality").json
    assert (told["tier"], told["recommended"]) == ("guaranteed", True)
    assert ids(any_house.device().get("feed")) == [note]


def test_a_whole_number_takes_no_fraction(house: House) -> None:
    admin = house.as_("admin", "admin")
    for name in ("feed.author_cap", "feed.guarantee", "feed.seen_days"):
        body = {"name": name, "value": 2.5, "reason": "half"}
        assert problem(admin.put("policies", body)) == (422, "policy.out_of_bounds")
    assert admin.get("policies").json["changes"] == []
    change(admin, "feed.room_share", 0)
