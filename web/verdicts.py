"""What a verdict of moderation means to the thing it is about, in the verdict's own commit."""

from __future__ import annotations

from functools import partial
from typing import Any

from kernel.db import Write, in_chunks
from moderation import ActionUndone, CaseActed, Screened, Subject
from web.services import Services


class Verdicts:
    """Carries screening and moderators' actions to notes and comments."""

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

    def screened(self, tx: Write, fact: Screened) -> None:
        """Approve, limit and reject take effect; what is held waits for a person, a comment meanwhile out of sight."""
        notes = self.services.notes
        if fact.kind == "note" and fact.verdict != "hold":
            notes.decide(tx, fact.target_id, fact.version, fact.verdict, fact.reason)  # type: ignore[arg-type]
        elif fact.kind == "comment" and fact.verdict in ("hold", "reject"):
            notes.hide_comment(tx, fact.target_id)

    def acted(self, tx: Write, fact: CaseActed) -> None:
        """A moderator's action, also against an earlier verdict."""
        notes = self.services.notes
        if fact.kind == "room":
            return self._room_acted(tx, fact)
        if fact.kind == "product":
            return self._product_acted(tx, fact)
        if fact.kind == "note" and fact.action == "hide":
            notes.hide(tx, fact.target_id, fact.reason)
        elif fact.kind == "note" and fact.action == "remove":
            notes.remove(tx, fact.target_id, fact.reason)
        elif fact.kind == "note":
            notes.decide(tx, fact.target_id, fact.version, fact.action, fact.reason, overrule=True)  # type: ignore[arg-type]
        elif fact.kind == "comment" and fact.action == "approve":
            notes.restore_comment(tx, fact.target_id)
        elif fact.kind == "comment" and fact.action != "limit":
            notes.hide_comment(tx, fact.target_id)

    def undone(self, tx: Write, fact: ActionUndone) -> None:
        """The opposite of `acted`."""
        notes = self.services.notes
        if fact.kind == "room" and fact.action in ("hide", "reject", "remove"):
            self.services.desk.restore(tx, fact.target_id)
        if fact.kind == "product" and fact.action in ("hide", "reject", "remove"):
            self.services.products.restore(tx, fact.target_id)
        if fact.kind == "note" and fact.action in ("hide", "remove"):
            notes.restore(tx, fact.target_id, "hidden" if fact.action == "hide" else "removed")
        elif fact.kind == "note":
            notes.undecide(tx, fact.target_id, fact.version)
        elif fact.kind == "comment" and fact.action == "approve":
            notes.hide_comment(tx, fact.target_id)
        elif fact.kind == "comment" and fact.action != "limit":
            notes.restore_comment(tx, fact.target_id)

    def _room_acted(self, tx: Write, fact: CaseActed) -> None:
        """Hidden rooms go dark at once; one that is removed is off air for good, also when that is undone."""
        desk = self.services.desk
        if fact.action == "approve":
            desk.restore(tx, fact.target_id)
        elif fact.action == "remove":
            desk.cut(tx, fact.target_id, fact.reason)
        if fact.action in ("hide", "reject", "remove"):
            desk.hide(tx, fact.target_id)

    def _product_acted(self, tx: Write, fact: CaseActed) -> None:
        """A hidden product is out of every list and out of sale; notes that carry it stay."""
        if fact.action == "approve":
            self.services.products.restore(tx, fact.target_id)
        elif fact.action in ("hide", "reject", "remove"):
            self.services.products.hide(tx, fact.target_id)

    def _subject(self, kind: str, target_id: str, version: int) -> Subject | None:
        notes = self.services.notes
        if kind == "note":
            note = notes.content_of(target_id, version)
            words = [] if note is None else [note.title, note.text, *note.topics]
            return None if note is None else Subject(kind, target_id, version, note.author_id, "\n".join(words))
        comment = notes.comment_contents([target_id]).get(target_id)
        return None if comment is None else Subject(kind, target_id, version, comment.author_id, comment.text)
