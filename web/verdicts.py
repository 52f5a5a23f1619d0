"""What a verdict of moderation means to the thing it is about, in the verdict's own commit."""

from __future__ import annotations

from functools import partial
from typing import Any

from kernel.db import Write, in_chunks
from live import RoomTitled
from moderation import ActionUndone, CaseActed, Screened, Subject
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

    def screened(self, tx: Write, fact: Screened) -> None:
        """Approve, limit and reject take effect; what is held waits for a person, all but notes meanwhile out of sight."""
        if fact.kind == "note" and fact.verdict != "hold":
            self.services.notes.decide(tx, fact.target_id, fact.version, fact.verdict, fact.reason)  # type: ignore[arg-type]
        elif fact.kind in ("comment", "room"):
            self._settle(
                tx, fact.kind, fact.target_id, self.services.moderation.standing(tx, fact.kind, fact.target_id)
            )
        if fact.verdict in ("hold", "reject") and fact.kind != "chat":
            told = {"kind": fact.kind, "id": fact.target_id, "verdict": fact.verdict, "reason": fact.reason}
            self.services.notices.send(tx, fact.author_id, "content.screened", told)

    def acted(self, tx: Write, fact: CaseActed) -> None:
        """A moderator's action, also against an earlier verdict."""
        notes = self.services.notes
        if fact.kind != "note":
            self._settle(tx, fact.kind, fact.target_id, fact.action, fact.reason)
        elif fact.action == "hide":
            notes.hide(tx, fact.target_id, fact.reason)
        elif fact.action == "remove":
            notes.remove(tx, fact.target_id, fact.reason)
        else:
            notes.decide(tx, fact.target_id, fact.version, fact.action, fact.reason, overrule=True)  # type: ignore[arg-type]

    def undone(self, tx: Write, fact: ActionUndone) -> None:
        """What stood before the action stands again. Notes keep what each verdict was themselves."""
        notes = self.services.notes
        if fact.kind != "note":
            self._settle(tx, fact.kind, fact.target_id, fact.standing)
        elif fact.action in ("hide", "remove"):
            notes.restore(tx, fact.target_id, "hidden" if fact.action == "hide" else "removed")
        else:
            notes.undecide(tx, fact.target_id, fact.version)

    def _settle(self, tx: Write, kind: str, target_id: str, verdict: str, reason: str = "") -> None:
        """Make a thing what the verdict says of it; doing it twice changes nothing."""
        out = verdict in _OUT
        services = self.services
        if kind == "comment":
            (services.notes.hide_comment if out else services.notes.restore_comment)(tx, target_id)
        elif kind == "chat":
            (services.desk.take_down if out else services.desk.bring_back)(tx, target_id)
        elif kind == "product":
            (services.products.hide if out else services.products.restore)(tx, target_id)
        elif kind == "room":
            self._settle_room(tx, target_id, verdict, reason)
        elif kind == "account":
            services.accounts.veil(tx, target_id, verdict == "hide")
            (services.accounts.suspend if verdict == "remove" else services.accounts.reinstate)(tx, target_id)

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
        comment = notes.comment_contents([target_id]).get(target_id)
        return None if comment is None else Subject(kind, target_id, version, comment.author_id, comment.text)
