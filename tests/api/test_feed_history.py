"""A history that is loaded at once leaves the feed as the same acts one after the other do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from feed import Act
from feed.models import Candidate, Exposure, Responded, Taste
from feed.quality import RESPONSE_WEIGHTS
from kernel.db import Write
from kernel.ids import new_id
from tests.house import House
from tests.writing import publish

TEXT = "I walked 12 km in these boots. The heel is soft, the sole is stiff, but the size runs small, so take one up."


def show(house: House, tx: Write, person: str, note: str, position: int) -> None:
    """What the feed writes when it shows a note."""
    about = {"person": person, "item_id": note, "kind": "note", "author_id": "", "state": note, "commercial": False}
    chosen = {"policy_version": "", "propensity": 1.0, "why": {}, "shown_at": tx.now, "counts": True}
    row = {"id": new_id("expo", tx.now), "placement": "feed", "position": position, **about, **chosen}
    tx.session.execute(insert(Exposure), [row])
    house.services.candidates.exposed(tx, [(note, position)])


def test_absorbing_a_history_equals_living_it(any_house: House) -> None:
    house = any_house
    author = house.as_("author")
    lived, absorbed = (
        publish(house, author, title=title, text=TEXT, topics=["Boots", "Walks"]) for title in ("A", "B")
    )
    house.jobs()
    start, feed = house.clock.now(), house.services.candidates
    told = [("shown", 1), ("opened", 1), ("shown", 4), ("liked", 1), ("saved", 1), ("commented", 1)]
    history = [
        Act(start + timedelta(days=3 * n), who, absorbed, act, position)
        for n, (act, position) in enumerate(told)
        for who in ("two", author.id)
    ]
    for act in history:
        house.clock.move_to(act.at)
        responder = "one" if act.person == "two" else act.person
        if act.act == "shown":
            house.engines.db.write(lambda tx, a=act, p=responder: show(house, tx, p, lived, a.position))
        else:
            house.engines.db.write(lambda tx, a=act, p=responder: feed.respond(tx, p, lived, a.act))
    with house.engines.db.read() as session:
        before = {row.about: row.weight for row in session.scalars(select(Taste).where(Taste.person == author.id))}
    house.engines.db.write(lambda tx: tx.session.query(Taste).filter_by(person=author.id).delete())
    for half in (history[:4], history[4:]):  # two commits: the second goes on from the first
        house.engines.db.write(lambda tx, half=half: feed.absorb(tx, half))
    feed.rescore_all()
    with house.engines.db.read() as session:
        one, other = session.get_one(Candidate, lived), session.get_one(Candidate, absorbed)
        tastes = {(row.person, row.about): (row.weight, row.updated_at) for row in session.scalars(select(Taste))}
        done = {(row.person, row.act): (row.at, row.counted) for row in session.scalars(select(Responded))}
    assert (one.exposures, one.examined, one.responses) == (other.exposures, other.examined, other.responses)
    assert one.exposures == 4
    assert one.responses == pytest.approx(sum(RESPONSE_WEIGHTS[act] for act in ("opened", "liked", "saved")))
    assert all(done["one", act] == done["two", act] for act in RESPONSE_WEIGHTS if ("one", act) in done)
    assert not done["two", "commented"][1]  # nine days after it was shown
    assert one.quality == other.quality
    for about in ("topic:boots", "topic:walks", f"author:{author.id}"):
        assert tastes["one", about] == tastes["two", about]
        assert tastes[author.id, about][0] == before[about]
