"""What moderation may judge, looked up in the service that owns it."""

from __future__ import annotations

from accounts import AccountService
from kernel.actor import Actor
from kernel.db import Write
from kernel.errors import NotFound
from live import ChatService, RoomDirectory
from moderation import Target
from notes import NoteService
from shop import ProductService


class ServiceTargets:
    """Answers moderation's `Targets` port from the services above it."""

    def __init__(
        self,
        accounts: AccountService,
        notes: NoteService,
        rooms: RoomDirectory,
        chat: ChatService,
        products: ProductService,
    ) -> None:
        self.accounts = accounts
        self.notes = notes
        self.rooms = rooms
        self.chat = chat
        self.products = products

    def describe(self, viewer: Actor, kind: str, target_id: str) -> Target | None:
        """The thing as `viewer` may see it, or None."""
        looks = {
            "account": self._account,
            "note": self._note,
            "comment": self._comment,
            "chat": self._chat,
            "room": self._room,
            "product": self._product,
        }
        try:
            return looks[kind](viewer, target_id) if kind in looks else None
        except NotFound:
            return None

    def served(self, tx: Write, kind: str, target_id: str) -> int | None:
        """The version of a note that others get."""
        return self.notes.served_within(tx, target_id) if kind == "note" else None

    def _account(self, viewer: Actor, account_id: str) -> Target:
        profile = self.accounts.profile(viewer, account_id)
        words = self.accounts.to_judge(viewer, account_id)
        return Target(
            "account",
            account_id,
            account_id,
            words.name,
            f"@{words.handle}\n{words.bio}".strip(),
            words.version,
            f"/profiles/{account_id}",
            profile.followers,
            staff=not {"moderator", "admin"}.isdisjoint(profile.roles),
        )

    def _note(self, viewer: Actor, note_id: str) -> Target:
        note = self.notes.to_judge(viewer, note_id)
        reach = note.likes + note.saves + note.comments
        return Target("note", note_id, note.author_id, note.title, note.text, note.version, f"/notes/{note_id}", reach)

    def _comment(self, viewer: Actor, comment_id: str) -> Target:
        row = self.notes.comment_to_judge(viewer, comment_id)
        url = f"/notes/{row.note_id}#{comment_id}"
        return Target("comment", comment_id, row.author_id, "", row.text, 1, url)

    def _room(self, viewer: Actor, room_id: str) -> Target:
        room = self.rooms.get(viewer, room_id)
        return Target(
            "room", room_id, room.host.id, room.title, "", room.version, f"/rooms/{room_id}", room.viewers or 0
        )

    def _chat(self, viewer: Actor, chat_id: str) -> Target:
        said = self.chat.to_judge(viewer, chat_id)
        return Target("chat", chat_id, said.account_id, "", said.text, 1, f"/rooms/{said.room_id}")

    def _product(self, viewer: Actor, product_id: str) -> Target:
        found = self.products.get(viewer, product_id)
        url = f"/products/{product_id}"
        return Target("product", product_id, found.merchant.id, found.title, found.description, found.version, url)
