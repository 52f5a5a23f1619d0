"""A picture's address is no way around what became of the note, the product or the profile that it was given for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.desk import decide, report, undo
from tests.house import Client, House, problem
from tests.market import price
from tests.statements import statements
from tests.visitor import Visitor
from tests.writing import draft, picture, publish, submit, upload, verdict

SEEN, GONE = 200, 404


@dataclass
class Album:
    """An author with an upload in two sizes, and everybody who may ask for it."""

    house: House
    author: Client
    moderator: Client
    other: Client
    image: dict[str, Any]

    @property
    def urls(self) -> list[str]:
        return [self.image["url"], self.image["small"]["url"]]

    @property
    def images(self) -> list[dict[str, str]]:
        return [{"media": self.image["id"]}]

    def publish(self) -> str:
        return publish(self.house, self.author, images=self.images)

    def get(self, who: Client, url: str, **headers: str) -> Any:
        return who.get(url, headers=headers, buffered=True)

    def answers(self, who: Client) -> set[int]:
        return {self.get(who, url).status_code for url in self.urls}

    def strangers(self) -> set[int]:
        """What anybody gets who is neither its owner nor staff."""
        return {
            status for who in (self.house.anonymous(), self.house.device(), self.other) for status in self.answers(who)
        }

    def insiders(self) -> set[int]:
        return self.answers(self.author) | self.answers(self.moderator)

    def suspend(self, back: bool = False) -> None:
        accounts = self.house.services.accounts
        self.house.engines.db.write(lambda tx: (accounts.reinstate if back else accounts.suspend)(tx, self.author.id))

    def veil(self, back: bool = False) -> None:
        accounts = self.house.services.accounts
        self.house.engines.db.write(lambda tx: accounts.veil(tx, self.author.id, not back))


@pytest.fixture
def album(any_house: House) -> Album:
    author, other = any_house.as_("author", "merchant"), any_house.as_("other")
    image = upload(author, picture(1000, 800)).json
    return Album(any_house, author, any_house.as_("mod", "moderator"), other, image)


def act(album: Album, note: str, action: str) -> str:
    report(album.other, "note", note)
    done = decide(album.moderator, note, action)
    assert done.status_code in (200, 201), done.json
    return str(done.json["id"])


def test_an_upload_is_its_owners_until_something_public_shows_it(album: Album) -> None:
    assert (album.strangers(), album.insiders()) == ({GONE}, {SEEN})
    note = draft(album.author, images=album.images)["id"]
    assert (album.strangers(), album.insiders()) == ({GONE}, {SEEN})
    album.author.post(f"notes/{note}/submit")
    assert (album.strangers(), album.insiders()) == ({GONE}, {SEEN})
    album.house.jobs()
    assert (album.strangers(), album.insiders()) == ({SEEN}, {SEEN})
    assert problem(album.get(album.other, "/media/images/" + "0" * 64 + ".webp")) == (404, "media.not_found")


@pytest.mark.parametrize("action", ["hide", "remove", "reject"])
def test_what_a_moderator_takes_down_takes_its_pictures_along_and_undoing_brings_them_back(
    album: Album, action: str
) -> None:
    note = album.publish()
    acted = act(album, note, action)
    assert (album.strangers(), album.insiders()) == ({GONE}, {SEEN})
    assert problem(album.get(album.other, album.urls[0])) == (404, "media.not_found")
    undo(album.moderator, acted)
    assert (album.strangers(), album.insiders()) == ({SEEN}, {SEEN})


def test_a_limited_notes_pictures_are_everybodys_as_its_page_is(album: Album) -> None:
    act(album, album.publish(), "limit")
    assert album.strangers() == {SEEN}


def test_what_its_author_deletes_takes_its_pictures_along(album: Album) -> None:
    note = album.publish()
    assert album.author.delete(f"notes/{note}").status_code == 204
    assert (album.strangers(), album.insiders()) == ({GONE}, {SEEN})


def test_nothing_of_a_suspended_author_is_served_until_they_are_reinstated(album: Album) -> None:
    album.publish()
    album.suspend()
    assert (album.strangers(), album.answers(album.moderator)) == ({GONE}, {SEEN})
    assert problem(album.get(album.author, album.urls[0])) == (401, "account.suspended")
    album.suspend(back=True)
    assert (album.strangers(), album.insiders()) == ({SEEN}, {SEEN})


def test_a_picture_stays_while_another_note_shows_it(album: Album) -> None:
    first, second = album.publish(), album.publish()
    act(album, first, "hide")
    assert album.strangers() == {SEEN}
    album.author.delete(f"notes/{second}")
    assert album.strangers() == {GONE}


def test_the_same_picture_of_somebody_else_stays_and_is_seen_by_both_owners(album: Album) -> None:
    theirs = upload(album.other, picture(1000, 800)).json
    assert theirs["url"] == album.image["url"]
    act(album, album.publish(), "hide")
    assert (album.answers(album.other), album.answers(album.house.anonymous())) == ({SEEN}, {GONE})
    publish(album.house, album.other, images=[{"media": theirs["id"]}])
    assert album.answers(album.house.anonymous()) == {SEEN}


def test_an_edit_shows_its_new_picture_when_it_is_served_and_then_the_old_one_no_more(album: Album) -> None:
    note, new = album.publish(), upload(album.author, picture(colour="blue")).json
    edited = album.author.patch(f"notes/{note}", {"images": [{"media": new["id"]}]}, '"1"')
    assert edited.status_code == 200
    assert (album.strangers(), album.get(album.other, new["url"]).status_code) == ({SEEN}, GONE)
    assert verdict(album.house, note, 2, "approve")
    assert (album.strangers(), album.get(album.other, new["url"]).status_code) == ({GONE}, SEEN)
    album.house.engines.db.write(lambda tx: album.house.services.notes.undecide(tx, note, 2))
    assert (album.strangers(), album.get(album.other, new["url"]).status_code) == ({SEEN}, GONE)


def test_an_avatar_is_everybodys_until_it_is_replaced_veiled_or_its_account_suspended(album: Album) -> None:
    small = album.urls[1]

    def seen() -> tuple[int, bool]:
        shown = album.other.get(f"accounts/{album.author.id}").json["avatar"] == small
        return album.get(album.other, small).status_code, shown

    assert album.author.patch("me", {"avatar": small}, '"1"').status_code == 200
    assert seen() == (SEEN, True)
    assert album.get(album.other, album.urls[0]).status_code == GONE, "only the small one is shown"
    for turn in (album.suspend, album.veil):
        turn()
        assert seen() == (GONE, False)
        assert album.get(album.moderator, small).status_code == SEEN
        turn(back=True)
        assert seen() == (SEEN, True)
    album.author.patch("me", {"avatar": None}, '"2"')
    assert seen() == (GONE, False)
    assert album.get(album.author, small).status_code == SEEN


def test_a_cover_is_everybodys_while_its_product_is_for_sale(album: Album) -> None:
    small = album.image["small"]
    goods = {"title": "Linen", "skus": [{"name": "M", "price": price(100), "stock": 1}]}
    product = album.author.post("products", {**goods, "cover": small}).json["id"]

    def seen() -> int:
        return int(album.get(album.other, small["url"]).status_code)

    assert seen() == SEEN
    report(album.other, "product", product)
    hidden = decide(album.moderator, product, "hide").json["id"]
    assert (seen(), album.get(album.author, small["url"]).status_code) == (GONE, SEEN)
    undo(album.moderator, hidden)
    assert seen() == SEEN
    album.suspend()
    assert seen() == GONE
    album.suspend(back=True)
    bare = album.author.patch(f"products/{product}", {"cover": None}, '"1"')
    assert (bare.json["cover"], seen()) == (None, GONE)
    assert album.author.patch(f"products/{product}", {"cover": small}, '"2"').json["cover"]["url"] == small["url"]
    assert seen() == SEEN


def test_pages_of_the_author_and_the_desk_load_their_pictures_by_the_session_cookie(album: Album) -> None:
    note = album.publish()
    act(album, note, "hide")
    for who, status in ((album.author, SEEN), (album.moderator, SEEN), (album.other, GONE)):
        browser = Visitor(album.house)
        browser.become(who.headers["Authorization"].removeprefix("Bearer "))
        assert browser.get(album.urls[0]).status_code == status


def test_no_shared_cache_answers_for_the_house_and_nothing_outlives_a_verdict_for_long(album: Album) -> None:
    url, stranger = album.urls[0], album.house.anonymous()
    private = album.get(album.author, url)
    assert private.headers["Cache-Control"] == "private, no-cache"
    assert album.get(stranger, url).headers["Cache-Control"] == "no-store"
    note = album.publish()
    public = album.get(stranger, url)
    assert public.headers["Cache-Control"] == "public, max-age=300, s-maxage=0"
    assert (public.content_type, public.headers["X-Content-Type-Options"]) == ("image/webp", "nosniff")
    tag = public.headers["ETag"]
    again = album.get(stranger, url, **{"If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["Cache-Control"]) == (
        304,
        b"",
        public.headers["Cache-Control"],
    )
    act(album, note, "hide")
    assert problem(album.get(stranger, url, **{"If-None-Match": tag})) == (404, "media.not_found")
    assert album.get(album.author, url, **{"If-None-Match": tag}).status_code == 304


def test_everybodys_picture_takes_one_statement_whoever_asks_and_a_name_that_nobody_has_none(album: Album) -> None:
    album.publish()

    def told(who: Client, url: str) -> int:
        with statements() as found:
            album.get(who, url)
        return len(found)

    for who in (album.house.anonymous(), album.house.device(), album.other, album.author):
        assert told(who, album.urls[0]) == 1
    assert told(album.other, "/media/images/" + "0" * 64 + ".webp") == 0
    unused = upload(album.author, picture(colour="green")).json["url"]
    assert (told(album.house.anonymous(), unused), told(album.moderator, unused), told(album.author, unused)) == (
        1,
        2,
        3,
    )


def test_a_bad_token_is_refused_where_it_would_matter_only(album: Album) -> None:
    bad = {"Authorization": "Bearer nonsense"}
    stranger = album.house.anonymous()
    assert problem(album.get(stranger, album.urls[0], **bad)) == (401, "session.invalid")
    submit(album.author, images=album.images)
    album.house.jobs()
    assert album.get(stranger, album.urls[0], **bad).status_code == SEEN
