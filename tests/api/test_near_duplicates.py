"""Near-duplicates share no page: real texts, and what people do to a text before they post it again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest

from demo.posts import essays
from demo.reviews import read_reviews
from feed.likeness import alike, fingerprint
from tests.api.test_feed import ids
from tests.house import House
from tests.writing import publish

ENGLISH = [(review.title, review.text) for review in read_reviews() if len(review.text) > 200]
CHINESE = [(essay["title"], essay["text"]) for essay in essays()]
Edit = Callable[[str], str]


def swapped(text: str) -> str:
    """One word in the middle is another."""
    words = text.split(" ")
    words[len(words) // 2] = "gorgeous"
    return " ".join(words)


def swapped_zh(text: str) -> str:
    return text[: len(text) // 2] + "美" + text[len(text) // 2 + 1 :]


EDITS: dict[str, tuple[list[tuple[str, str]], Edit]] = {
    "the same words in capitals, without punctuation": (
        ENGLISH,
        lambda text: "".join(c for c in text if c not in ",.!?").upper(),
    ),
    "another word": (ENGLISH, swapped),
    "another number": (ENGLISH, lambda text: "7 " + text),
    "a word less": (ENGLISH, lambda text: text.partition(" ")[2]),
    "a call at the end": (ENGLISH, lambda text: text + " Follow me for more."),
    "another character": (CHINESE, swapped_zh),
    "a call at the end, in Chinese": (CHINESE, lambda text: text + "关注我"),
    "traditional characters": (CHINESE, lambda text: text.replace("实", "實").replace("际", "際").replace("长", "長")),
}


def print_of(title: str, text: str) -> int:
    return int(fingerprint(title, text), 16)


@pytest.mark.parametrize("kind", EDITS)
def test_a_text_posted_again_with_a_small_change_is_alike(kind: str) -> None:
    texts, edit = EDITS[kind]
    missed = [text for title, text in texts if not alike(print_of(title, text), print_of(title, edit(text)))]
    assert len(missed) <= len(texts) / 100, missed


@pytest.mark.parametrize("texts", [ENGLISH, CHINESE], ids=["English", "Chinese"])
def test_texts_of_different_people_are_not_alike(texts: list[tuple[str, str]]) -> None:
    prints = [(print_of(*text), text) for text in texts]
    assert [(a, b) for (one, a), (other, b) in combinations(prints, 2) if alike(one, other)] == []


def test_short_texts_that_differ_in_a_number_say_something_else() -> None:
    assert not alike(print_of("iPhone 14", "Boils in 4 minutes"), print_of("iPhone 15", "Boils in 9 minutes"))


def test_what_has_no_words_is_like_itself_alone() -> None:
    one, other = print_of("🌷", "🌷🌷"), print_of("🌧", "")
    assert alike(one, print_of("🌷", "🌷🌷"))
    assert not alike(one, other)
    assert not alike(None, None)


@pytest.mark.parametrize("edit", [swapped, lambda text: text + " 5 stars"])
def test_a_copied_note_shares_no_page_with_what_it_copies(any_house: House, edit: Edit) -> None:
    (title, text), other = ENGLISH[3], ENGLISH[4]
    twins = [
        publish(any_house, any_house.as_(f"author{n}"), title=title, text=t) for n, t in enumerate((text, edit(text)))
    ]
    alone = publish(any_house, any_house.as_("author9"), title=other[0], text=other[1])
    viewer = any_house.device()
    first = ids(viewer.get("feed?limit=5"))
    assert alone in first
    assert len(set(first) & set(twins)) == 1


def test_a_chinese_note_copied_with_another_number_shares_no_page(house: House) -> None:
    title, text = CHINESE[0]
    twins = {publish(house, house.as_(f"a{n}"), title=title, text=f"{text}已经穿了{n}年。") for n in range(2)}
    assert len(twins & set(ids(house.device().get("feed")))) == 1
