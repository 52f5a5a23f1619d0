"""Who watches: a lease per person and room in the key-value store, renewed while the connection lives, gone by itself when it does not."""

from __future__ import annotations

from kernel.errors import Unavailable
from kernel.ports import KeyValue

LEASE = 30.0
RENEW = 10.0


class Presence:
    """Best effort: while the store does not answer, it is not known who is there and nothing else breaks."""

    def __init__(self, kv: KeyValue, lease: float = LEASE) -> None:
        self.kv = kv
        self.lease = lease

    def enter(self, room_id: str, member: str) -> None:
        """Be present, or go on being so, for the next `lease` seconds."""
        try:
            self.kv.lease(_key(room_id), member, self.lease)
        except Unavailable:
            return

    def leave(self, room_id: str, member: str) -> None:
        """Be gone at once."""
        try:
            self.kv.release(_key(room_id), member)
        except Unavailable:
            return

    def viewers(self, room_id: str) -> int | None:
        """How many distinct people are present; None while nobody can know."""
        try:
            return self.kv.leased(_key(room_id))
        except Unavailable:
            return None

    def members(self, room_id: str) -> list[str]:
        """Who is present."""
        try:
            return self.kv.members(_key(room_id))
        except Unavailable:
            return []


def _key(room_id: str) -> str:
    return f"presence:{room_id}"
