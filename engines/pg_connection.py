"""A PostgreSQL connection that waits for an answer only so long: a network that swallows gives no error of its own."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import errors
from sqlalchemy import Engine, event

ANSWER = 10.0  # seconds for a statement
PING = 2.0  # seconds for the question whether a pooled connection still lives
CONNECT = 2  # seconds to connect


class BoundedConnection(psycopg.Connection[Any]):
    """Gives up after `patience` seconds without an answer, and is closed then: nobody knows what it is in the middle of."""

    patience = ANSWER

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except errors._WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer in {self.patience:g} seconds") from None


def bound(engine: Engine) -> None:
    """Have an engine's pool make such connections: short patience while they lie there, a statement's once they are used."""

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
        return BoundedConnection.connect(*arguments, **parameters)

    @event.listens_for(engine, "checkout")
    def _checkout(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.patience = ANSWER

    @event.listens_for(engine, "checkin")
    def _checkin(connection: Any, _record: Any) -> None:
        if connection is not None:
            connection.patience = PING
