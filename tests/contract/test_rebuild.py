"""A rebuild beside everything that goes on meanwhile, and an index that was lost, on each index engine."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from notes import NoteDraft, NotePatch
from tests.conftest import ELASTICSEARCH_URL, on
from tests.contract.test_kv import eventually
from tests.house import Client, House
from tests.writing import publish, verdict

SETTLED, CHANGING, REBUILDS = 30, 10, 2


@pytest.fixture(params=[on("tantivy+usearch"), on("elasticsearch")])
def index_url(request: pytest.FixtureRequest) -> str:
    return "embedded://" if request.param == "tantivy+usearch" else str(request.getfixturevalue("elasticsearch_url"))


@pytest.fixture
def house(build: Callable[..., House], index_url: str) -> House:
    return build(index_url=index_url)


def marked(number: int, version: int) -> str:
    """A word that only this version of this note has."""
    return f"m{number}v{version}x"


def add(house: House, author: Client, number: int) -> str:
    """A public note; that it is to be indexed is a job that waits."""

    def write(tx: object) -> str:
        notes, text = house.services.notes, f"linen {marked(number, 1)}"
        note = notes.add(tx, author.id, NoteDraft(title="Linen", text=text))  # type: ignore[arg-type]
        notes.hand_in(tx, note)  # type: ignore[arg-type]
        notes.decide(tx, note, 1, "approve")  # type: ignore[arg-type]
        return note

    return house.engines.db.write(write)


def truth(house: House) -> dict[str, str]:
    """What SQL says is to be found: a note's only word -> its id."""
    source = house.services.search.sources["note"]
    ids = [note for page in source.all_ids() for note in page]
    return {text.texts[0].split()[1]: text.id for text in source.texts(ids).values()}


@contextmanager
def going_on(*loops: Callable[[], object]) -> Iterator[None]:
    """Each again and again in a thread of its own; what one of them raises is raised here."""
    over, failed = threading.Event(), list[BaseException]()

    def run(loop: Callable[[], object]) -> None:
        try:
            while not over.is_set():
                loop()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=[loop]) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]


class Laps:
    """Something that is done again and again, and how often it was."""

    def __init__(self, lap: Callable[[], object]) -> None:
        self.lap, self.done = lap, 0

    def __call__(self) -> None:
        self.lap()
        self.done += 1


def interrupt(monkeypatch: pytest.MonkeyPatch, house: House, others: Laps) -> None:
    """Between what a rebuild reads and what it writes, the others go on: a few times, or it would never end."""
    encode, left = house.engines.encoder.documents, [4 * REBUILDS]

    def documents(texts: Sequence[str]) -> object:
        if threading.current_thread() is threading.main_thread() and left[0]:
            left[0] -= 1
            begun = others.done
            assert eventually(lambda: others.done > begun + 2, 60)
        return encode(texts)

    monkeypatch.setattr(house.engines.encoder, "documents", documents)


def test_after_a_rebuild_beside_writers_the_index_says_what_sql_says(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, db, author = house.services, house.engines.db, house.as_("author")
    for unasked in ("moderation.screen", "feed.refresh"):
        services.worker.handlers[unasked] = lambda args: None
    actor, chance = services.accounts.actor(author.id), random.Random(1)
    settled = [add(house, author, number) for number in range(SETTLED)]
    added, versions = list[str](), dict.fromkeys(settled[:CHANGING], 1)

    def appear() -> None:
        added.append(add(house, author, SETTLED + len(added)))

    def hide_or_restore() -> None:
        note = chance.choice(settled[CHANGING : 2 * CHANGING])
        db.write(lambda tx: services.notes.hide(tx, note) or services.notes.restore(tx, note))

    def edit() -> None:
        note = chance.choice(settled[:CHANGING])
        former, versions[note] = versions[note], versions[note] + 1
        text = f"linen {marked(settled.index(note), versions[note])}"
        services.notes.edit(actor, note, NotePatch(text=text), str(former))
        assert verdict(house, note, versions[note], "approve")

    indexed = Laps(lambda: (chance.choice([appear, hide_or_restore, edit])(), house.jobs()))
    interrupt(monkeypatch, house, indexed)
    with going_on(indexed):
        for _ in range(REBUILDS):
            services.search.rebuild()
    house.clock.advance(minutes=10)
    house.jobs()
    index, expected = house.engines.index, truth(house)
    assert len(expected) >= SETTLED - CHANGING
    assert added
    assert max(versions.values()) > 1
    every = {marked(n, 1) for n in range(SETTLED + len(added))}
    every |= {marked(settled.index(note), v) for note, last in versions.items() for v in range(1, last + 1)}
    found = {word: hit.id for word in every for hit in index.lexical([word], 5)}
    assert found == expected
    assert index.count() == len(expected)
    vectors = index.vectors(list(expected.values()))
    assert set(vectors) == set(expected.values())


def lose(house: House, index_url: str, how: str) -> None:
    """The folder, or the index on the server, is not there any more, or not whole."""
    if index_url != "embedded://":
        with Elasticsearch(ELASTICSEARCH_URL, request_timeout=60) as server:
            alias = index_url.rpartition("/")[2]
            (name,) = server.indices.get_alias(name=alias).body
            if how == "lost":
                server.indices.delete(index=name)
            else:
                meta = server.indices.get_mapping(index=name).body[name]["mappings"]["_meta"]
                server.indices.put_mapping(index=name, meta={**meta, "fresh": False})
        return
    folder = Path(house.settings.data) / "index"
    if how == "lost":
        shutil.rmtree(folder)
    else:
        for store in folder.glob("*/words/*.store"):
            store.write_bytes(store.read_bytes()[:10])


@pytest.mark.parametrize("how", ["lost", "half written"])
def test_an_index_that_is_not_whole_is_noticed_at_the_next_start_and_filled(
    house: House, build: Callable[..., House], index_url: str, how: str
) -> None:
    house.services.search.rebuild()
    note = publish(house, house.as_("author"), title="Washed linen shirt", text="Soft after the third wash.")
    house.close()
    lose(house, index_url, how)
    again = build(index_url=index_url)
    assert not again.engines.index.fresh
    again.services.search.fill_if_lost()  # what a server does before it answers
    assert again.engines.index.fresh
    assert [item["id"] for item in again.device().get("search?q=linen").json["items"]] == [note]
