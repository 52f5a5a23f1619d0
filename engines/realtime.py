"""The bus inside one process: what is published reaches the subscribers of the same process, in order."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Any

from kernel.ports import Subscriber

log = logging.getLogger(__name__)

BACKLOG = 100_000


class InProcessRealtime:
    """Delivers in the publisher's thread. Whoever finds nobody delivering delivers until nothing waits.

    So a subscriber that publishes, or one that gives way to another greenlet, never turns the order round. Behind a
    subscriber that does not return at most `BACKLOG` events wait; later ones are dropped and logged (best effort).
    """

    def __init__(self) -> None:
        self._subscribers: tuple[Subscriber, ...] = ()
        self._waiting: deque[tuple[str, str, dict[str, Any]]] = deque()
        self._turn = threading.Lock()
        self._delivering = False
        self._closed = False

    def publish(self, topic: str, event: str, data: dict[str, Any]) -> None:
        with self._turn:
            if self._closed or len(self._waiting) >= BACKLOG:
                log.warning("realtime event dropped: %s %s", topic, event)
                return
            self._waiting.append((topic, event, data))
            if self._delivering:
                return
            self._delivering = True
        self._deliver()

    def subscribe(self, subscriber: Subscriber) -> None:
        with self._turn:
            self._subscribers = (*self._subscribers, subscriber)

    def close(self) -> None:
        with self._turn:
            self._closed = True
            self._waiting.clear()
            self._subscribers = ()

    def _deliver(self) -> None:
        try:
            while (item := self._next()) is not None:
                for subscriber in self._subscribers:
                    self._tell(subscriber, *item)
        except BaseException:  # a killed greenlet must not leave the bus believing that somebody delivers
            self._delivering = False
            raise

    def _next(self) -> tuple[str, str, dict[str, Any]] | None:
        with self._turn:
            if self._waiting:
                return self._waiting.popleft()
            self._delivering = False
            return None

    def _tell(self, subscriber: Subscriber, topic: str, event: str, data: dict[str, Any]) -> None:
        try:
            subscriber(topic, event, data)
        except Exception:
            log.exception("a subscriber failed on %s %s", topic, event)
