"""The demo's plan is what the demo promises: counted, consistent, and the same each time."""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from datetime import date, timedelta
from threading import Event

import pytest
from PIL import Image

from demo.activity import EVENT_NAMES, OUTCOMES, Day, activity
from demo.cast import TOUR_ACCOUNTS
from demo.catalogue import MADE
from demo.content import Plan
from demo.covers import CoverSpec, cover_svg, render_avatar, render_cover
from demo.load_pictures import Pictures
from demo.palette import dye, hls
from demo.people import APPROVED_CREATORS, AVATARS, CREATOR_AT_GATE, GATE, MERCHANTS, VIEWERS
from demo.plan import make_plan
from demo.posts import ZONE, essays
from demo.scenes import LAYOUTS
from demo.themes import THEMES
from kernel.text import check_line, check_prose
from moderation import judge
from tests.house import House

TODAY = date(2026, 3, 2)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(today=TODAY)


@pytest.fixture(scope="module")
def days(plan: Plan) -> list[Day]:
    return list(activity(plan))


def test_same_seed_gives_same_plan_and_another_seed_another(plan: Plan) -> None:
    assert make_plan(today=TODAY) == plan
    assert make_plan(7, today=TODAY).notes != plan.notes


def test_counts_are_what_the_demo_promises(plan: Plan) -> None:
    counts = plan.counts()
    assert counts["accounts"] == 1_200 + len(TOUR_ACCOUNTS)
    assert counts["products"] == 149 + len(MADE)
    assert counts["follows"] == 10_000
    assert Counter(note.kind for note in plan.notes) == {"post": 958, "picture": 42, "essay": 46, "display": 20}
    assert 0.3 < sum(bool(n.products) for n in plan.notes if n.kind == "post") / 1000 < 0.37
    assert counts["comments"] >= 400
    assert counts["reports"] >= 12
    assert counts["skus"] == len({sku.key for product in plan.products for sku in product.skus})


def test_what_is_held_is_what_the_rules_hold_and_comes_in_the_last_days(plan: Plan) -> None:
    crowd = {account.handle for account in plan.accounts if account.password is None}
    assert 6 <= len(plan.held_notes) + len(plan.held_comments) <= 10
    for note in plan.held_notes:
        assert judge(f"{note.title}\n{note.text}").verdict == "hold"
    for held in (
        *((n.author, n.published_at) for n in plan.held_notes),
        *((c.author, c.at) for c in plan.held_comments),
    ):
        assert held[0] in crowd
        assert TODAY - timedelta(days=7) < held[1].astimezone(ZONE).date() < TODAY
    assert {judge(comment.text).verdict for comment in plan.held_comments} == {"hold"}


def test_keys_and_names_are_unique(plan: Plan) -> None:
    for keys in (
        [a.handle for a in plan.accounts],
        [p.key for p in plan.products],
        [p.title for p in plan.products],
        [n.key for n in plan.notes],
        [n.cover for n in plan.notes],
        [(f.follower, f.followed) for f in plan.follows],
        [(r.reporter, r.target) for r in plan.reports],
    ):
        assert len(keys) == len(set(keys))


def test_creator_of_the_tour_is_one_follower_short_and_five_are_past_the_gate(plan: Plan) -> None:
    followers = Counter(follow.followed for follow in plan.follows)
    assert followers[CREATOR_AT_GATE] == GATE == 1_000
    assert {handle for handle, n in followers.items() if n > GATE} == set(APPROVED_CREATORS)
    assert len(APPROVED_CREATORS) == 5
    to_gate = {follow.follower for follow in plan.follows if follow.followed == CREATOR_AT_GATE}
    assert to_gate.isdisjoint({*VIEWERS, *(entry[0] for entry in TOUR_ACCOUNTS)})
    assert all(follow.follower != follow.followed for follow in plan.follows)


def test_product_notes_belong_to_approved_creators_or_to_the_owner_of_the_listing(plan: Plan) -> None:
    approved = {account.handle for account in plan.accounts if account.approved}
    owner = {product.key: product.merchant for product in plan.products}
    assert approved == set(APPROVED_CREATORS)
    for note in plan.notes:
        for key in note.products:
            assert note.author in approved or note.author == owner[key], note.key


def test_everything_named_exists(plan: Plan) -> None:
    handles, notes = {a.handle for a in plan.accounts}, {n.key for n in plan.notes}
    products, skus = {p.key for p in plan.products}, {s.key for p in plan.products for s in p.skus}
    assert {n.author for n in plan.notes} | {c.author for c in plan.comments} | {
        r.reporter for r in plan.reports
    } <= handles
    assert {f.follower for f in plan.follows} | {f.followed for f in plan.follows} <= handles
    assert {c.note for c in plan.comments} | {r.target for r in plan.reports} <= notes
    assert {key for n in plan.notes for key in n.products} <= products
    assert {p.merchant for p in plan.products} <= set(MERCHANTS)
    (room,) = plan.rooms
    assert set(room.shelf) <= skus
    assert len(room.shelf) >= 5
    assert room.host in APPROVED_CREATORS


def test_only_named_accounts_have_a_password(plan: Plan) -> None:
    named = {account.handle for account in plan.accounts if account.password}
    tour = {entry[0] for entry in TOUR_ACCOUNTS}
    assert {*VIEWERS, CREATOR_AT_GATE, *APPROVED_CREATORS, *MERCHANTS, "moderator", "admin", *tour} == named
    synthetic = {account.handle for account in plan.accounts if account.synthetic}
    assert synthetic == {CREATOR_AT_GATE, "moderator", "admin", *tour}


def test_chinese_notes_are_distinct_and_of_a_readable_length() -> None:
    notes = essays()
    assert len(notes) >= 40
    assert len({note["title"] for note in notes}) == len({note["text"] for note in notes}) == len(notes)
    assert all(80 <= len(note["text"]) <= 200 for note in notes)
    shingles = [{note["text"][i : i + 8] for i in range(len(note["text"]) - 7)} for note in notes]
    assert all(len(a & b) <= 2 for i, a in enumerate(shingles) for b in shingles[:i])
    made = {product.key for product in MADE}
    assert {note["product"] for note in notes if "product" in note} == made
    assert {note["theme"] for note in notes} <= set(THEMES)


def test_texts_pass_the_rules_for_what_people_send(plan: Plan) -> None:
    lines = [note.title for note in plan.notes] + [a.name for a in plan.accounts] + [p.title for p in plan.products]
    for line in [*lines, *(topic for note in plan.notes for topic in note.topics), *(c.text for c in plan.comments)]:
        assert check_line(line) == line != ""
        assert len(line) <= 100
    for note in plan.notes:
        assert check_prose(note.text) == note.text
        assert bool(note.text) != (note.kind == "picture")


def test_notes_and_comments_lie_in_the_thirty_days_before(plan: Plan) -> None:
    published = {note.key: note.published_at for note in plan.notes}
    joined = {account.handle: account.joined_on for account in plan.accounts}
    for note in plan.notes:
        assert TODAY - timedelta(days=30) <= note.published_at.astimezone(ZONE).date() < TODAY
        assert joined[note.author] < note.published_at.astimezone(ZONE).date()
    for said in plan.comments:
        assert published[said.note] < said.at
        assert said.at.astimezone(ZONE).date() < TODAY
    assert all(published[report.target] < report.at for report in plan.reports)


def test_prices_are_fen_and_sizes_fit_the_kind_of_product(plan: Plan) -> None:
    for product in plan.products:
        assert all(sku.price > 0 and sku.stock >= 0 for sku in product.skus)
        assert len({sku.price for sku in product.skus}) == 1
    sizes = {product.category: tuple(sku.size for sku in product.skus) for product in plan.products}
    assert sizes["Dresses"] == ("XS", "S", "M", "L", "XL")
    assert sizes["Trend"] == sizes["Beauty"] == ("One size",)


def test_activity_covers_thirty_days_and_every_figure_sums(plan: Plan, days: list[Day]) -> None:
    assert [day.day for day in days] == [TODAY - timedelta(days=n) for n in range(30, 0, -1)]
    total = sum(len(day.events) + len(day.orders) for day in days)
    assert 45_000 <= total <= 60_000
    by_name = Counter(event.name for day in days for event in day.events)
    assert set(by_name) == set(EVENT_NAMES)
    assert sum(by_name.values()) + sum(len(day.orders) for day in days) == total
    for day in days:
        active = {event.person for event in day.events}
        buyers = {order.account for order in day.orders}
        assert 250 <= len(active) <= 420
        assert 15 <= len(buyers) <= 45
        assert buyers <= active
        assert all(item.at.astimezone(ZONE).date() == day.day for item in (*day.events, *day.orders))


def test_activity_is_the_same_each_time(plan: Plan, days: list[Day]) -> None:
    assert list(activity(plan)) == days
    assert next(iter(activity(plan, 5))) != days[0]


def test_people_meet_only_what_was_public_and_each_note_once(plan: Plan, days: list[Day]) -> None:
    published = {note.key: note.published_at for note in plan.notes}
    kind = {note.key: note.kind for note in plan.notes}
    events = [event for day in days for event in day.events if event.name.startswith("note.")]
    assert all(published[event.target] < event.at for event in events)
    shown = [(event.person, event.target) for event in events if event.name == "note.exposed"]
    assert len(shown) == len(set(shown))
    assert not any(kind[e.target] == "display" and e.placement == "feed" for e in events)
    named = {account.handle for account in plan.accounts if account.password}
    assert named.isdisjoint(event.person for event in events)


def test_orders_never_exceed_stock_and_start_from_something_seen(plan: Plan, days: list[Day]) -> None:
    stock = {sku.key: sku.stock for product in plan.products for sku in product.skus}
    orders = [order for day in days for order in day.orders]
    sold: Counter[str] = Counter()
    for order in orders:
        sold[order.sku] += order.qty
    assert all(sold[key] <= stock[key] for key in sold)
    outcomes = Counter(order.outcome for order in orders)
    assert set(outcomes) == set(OUTCOMES)
    assert 0.7 < outcomes["paid"] / len(orders) < 0.88
    products = {note.key: note.products for note in plan.notes}
    for order in orders:
        if order.placement == "room":
            assert order.touchpoint == plan.rooms[0].key
        else:
            assert products[order.touchpoint] == (order.sku.split(":")[0],)


def test_helpful_votes_draw_likes(plan: Plan, days: list[Day]) -> None:
    likes = Counter(event.target for day in days for event in day.events if event.name == "note.liked")
    posts = [note for note in plan.notes if note.kind == "post"]
    voted = [likes[note.key] for note in posts if (note.helpful or 0) >= 5]
    unvoted = [likes[note.key] for note in posts if note.helpful == 0]
    assert sum(voted) / len(voted) > 1.5 * sum(unvoted) / len(unvoted)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("ratio", ["3:4", "1:1", "4:3"])
def test_every_layout_draws_a_picture_of_the_right_size(layout: str, ratio: str) -> None:
    spec = CoverSpec("test", "dress", ratio, "#3c6b50", layout)
    image = Image.open(io.BytesIO(render_cover(spec)))
    assert (image.format, image.size) == ("WEBP", spec.size)
    assert len(image.convert("RGB").quantize(32).getcolors() or []) > 8


def test_every_theme_has_its_drawings() -> None:
    for name, theme in THEMES.items():
        for hero in theme.heroes:
            assert cover_svg(CoverSpec("test", name, hero=hero)).startswith("<svg")


def test_covers_are_the_same_for_one_key_and_differ_between_keys(plan: Plan) -> None:
    one = render_cover(plan.notes[0].cover)
    assert one == render_cover(plan.notes[0].cover)
    assert len({cover_svg(note.cover) for note in plan.notes}) == len(plan.notes)
    assert len({render_avatar(n) for n in range(12)}) == 12
    assert max(account.avatar for account in plan.accounts) < AVATARS


def test_dyeing_moves_the_main_colour_and_leaves_the_others() -> None:
    body = '<path fill="#d65f5f"/><path fill="#2a78c2"/><path fill="#ffffff"/>'
    dyed = dye(body, "#d65f5f", "#3c6b50")
    assert "#2a78c2" in dyed
    assert "#ffffff" in dyed
    hue = hls(dyed.split('"')[1])[0]
    assert abs(hue - hls("#3c6b50")[0]) < 0.01


def test_plan_can_be_counted_as_json(plan: Plan) -> None:
    assert json.loads(json.dumps(plan.counts()))["rooms"] == 1


def test_who_stops_drawing_leaves_no_thread_to_race_with_the_end_of_the_process(house: House, plan: Plan) -> None:
    """An interrupted load printed a trace where the thread closed the pipe that the interpreter's own ending writes to."""
    begun = Event()
    before = {*threading.enumerate()}
    pictures = Pictures(house.services.media, plan, begun.set)
    assert begun.wait(120)
    pictures.close()
    assert [thread for thread in threading.enumerate() if thread not in before] == []
