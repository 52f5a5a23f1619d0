"""What to show next: recall, rank, rules, present; every exposure is logged with how it was chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Any

from accounts import AccountService, Company
from feed import exposures, quality, ranking, scores, tastes
from feed.broadcasts import MOST_ROOMS, NEW, Broadcasts
from feed.candidates import Candidates
from feed.exposures import Row
from feed.facts import FeedbackGiven
from feed.following import FollowingFeed
from feed.models import Candidate, Exposure, Feedback
from feed.policy import FeedPolicies, FeedPolicy
from feed.ranking import Draw, Item
from feed.recall import DEEPER, Person, count_shown, read_person, recall_notes
from feed.rules import page_rules
from feed.schemas import FeedbackIn, FeedPage, QualityOut, RankingInputs, Why
from feed.tastes import TASTE_OF
from kernel import cursors
from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.db import Database, Write, alone, insert_ignore
from kernel.errors import FieldError, Invalid, NotFound, TooMany, Unauthenticated
from live import RoomDirectory, RoomRows
from notes import NoteService
from search import Cards

_TRIES = 8
RESERVE = 200
"""How many of the recalled a page is drawn from."""


class _Overtaken(Exception):
    """Another page for the same person was written while this one was made."""


@dataclass(frozen=True)
class Pool:
    """What a page is drawn from, with what was loaded to know it; `whole` when there is nothing else for this person."""

    items: list[Item]
    rooms: RoomRows
    people: Company
    depth: int
    whole: bool


class FeedService:
    """`random` gives the generator of a draw; tests pass a seeded one."""

    def __init__(
        self,
        db: Database,
        accounts: AccountService,
        notes: NoteService,
        rooms: RoomDirectory,
        cards: Cards,
        candidates: Candidates,
        broadcasts: Broadcasts,
        policies: FeedPolicies,
        random: Callable[[], Random] = Random,
    ) -> None:
        self.db = db
        self.accounts = accounts
        self.notes = notes
        self.rooms = rooms
        self.cards = cards
        self.candidates = candidates
        self.broadcasts = broadcasts
        self.policies = policies
        self.followed = FollowingFeed(db, accounts, notes)
        self._random = random

    # -- the recommended feed -------------------------------------------------------------------------------------

    def page(self, actor: Actor, cursor: str | None, limit: int) -> FeedPage:
        """The next items for this person. What was shown is logged, so a page is never served twice; the cursor
        carries the position."""
        start = cursors.place(cursor)
        for _ in range(_TRIES):
            try:
                return self._page(actor, start, limit)
            except _Overtaken:
                continue
        raise TooMany("feed.busy", "Ask for one page after the other.", retry_after=1)

    def _page(self, actor: Actor, start: int, limit: int) -> FeedPage:
        now, policy = self.db.clock.now(), self.policies.lately()
        with self.db.read() as session:
            person = read_person(session, actor.person, now - policy.seen_for, now)
        draws, cards = self._draw(actor, person, limit, now, policy)
        rows, logged = self._log(actor, person, draws, start, now, policy)
        shown = [exposures.present(cards[row["item_id"]], row) for row in rows]
        # Of somebody without a device nothing is remembered: the next page would show the same things again.
        more = cursors.encode(start + len(draws)) if logged and person.id and len(draws) == limit else None
        return FeedPage(items=shown, next_cursor=more)

    def _draw(
        self, actor: Actor, person: Person, limit: int, now: datetime, policy: FeedPolicy
    ) -> tuple[list[Draw], dict[str, Any]]:
        """A page. Whoever has seen much has left what the rules let through seldom (one author's, commercial ones), and the
        best of what is unseen may be of that kind alone: then the recall goes deeper, rather than call the feed at its end."""
        pool = self._recall(actor, person, 1)
        draws, cards = self._fill(actor, person, pool, limit, now, policy)
        if len(draws) == limit or pool.whole:
            return draws, cards
        return self._fill(actor, person, self._recall(actor, person, DEEPER), limit, now, policy)

    def _recall(self, actor: Actor, person: Person, depth: int) -> Pool:
        """What may be shown: neither by whom this viewer blocked or was blocked by, nor by who is suspended."""
        following = self.accounts.following_ids(actor.account_id) if actor.account_id else []
        with self.db.read() as session:
            items, whole = recall_notes(session, person, following, depth)
        authors, followed = {item.author_id for item in items}, set(following)
        items = [replace(i, affinity=_followed(i.affinity)) if i.author_id in followed else i for i in items]
        rooms = self.rooms.newest(MOST_ROOMS, authors)
        people = self.accounts.company(actor, authors | rooms.hosts, rooms.live_hosts)
        barred = people.hidden | people.walled_off
        items += self._rooms(actor, person, rooms)
        whole = whole and len(items) <= RESERVE * depth
        return Pool([item for item in items if item.author_id not in barred], rooms, people, depth, whole)

    def _rooms(self, actor: Actor, person: Person, rooms: RoomRows) -> list[Item]:
        """Rooms on air by quality; a new broadcast is guaranteed exposures, as a new note is."""
        items = []
        known = self.broadcasts.lately()
        for room in rooms.contents().values():
            if room.started_at is None:
                continue
            state = rfc3339(room.started_at)  # the next broadcast of the same room is new again
            seen = (room.id, state) in person.seen
            if seen or room.host_id in person.hidden_authors or room.id in person.not_interested:
                continue
            if room.host_id == actor.account_id:
                continue
            broadcast = known.get(room.id, NEW)
            affinity = person.tastes.get(f"author:{room.host_id}", 0.0)
            items.append(
                Item(
                    id=room.id,
                    kind="room",
                    author_id=room.host_id,
                    quality=broadcast.quality,
                    affinity=affinity / (1 + abs(affinity)),
                    since=room.started_at,
                    commercial=room.has_product,
                    fingerprint=None,
                    state=state,
                    source="live",
                    guaranteed=broadcast.guaranteed,
                )
            )
        return items

    def _fill(
        self, actor: Actor, person: Person, pool: Pool, limit: int, now: datetime, policy: FeedPolicy
    ) -> tuple[list[Draw], dict[str, Any]]:
        """Rank, arrange by the rules, load what was drawn. Should something of it have been hidden, or begun to sell, since it
        became a candidate, all that may be drawn is loaded and the draw made anew: the page is not shortened, and the rules
        hold for what is shown."""
        cap, shares, random = policy.commercial_cap, policy.shares, self._random()
        rules = page_rules(person.before, min(cap, 1) if person.fewer_products else cap, policy.author_cap)
        scored = sorted(pool.items, key=lambda item: (not item.guaranteed, -ranking.score(item, now)))
        reserve = scored[: max(RESERVE * pool.depth, 4 * limit)]
        draws = ranking.arrange(reserve, limit, now, random, rules, shares)
        drawn = [draw.item for draw in draws]
        cards = self._cards(actor, drawn, pool)
        if _as_shown(drawn, cards) != drawn:
            cards = self._cards(actor, reserve, pool)
            draws = ranking.arrange(_as_shown(reserve, cards), limit, now, random, rules, shares)
        return draws, cards

    def _cards(self, actor: Actor, items: Sequence[Item], pool: Pool) -> dict[str, Any]:
        return self.cards.of(actor, [item.id for item in items], "feed", pool.rooms, pool.people)

    def _log(
        self, actor: Actor, person: Person, draws: Sequence[Draw], start: int, now: datetime, policy: FeedPolicy
    ) -> tuple[list[Row], bool]:
        """Write down what is shown; False when nothing can be: the next page would be the same one. Raises `_Overtaken`
        when this person was shown something else meanwhile."""
        # What a bot is shown says nothing about how people respond, and nobody can respond who is not known again.
        counts = person.id is not None and not actor.synthetic
        chosen = [{**exposures.drawn(draw, policy.version), "counts": counts} for draw in draws]
        rows = exposures.page(actor, chosen, start, now)
        if not rows:
            return [], True

        def write(tx: Write) -> None:
            if person.id is not None:
                alone(tx.session, f"feed:{person.id}")
                if count_shown(tx.session, person.id, now - policy.seen_for) != person.shown:
                    raise _Overtaken
            exposures.write(tx, rows)
            if counts:
                self.candidates.exposed(tx, _places(draws, "note"))
                self.broadcasts.exposed(tx, _places(draws, "room"))

        return rows, exposures.logged(rows, lambda: self.db.write(write))

    def following(self, actor: Actor, cursor: str | None, limit: int) -> FeedPage:
        """Everything by whom the caller follows, newest first: complete, and never padded."""
        return self.followed.page(actor, cursor, limit)

    # -- asking why -----------------------------------------------------------------------------------------------

    def why(self, actor: Actor, exposure_id: str) -> Why:
        """Why the caller saw this; only the person it was shown to may ask."""
        with self.db.read() as session:
            row = session.get(Exposure, exposure_id)
        if row is None or row.person is None or row.person not in (actor.person, actor.device_id):
            raise NotFound("exposure.not_found", "This was not shown to you.")
        return Why(
            exposure_id=row.id,
            kind=row.kind,  # type: ignore[arg-type]
            item_id=row.item_id,
            placement=row.placement,
            position=row.position,
            reason=row.why["source"],
            about=row.why["about"],
            score=row.why["score"],
            parts=row.why["parts"],
            commercial=row.commercial,
            policy_version=row.policy_version,
            propensity=row.propensity,
            shown_at=rfc3339(row.shown_at),
        )

    def feedback(self, actor: Actor, form: FeedbackIn) -> None:
        """Less of this from the very next page on."""
        person = actor.person
        if person is None:
            raise Unauthenticated("device.required", "Feedback needs an account or a device it belongs to.")
        if form.target is None and form.kind != "fewer_products":
            raise Invalid(
                "feedback.target_missing", "Say what about.", [FieldError("target", "field.missing", "an id")]
            )
        target = form.target or ""

        def write(tx: Write) -> None:
            row = {"person": person, "kind": form.kind, "target": target, "created_at": tx.now}
            if not insert_ignore(tx.session, Feedback.__table__, row):
                return
            candidate = tx.session.get(Candidate, target) if form.kind == "not_interested" else None
            if candidate is not None:
                about = [f"topic:{topic.casefold()[:80]}" for topic in candidate.topics]
                tastes.move(tx, person, about, TASTE_OF["not_interested"])
            tx.record(FeedbackGiven(person, form.kind, target))

        self.db.write(write)

    def quality(self, actor: Actor, note_id: str) -> QualityOut:
        """What a note's score is made of and what would move it; for its author."""
        with self.db.read() as session:
            row, expected = session.get(Candidate, note_id), scores.expected_rate(session)
        if row is None or (row.author_id != actor.account_id and not actor.has("admin", "moderator")):
            raise NotFound("note.not_found", "There is no such note of yours in the feed.")
        response = scores.response(row)
        policy = self.policies.lately()
        below = row.content < quality.FLOOR
        return QualityOut(
            note_id=note_id,
            quality=row.quality,
            floor=quality.FLOOR,
            recommended=row.eligible,
            tier="below_floor" if below else quality.tier(response, expected, policy.guarantee),  # type: ignore[arg-type]
            content=row.content,
            parts={name: round(value, 4) for name, value in row.parts.items()},
            exposures=row.exposures,
            examined=round(row.examined, 2),
            responses=round(row.responses, 2),
            guarantee=policy.guarantee,
            advice=quality.advice(row.parts, row.content),
        )

    def ranking_inputs(self) -> RankingInputs:
        """Everything ranking may see. Generated from the code that ranks."""
        return RankingInputs(
            policy_version=self.policies.lately().version,
            inputs=list(ranking.INPUTS),
            weights=ranking.WEIGHTS,
            content_parts=sorted(quality.content_parts(quality.ContentSignals("", "", 0, 0))),
            response_weights=quality.RESPONSE_WEIGHTS,
            forbidden=list(ranking.FORBIDDEN),
        )


def _places(draws: Sequence[Draw], kind: str) -> list[tuple[str, int]]:
    """Ids and positions on the page of what is of this kind."""
    return [(draw.item.id, n) for n, draw in enumerate(draws, 1) if draw.item.kind == kind]


def _as_shown(items: Sequence[Item], cards: Mapping[str, Any]) -> list[Item]:
    """Those that may be shown, commercial where their cards are."""
    return [
        item if cards[item.id].commercial == item.commercial else replace(item, commercial=cards[item.id].commercial)
        for item in items
        if item.id in cards
    ]


def _followed(affinity: float) -> float:
    return min(1.0, affinity + 0.3)
