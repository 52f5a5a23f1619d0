"""What a verdict of moderation means to the thing it is about, in the verdict's own commit."""

from __future__ import annotations

from functools import partial
from typing import Any

from accounts import ProfileWorded
from kernel.db import Write, in_chunks
from live import RoomTitled
from moderation import ActionUndone, CaseActed, Screened, Subject
from notes import NoteCommented, NoteRefused
from shop import ProductWorded
from web.services import Services

_OUT = ("hold", "hide", "reject", "remove")


class Verdicts:
    """Carries screening and moderators' actions to whatever they are about."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def screen(self, args: dict[str, Any]) -> None:
        """The job that has a version read by the rules: `{"kind", "id", "version"}`."""
        subject = self._subject(args["kind"], args["id"], args["version"])
        if subject is not None:
            self.services.screening.screen(subject)

    def screen_listing(self, args: dict[str, Any]) -> None:
        """The job after a material change of a listing: its notes are read again. `{"product_id"}`."""
        products, notes = self.services.products, self.services.notes
        skus = products.sku_ids([args["product_id"]]).get(args["product_id"], ())
        for some in in_chunks(notes.ids_with_products(skus), 50):
            notes.db.write(partial(notes.screen_again, note_ids=some))

    def screen_title(self, tx: Write, fact: RoomTitled) -> None:
        """A room's title is read as it is given: a clean one may go on air at once."""
        about = ("room", fact.room_id, fact.version, fact.host_id)
        self.services.screening.screen_within(tx, Subject(*about, fact.title))

    def screen_comment(self, tx: Write, fact: NoteCommented) -> None:
        """A comment is read as it is written: while a rule holds it, its author alone sees it."""
        self.services.screening.screen_within(tx, Subject("comment", fact.comment_id, 1, fact.account_id, fact.text))

    def screen_product(self, tx: Write, fact: ProductWorded) -> None:
        """A listing is read as it is written: nobody is shown what a rule holds, and its merchant mends it."""
        about = ("product", fact.product_id, fact.version, fact.merchant_id)
        self.services.screening.screen_within(tx, Subject(*about, fact.words))

    def screen_profile(self, tx: Write, fact: ProfileWorded) -> None:
        """A profile is read as it is written: while a rule holds it, nothing of it is shown."""
        about = ("account", fact.account_id, fact.version, fact.account_id)
        self.services.screening.screen_within(tx, Subject(*about, fact.words))

    def screened(self, tx: Write, fact: Screened) -> None:
        """Approve, limit and reject take effect; what is held waits for a person, all but notes meanwhile out of sight."""
        clean_at_first = fact.version == 1 and fact.verdict not in _OUT  # it is in sight already
        if fact.kind == "note" and fact.verdict != "hold":
            self.services.notes.decide(tx, fact.target_id, fact.version, fact.verdict, fact.reason)  # type: ignore[arg-type]
        elif fact.kind not in ("note", "chat") and not clean_at_first:
            stands = self.services.moderation.standing(tx, fact.kind, fact.target_id)
            self._settle(tx, fact.kind, fact.target_id, stands)
        if fact.verdict in ("hold", "reject") and fact.kind != "chat":
            told = {"kind": fact.kind, "id": fact.target_id, "verdict": fact.verdict, "reason": fact.reason}
            self.services.notices.send(tx, fact.author_id, "content.screened", told)

    def acted(self, tx: Write, fact: CaseActed) -> None:
        """A moderator's action, also against an earlier verdict."""
        notes = self.services.notes
        if fact.kind != "note":
            # Where an earlier and harder one stands, nothing changes: only its undoing lifts it.
            if self.services.moderation.standing(tx, fact.kind, fact.target_id) == fact.action:
                self._settle(tx, fact.kind, fact.target_id, fact.action, fact.reason)
        elif fact.action == "hide":
            notes.hide(tx, fact.target_id, fact.reason)
        elif fact.action == "remove":
            notes.remove(tx, fact.target_id, fact.reason)
        else:
            notes.overrule(tx, fact.target_id, fact.version, fact.action, fact.reason)  # type: ignore[arg-type]

    def refused(self, tx: Write, fact: NoteRefused) -> None:
        """What the product gate stops is told like what the rules stop."""
        told = {"kind": "note", "id": fact.note_id, "verdict": "reject", "reason": fact.reason}
        self.services.notices.send(tx, fact.author_id, "content.screened", told)

    def undone(self, tx: Write, fact: ActionUndone) -> None:
        """What stood before the action stands again."""
        if fact.kind != "note":
            self._settle(tx, fact.kind, fact.target_id, fact.standing)
            return
        if fact.lifted:
            self.services.notes.restore(tx, fact.target_id, "hidden" if fact.action == "hide" else "removed")
        for version, verdict in fact.versions:  # newest first, so that none is served that a newer one replaces
            self._judge_again(tx, fact.target_id, version, verdict)

    def _judge_again(self, tx: Write, note_id: str, version: int, verdict: str) -> None:
        """Give a version of a note the verdict that is left: an earlier action's, or screening's."""
        if verdict == "hold":
            self.services.notes.undecide(tx, note_id, version)
        else:
            self.services.notes.decide(tx, note_id, version, verdict, "", overrule=True)  # type: ignore[arg-type]

    def _settle(self, tx: Write, kind: str, target_id: str, verdict: str, reason: str = "") -> None:
        """Make a thing what the verdict says of it; doing it twice changes nothing."""
        out = verdict in _OUT
        services = self.services
        if kind == "comment":
            self._settle_comment(tx, target_id, verdict)
        elif kind == "chat":
            (services.desk.take_down if out else services.desk.bring_back)(tx, target_id)
        elif kind == "product":
            (services.products.hide if out else services.products.restore)(tx, target_id)
        elif kind == "room":
            self._settle_room(tx, target_id, verdict, reason)
        elif kind == "account":
            services.accounts.veil(tx, target_id, out)
            (services.accounts.suspend if verdict == "remove" else services.accounts.reinstate)(tx, target_id)

    def _settle_comment(self, tx: Write, comment_id: str, verdict: str) -> None:
        notes = self.services.notes
        out = notes.hold_comment if verdict == "hold" else notes.hide_comment
        (out if verdict in _OUT else notes.restore_comment)(tx, comment_id)

    def _settle_room(self, tx: Write, room_id: str, verdict: str, reason: str) -> None:
        """Hidden rooms go dark at once; one that is removed is off air for good, also when that is undone."""
        if verdict == "remove":
            self.services.desk.cut(tx, room_id, reason)
        (self.services.desk.hide if verdict in _OUT else self.services.desk.restore)(tx, room_id)

    def _subject(self, kind: str, target_id: str, version: int) -> Subject | None:
        notes = self.services.notes
        if kind == "note":
            note = notes.content_of(target_id, version)
            words = [] if note is None else [note.title, note.text, *note.topics]
            return None if note is None else Subject(kind, target_id, version, note.author_id, "\n".join(words))
        # Only jobs of an earlier version still ask for a comment, which is read as it is written by now.
        comment = notes.comment_contents([target_id]).get(target_id)
        return None if comment is None else Subject(kind, target_id, version, comment.author_id, comment.text)
