"""A PostgreSQL connection that waits for an answer only so long: a network that swallows gives no error of its own.

A pooled connection is asked whether it still lives when it has lain for a while, not each time: that is a quarter of a small write.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

import psycopg
from psycopg import errors
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

ANSWER = 10.0  # seconds for a statement
PING = 2.0  # seconds for the question whether a pooled connection still lives
CONNECT = 2  # seconds to connect
WARM = 0.5  # seconds after its last use in which a pooled connection is taken without a question


class BoundedConnection(psycopg.Connection[Any]):
    """Gives up after `patience` seconds without an answer, and is closed then: nobody knows what it is in the middle of."""

    patience = ANSWER
    used_at = 0.0

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
        connection = BoundedConnection.connect(*arguments, **parameters)
        connection.used_at = monotonic()
        return connection

    @event.listens_for(engine, "checkout")
    def _checkout(connection: Any, _record: Any, _proxy: Any) -> None:
        if monotonic() - connection.used_at > WARM:
            try:
                engine.dialect.do_ping(connection)
            except psycopg.Error as error:
                raise InvalidatePoolError from error  # and with it all that lie there: who asks next is not told again
        connection.patience = ANSWER

    @event.listens_for(engine, "checkin")
    def _checkin(connection: Any, _record: Any) -> None:
        if connection is not None:
            connection.patience, connection.used_at = PING, monotonic()
