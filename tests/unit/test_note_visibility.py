"""The visibility rule as a table."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from notes.visibility import Placement, Standing, Viewer, may_see

AUTHOR, READER = "acct_author", "acct_reader"
VIEWERS = {
    "anonymous": Viewer(),
    "reader": Viewer(READER),
    "blocked": Viewer(READER, walled_off=frozenset({AUTHOR})),
    "author": Viewer(AUTHOR),
    "staff": Viewer("acct_mod", staff=True),
}
NOTES = {
    "draft": Standing(AUTHOR, "draft"),
    "in_review": Standing(AUTHOR, "in_review"),
    "rejected": Standing(AUTHOR, "rejected"),
    "public": Standing(AUTHOR, "public"),
    "limited": Standing(AUTHOR, "limited"),
    "hidden": Standing(AUTHOR, "public", hold="hidden"),
    "removed": Standing(AUTHOR, "limited", hold="removed"),
    "suspended": Standing(AUTHOR, "public", author_hidden=True),
    "deleted": Standing(AUTHOR, "public", deleted=True),
}
LISTS = ("feed", "following", "search", "profile")
OTHERS = ("anonymous", "reader", "author", "staff")
SEEN = {
    *itertools.product(["public"], OTHERS, LISTS),
    *itertools.product(["limited"], OTHERS, ["following", "search", "profile"]),
    *itertools.product(["public", "limited"], ["anonymous", "reader"], ["note"]),
    *itertools.product([name for name in NOTES if name != "deleted"], ["author"], ["note"]),
    *itertools.product([name for name in NOTES if name not in ("deleted", "draft")], ["staff"], ["note"]),
}


@pytest.mark.parametrize("placement", get_args(Placement))
@pytest.mark.parametrize("viewer", VIEWERS)
@pytest.mark.parametrize("note", NOTES)
def test_a_note_is_seen_exactly_where_the_table_says(note: str, viewer: str, placement: Placement) -> None:
    assert may_see(NOTES[note], VIEWERS[viewer], placement) == ((note, viewer, placement) in SEEN)


def test_nobody_in_particular_is_nobodys_author() -> None:
    assert not may_see(Standing("", "draft"), Viewer(None), "note")
