"""The bus: inside one process, or through Redis between the processes that share it (`OFFSHELF_KV_URL` says which)."""

from __future__ import annotations

import itertools
import logging
import secrets
import threading
import time
from collections import deque
from typing import Any

import orjson
import redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as TimedOut

from engines.kv import open_client
from kernel.ports import Realtime, Subscriber

log = logging.getLogger(__name__)

BACKLOG = 100_000
SILENCE = 2.0  # a bus that does not even answer a ping for so many seconds is away, whatever its connection says
AGAIN = 1.0  # for so many seconds after a failure only this process is told


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

    degraded = False

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


class RedisRealtime:
    """One channel that every process publishes to and, once somebody subscribes, listens to.

    While Redis is away, this process goes on hearing itself and says that it is `degraded`; it listens again as soon as
    Redis is back. What others published meanwhile is lost here: the rooms' log makes up for it, nothing for chat. Nothing
    is heard twice: each event has a name, and what was told here alone is known by it should Redis bring it after all.
    """

    def __init__(self, client: redis.Redis, channel: str = "offshelf:bus") -> None:
        self._client: Any = client
        self._channel = channel
        self._here = InProcessRealtime()
        self._closing = threading.Event()
        self._heard = threading.Event()
        self._listener: threading.Thread | None = None
        self._away_until = 0.0
        self._self, self._count = secrets.token_hex(8), itertools.count()
        self._naming, self._told = threading.Lock(), dict[str, None]()

    @property
    def degraded(self) -> bool:
        """Whether other processes are out of reach."""
        return self._listener is not None and not self._heard.is_set()

    def publish(self, topic: str, event: str, data: dict[str, Any]) -> None:
        name = f"{self._self}{next(self._count)}"
        if not self.degraded and time.monotonic() >= self._away_until:
            try:
                self._client.publish(self._channel, orjson.dumps((topic, event, data, name)))
                return
            except RedisError as error:
                self._away_until = time.monotonic() + AGAIN
                log.warning("the bus does not answer (%s); %s reaches this process alone", type(error).__name__, event)
        self._tell(name, topic, event, data)

    def subscribe(self, subscriber: Subscriber) -> None:
        self._here.subscribe(subscriber)
        if self._listener is None:
            self._listener = threading.Thread(target=self._listen, name="bus", daemon=True)
            self._listener.start()
            self._heard.wait(5)  # from here on nothing is missed

    def close(self) -> None:
        self._closing.set()
        if self._listener is not None:
            self._listener.join(5)
        self._here.close()
        self._client.close()
        self._client.connection_pool.disconnect()

    def _listen(self) -> None:
        while not self._closing.is_set():
            try:
                with self._client.pubsub() as pubsub:
                    pubsub.subscribe(self._channel)
                    self._hear(pubsub)
            except RedisError as error:
                if self._heard.is_set():
                    log.warning("the bus does not answer (%s); trying again", type(error).__name__)
                self._heard.clear()
                self._closing.wait(0.25)

    def _hear(self, pubsub: Any) -> None:
        """Take what comes. A connection that lives on without its server is noticed because no ping comes back."""
        heard_at = time.monotonic()
        while not self._closing.is_set():
            message = pubsub.get_message(timeout=0.5)
            if message is not None:
                self._take(message)
                heard_at = time.monotonic()  # only now: a slow subscriber is no silence
            elif time.monotonic() - heard_at > SILENCE:
                raise TimedOut("no answer to a ping")
            else:
                pubsub.ping()

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe":
            self._heard.set()
        elif message["type"] == "message":
            try:
                topic, event, data, name = orjson.loads(message["data"])
            except (ValueError, TypeError):  # another version's, or a stranger's: the others' go on being heard
                log.warning("the bus brought what this version cannot read")
            else:
                self._tell(str(name), topic, event, data)

    def _tell(self, name: str, topic: str, event: str, data: dict[str, Any]) -> None:
        """Once, although the client repeats a publish whose answer got lost."""
        with self._naming:
            if name in self._told:
                return
            self._told[name] = None
            if len(self._told) > BACKLOG:
                del self._told[next(iter(self._told))]
        self._here.publish(topic, event, data)


def open_realtime(kv_url: str, channel: str = "offshelf:bus") -> Realtime:
    """The bus that goes with a key-value store: a private one serves one process, so does its bus."""
    if kv_url.startswith("embedded://"):
        return InProcessRealtime()
    client = open_client(kv_url)
    # Redis keeps keys apart by database, and channels not: two communities on one server would hear each other.
    return RedisRealtime(client, f"{channel}:{client.connection_pool.connection_kwargs.get('db') or 0}")
