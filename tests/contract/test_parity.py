"""Both index engines give the same answers: one corpus in one database, asked through the search service.

The corpus is the demo's: customers' posts in English, notes in Chinese, and goods. Meaning comes from the exported encoder
where there is one (for every fourth post, since each takes 20 ms), else from the hash encoder.
"""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engines.encoder import HashEncoder, OnnxEncoder, exported
from engines.index import open_index
from engines.offloop import off_loop
from kernel.actor import Actor
from kernel.clock import FrozenClock
from kernel.config import Settings
from kernel.ids import new_id
from kernel.ports import Encoder, KeyValue
from notes.models import Note, NoteVersion
from search import SearchService
from search.schemas import SearchQuery
from shop.schemas import MoneyIn, ProductIn, SkuIn
from tests.conftest import NOON, fresh_alias
from tests.house import House
from tests.models import model_folder

pytestmark = pytest.mark.engine("elasticsearch")
DEMO = Path(__file__).parents[2] / "demo"
GOODS = ("Linen shirt", "Silk blouse", "Wool coat", "Denim jacket", "羊毛大衣", "亚麻衬衫", "帆布包", "Rain boots")
QUERIES = (
    "soft linen shirt", "runs small, order a size up", "dress for a summer wedding", "petite", "jeans that fit short legs",
    "itchy wool sweater", "true to size", "beautiful colour but thin fabric", "returned it", "comfortable for work",
    "floral maxi dress", "lace top", "too long in the sleeves", "black pants for the office", "warm winter coat",
    "see-through blouse", "great quality for the price", "waist is too tight", "swimsuit", "silk",
    "pockets", "wash and shrink", "navy blue skirt", "cheap buttons", "flattering on curves", "vest", "jumpsuit",
    "梨形身材怎么穿", "小户型收纳", "早八人的妆", "咖啡", "手账排版", "旅行带什么", "租房改造", "显白的口红", "一个人的晚饭",
    "how to wear a pear shape", "small flat storage", "连衣裙", "qqqqzzzz",
)  # fmt: skip


@dataclass
class Twins:
    """Two search services over one database, an index engine each."""

    house: House
    services: dict[str, SearchService]

    def ask(self, viewer: Actor, **query: Any) -> list[list[dict[str, Any]]]:
        """What each answers."""
        form = SearchQuery(**query)
        return [service.search(viewer, form).items for service in self.services.values()]


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory, shared_kv: KeyValue) -> Iterator[Twins]:
    real = exported(model_folder())
    encoder: Encoder = OnnxEncoder(model_folder()) if real else HashEncoder()
    folder = tmp_path_factory.mktemp("parity")
    with fresh_alias() as url:
        house = House(Settings(data=folder, encoder="hash", secret="s" * 40), FrozenClock(NOON), shared_kv)
        fill(house, corpus(4 if real else 1))
        search, remembered = house.services.search, Remembered(encoder)
        urls = {"embedded": "embedded://", "elasticsearch": url}
        indexes = {
            name: open_index(at, folder / "twins", encoder.dimensions, name="parity") for name, at in urls.items()
        }
        twins = {
            name: SearchService(index, remembered, search.sources, search.cards, off_loop)
            for name, index in indexes.items()
        }
        for one in twins.values():
            one.rebuild()
        yield Twins(house, twins)
        for index in indexes.values():
            index.close()
        house.close()


class Remembered:
    """An encoder that reads each document once, however many indexes it goes into."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder, self._known = encoder, dict[str, Any]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def documents(self, texts: Sequence[str]) -> Any:
        new = [text for text in texts if text not in self._known]
        self._known.update(zip(new, self._encoder.documents(new), strict=True))
        return [self._known[text] for text in texts]


def corpus(step: int) -> list[tuple[str, str, list[str]]]:
    """Title, text and topics."""
    with (DEMO / "clothing-reviews.csv").open(encoding="utf-8", newline="") as file:
        posts = [(row["Title"], row["Review Text"], [row["Class Name"].lower()]) for row in csv.DictReader(file)]
    lines = (DEMO / "notes_zh.jsonl").read_text(encoding="utf-8").splitlines()
    chinese = [(row["title"], row["text"], row["topics"]) for row in map(json.loads, lines)]
    return posts[::step] + chinese


def fill(house: House, texts: Sequence[tuple[str, str, list[str]]]) -> None:
    """Public notes of ten authors, a second apart, and listed goods, straight into their tables."""
    authors = [house.as_(f"author{number}").id for number in range(10)]
    merchant = house.as_("merchant", "merchant").id
    price = MoneyIn(amount=12900, currency="CNY")

    def write(tx: Any) -> None:
        notes, versions = [], []
        for number, (title, text, topics) in enumerate(texts):
            at = house.clock.now()
            house.clock.advance(seconds=1)
            one = {"id": new_id("note", at), "created_at": at}
            served = {"status": "public", "served": 1, "published_at": at, "author_id": authors[number % 10]}
            notes.append({**one, **served})
            words = {"title": title[:200], "text": text, "topics": topics, "pictures": [], "skus": []}
            versions.append({"note_id": one["id"], "n": 1, "state": "public", "created_at": at, **words})
        tx.session.execute(Note.__table__.insert(), notes)
        tx.session.execute(NoteVersion.__table__.insert(), versions)
        for title in GOODS:
            form = ProductIn(title=title, skus=[SkuIn(name="M", price=price, stock=5)])
            house.services.products.add_product(tx, merchant, form)

    house.engines.db.write(write)


@pytest.fixture
def viewer(twins: Twins) -> Actor:
    accounts = twins.house.services.accounts
    actor = accounts.device_actor(accounts.new_device())
    assert actor is not None
    return actor


def ids(items: Sequence[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


@pytest.mark.parametrize("filters", [{}, {"kind": "product"}, {"kind": "note", "sort": "newest"}])
def test_the_same_query_finds_the_same_things(twins: Twins, viewer: Actor, filters: dict[str, str]) -> None:
    shares = {}
    for query in QUERIES[3::4] if filters else QUERIES:
        mine, theirs = twins.ask(viewer, q=query, limit=10, **filters)
        wanted = max(len(mine), len(theirs))
        shares[query] = len(set(ids(mine)) & set(ids(theirs))) / wanted if wanted else 1.0
        for items in (mine, theirs):
            assert {item["kind"] for item in items} <= {filters.get("kind", "note"), filters.get("kind", "product")}
            if "sort" in filters:
                dated = [item["published_at"] for item in items if item["kind"] == "note"]
                assert dated == sorted(dated, reverse=True)
    assert statistics.fmean(shares.values()) >= 0.9, sorted(shares.items(), key=lambda pair: pair[1])[:8]
    assert shares["qqqqzzzz"] == 1


def test_what_may_not_be_seen_is_absent_from_the_next_answer_of_both(twins: Twins, viewer: Actor) -> None:
    house = twins.house
    notes, query = house.services.notes, "soft linen shirt"
    first = [ids(items)[0] for items in twins.ask(viewer, q=query, kind="note")]
    for note in set(first):
        house.engines.db.write(lambda tx, note=note: notes.hide(tx, note))
    assert not set(first) & {id for items in twins.ask(viewer, q=query, limit=50) for id in ids(items)}
    for note in set(first):
        house.engines.db.write(lambda tx, note=note: notes.restore(tx, note))
    assert [ids(items)[0] for items in twins.ask(viewer, q=query, kind="note")] == first


def test_who_is_blocked_finds_nothing_of_the_author_on_either(twins: Twins) -> None:
    reader = twins.house.as_("reader")
    actor = twins.house.services.accounts.actor(reader.id)
    author = twins.ask(actor, q="dress", kind="note")[0][0]["author"]["id"]
    reader.put(f"accounts/{author}/block")
    for items in twins.ask(actor, q="dress", kind="note", limit=50):
        assert items
        assert author not in {item["author"]["id"] for item in items}


def test_pages_of_one_answer_are_disjoint_and_as_long_on_both(twins: Twins, viewer: Actor) -> None:
    lengths = []
    for service in twins.services.values():
        seen, cursor = list[str](), None
        while (page := service.search(viewer, SearchQuery(q="dress", limit=20, cursor=cursor))).items:
            seen += ids(page.items)
            if (cursor := page.next_cursor) is None:
                break
        assert len(seen) == len(set(seen)) > 40
        lengths.append(len(seen))
    assert min(lengths) >= 0.9 * max(lengths)
