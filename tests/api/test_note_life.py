"""The life of a note, against a small model of it, in whatever order things happen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kernel.errors import Conflict, NotFound
from notes import NoteDraft, NotePatch
from notes.models import Note, NoteVersion
from tests.house import House

STATES = {"approve": "public", "limit": "limited", "reject": "rejected"}


def life(house: House) -> type[RuleBasedStateMachine]:
    """The machine over one house; every run has a note of its own."""
    notes, db = house.services.notes, house.engines.db
    author = house.services.accounts.actor(house.as_("author").id)
    stranger = house.services.accounts.actor(house.as_("stranger").id)

    class Life(RuleBasedStateMachine):
        @initialize()
        def write(self) -> None:
            self.id = str(notes.create(author, NoteDraft(title="1")).value["id"])
            self.newest, self.state = 1, "draft"
            self.served: tuple[int, str] | None = None
            self.held: set[str] = set()
            self.deleted = False

        def attempt(self, command: Callable[[], object], allowed: bool) -> None:
            if allowed:
                command()
                return
            with pytest.raises(NotFound if self.deleted else Conflict):
                command()

        @rule()
        def edit(self) -> None:
            open_to_edits = not self.deleted and "removed" not in self.held
            patch = NotePatch(title=str(self.newest + 1))
            self.attempt(lambda: notes.edit(author, self.id, patch, str(self.newest)), open_to_edits)
            if open_to_edits:
                self.newest += 1
                again = self.served is None and self.state in ("draft", "rejected")
                self.state = "draft" if again else "in_review"

        @rule()
        def submit(self) -> None:
            allowed = not self.deleted and "removed" not in self.held and self.state == "draft"
            self.attempt(lambda: notes.submit(author, self.id), allowed)
            if allowed:
                self.state = "in_review"

        @rule(verdict=st.sampled_from(sorted(STATES)), back=st.integers(0, 2))
        def decide(self, verdict: str, back: int) -> None:
            """Screening: only the newest version, only while it waits."""
            version = self.newest - back
            took = db.write(lambda tx: notes.decide(tx, self.id, version, verdict))  # type: ignore[arg-type]
            assert took == (back == 0 and self.state == "in_review" and not self.deleted)
            if took:
                self.state = STATES[verdict]
                self.served = (version, self.state) if verdict != "reject" else self.served

        @precondition(lambda self: self.served is not None and not self.deleted)
        @rule(verdict=st.sampled_from(sorted(STATES)))
        def overrule(self, verdict: str) -> None:
            """A moderator changes the verdict of what is served."""
            assert self.served is not None
            version, before = self.served
            took = db.write(lambda tx: notes.decide(tx, self.id, version, verdict, overrule=True))  # type: ignore[arg-type]
            assert took == (STATES[verdict] != before)
            self.served = (version, STATES[verdict]) if verdict != "reject" else None
            if version == self.newest:
                self.state = STATES[verdict]

        @precondition(lambda self: self.served is not None and not self.deleted)
        @rule(verdict=st.sampled_from(sorted(STATES)))
        def overrule_and_undo(self, verdict: str) -> None:
            """Taking it back, which gives the verdict that stood before again, restores exactly what was served."""
            assert self.served is not None
            version, before = self.served[0], next(v for v, state in STATES.items() if state == self.served[1])
            if db.write(lambda tx: notes.decide(tx, self.id, version, verdict, overrule=True)):  # type: ignore[arg-type]
                assert db.write(lambda tx: notes.decide(tx, self.id, version, before, overrule=True))  # type: ignore[arg-type]

        @rule(kind=st.sampled_from(["hidden", "removed"]))
        def hold(self, kind: str) -> None:
            act = notes.hide if kind == "hidden" else notes.remove
            assert db.write(lambda tx: act(tx, self.id)) == (kind not in self.held and not self.deleted)
            if not self.deleted:
                self.held.add(kind)

        @rule(kind=st.sampled_from(["hidden", "removed"]))
        def restore(self, kind: str) -> None:
            came_back = self.held == {kind} and not self.deleted
            assert db.write(lambda tx: notes.restore(tx, self.id, kind)) == came_back  # type: ignore[arg-type]
            if not self.deleted:
                self.held.discard(kind)

        @precondition(lambda self: self.newest > 3)
        @rule()
        def delete(self) -> None:
            self.attempt(lambda: notes.delete(author, self.id), not self.deleted and "removed" not in self.held)
            self.deleted = self.deleted or "removed" not in self.held

        @invariant()
        def strangers_see_the_last_approved_version_or_nothing(self) -> None:
            visible = self.served is not None and not self.held and not self.deleted
            assert notes.sees(stranger, self.id) == visible
            shown = {place: notes.cards(stranger, [self.id], place) for place in ("feed", "search")}  # type: ignore[arg-type]
            assert bool(shown["search"]) == visible
            assert bool(shown["feed"]) == (visible and self.served is not None and self.served[1] == "public")
            if visible and self.served is not None:
                assert notes.get(stranger, self.id).title == str(self.served[0])

        @invariant()
        def the_author_sees_the_newest_version(self) -> None:
            assert notes.sees(author, self.id) != self.deleted
            if not self.deleted:
                own = notes.get(author, self.id)
                hold = "removed" if "removed" in self.held else "hidden" if self.held else self.state
                assert (own.version, own.title, own.state) == (self.newest, str(self.newest), hold)

        @invariant()
        def one_version_at_most_is_served_and_the_rows_agree(self) -> None:
            with db.read() as session:
                note = session.get_one(Note, self.id)
                rows = session.query(NoteVersion).where(NoteVersion.note_id == self.id).all()
            served = [row.n for row in rows if row.state in ("public", "limited")]
            assert served == ([] if note.served is None else [note.served])
            assert (note.served, note.latest) == (self.served[0] if self.served else None, self.newest)
            assert note.status == (self.served[1] if self.served else self.state)

    return Life


def test_whatever_happens_strangers_see_the_last_approved_version(house: House) -> None:
    run_state_machine_as_test(
        life(house),
        settings=settings(
            max_examples=30,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        ),
    )
