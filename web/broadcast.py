"""What the sockets hear of facts that happen elsewhere in the house. All of it is best effort and may fail no request."""

from __future__ import annotations

from typing import Any

import accounts as a
import live as l
import shop as s
from kernel.ports import Realtime

OrderFact = s.OrderPlaced | s.OrderPaid | s.OrderClosed | s.OrderCancelled | s.OrderRefunded


class Broadcast:
    """Turns committed facts into messages on the bus."""

    def __init__(self, realtime: Realtime) -> None:
        self.realtime = realtime

    def order(self, fact: OrderFact, status: str) -> None:
        """To the buyer only."""
        self._tell(fact.buyer_id, "order.changed", {"order": fact.order_id, "status": status})

    def waiter(self, fact: s.WaiterServed | s.WaiterDisappointed, status: str) -> None:
        """To somebody whose purchase `key` was answered `all_held`."""
        data = {"order": None, "status": status, "key": fact.key, "sku": fact.sku_id}
        self._tell(fact.account_id, "order.changed", data)

    def walls(self, fact: a.Blocked | a.Unblocked) -> None:
        """Both sides look again at whom they may hear."""
        for account_id in (fact.blocker_id, fact.blocked_id):
            self._tell(account_id, "walls.changed", {})

    def suspended(self, fact: a.AccountSuspended) -> None:
        """An account that is suspended is cut off."""
        self._tell(fact.account_id, "account.suspended", {})

    def logged_out(self, fact: a.LoggedOut) -> None:
        """Each connection of the account looks whether it was its log-in that ended."""
        self._tell(fact.account_id, "account.logged_out", {})

    def hidden(self, fact: l.RoomHidden) -> None:
        """Nobody stays in a room that was hidden."""
        self.realtime.publish(f"room:{fact.room_id}", "room.hidden", {})

    def restricted(self, fact: l.ViewerRestricted) -> None:
        """Whoever was muted hears it; whoever was banned is out."""
        event, code = ("room.banned", "room.banned") if fact.kind == "ban" else ("chat.muted", "chat.muted")
        self._tell(fact.account_id, event, {"room": fact.room_id, "code": code})

    def _tell(self, account_id: str, event: str, data: dict[str, Any]) -> None:
        self.realtime.publish(f"account:{account_id}", event, data)
