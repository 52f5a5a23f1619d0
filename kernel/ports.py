"""Ports: what the services need from the world outside, one Protocol each.

A service takes a port in its constructor and never knows which engine stands behind it. Every engine of a port
passes the same contract suite (`tests/contract/`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class Clock(Protocol):
    """The only source of the present. Frozen in tests and while the demo loads."""

    def now(self) -> datetime:
        """The present as an aware datetime in UTC."""
        ...


@dataclass(frozen=True)
class Allowance:
    """The answer of a rate limit: `reset` is in seconds from now until the window is empty again."""

    allowed: bool
    limit: int
    remaining: int
    reset: float


class KeyValue(Protocol):
    """Cache, presence, rate limits and locks. What lies here may be lost at any time without breaking a promise."""

    def get(self, key: str) -> bytes | None:
        """The value, or None when it is absent or has expired."""
        ...

    def set(self, key: str, value: bytes, ttl: float | None = None) -> None:
        """Store a value, for `ttl` seconds or until deleted."""
        ...

    def delete(self, *keys: str) -> None:
        """Remove keys; an absent key is no error."""
        ...

    def spend(self, key: str, limit: int, window: float) -> Allowance:
        """Take one unit from a fixed window of `limit` units per `window` seconds; atomic across processes."""
        ...

    def lease(self, key: str, member: str, ttl: float) -> None:
        """Say that `member` is present under `key` for the next `ttl` seconds; repeat to renew."""
        ...

    def release(self, key: str, member: str) -> None:
        """Take a lease back at once."""
        ...

    def leased(self, key: str) -> int:
        """How many members hold an unexpired lease under `key`."""
        ...

    def members(self, key: str) -> list[str]:
        """Who holds an unexpired lease under `key`, in no order."""
        ...

    def lock(self, key: str, ttl: float) -> int | None:
        """Try to take a lock for `ttl` seconds: a fencing token that only ever grows, or None when somebody holds it."""
        ...

    def unlock(self, key: str, token: int) -> bool:
        """Give a lock back; False when `token` no longer owns it."""
        ...

    def ping(self) -> None:
        """Raise `kernel.errors.Unavailable` when the engine does not answer."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class IndexDocument:
    """One searchable thing. `tokens` come ready-made from `search.tokens`, in order, with repetitions.

    `terms` are exact-match filters (`{"kind": "note", "topic": ["home", "diy"], "status": "public"}`).
    `vector` has `Encoder.dimensions` entries and unit length, or is None while the encoder is away.
    """

    id: str
    kind: str
    tokens: Sequence[str]
    vector: Vectors | None = None
    terms: Mapping[str, str | Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Hit:
    """A document found. The scale of `score` is the engine's own (BM25, or cosine similarity); higher is better."""

    id: str
    score: float


class Filling(Protocol):
    """The copy of an index that is being filled; nobody searches it yet."""

    def put(self, documents: Sequence[IndexDocument]) -> None:
        """Insert or replace by id, in this copy only."""
        ...

    def delete(self, ids: Sequence[str]) -> None:
        """Remove by id, in this copy only."""
        ...


class SearchIndex(Protocol):
    """A rebuildable copy of what SQL holds: words by BM25, meaning by nearest vectors."""

    @property
    def fresh(self) -> bool:
        """False while there is no whole copy: it is new, or was lost, or its filling did not end."""
        ...

    def filling(self) -> AbstractContextManager[Filling]:
        """A new, empty copy beside the one in use. What is put or deleted meanwhile reaches both; when the block ends
        it takes the place of the one in use, whole and `fresh`, and when the block raises it is dropped. Conflict
        (`index.filling`) while another filling is under way, in whatever process.
        """
        ...

    def put(self, documents: Sequence[IndexDocument]) -> None:
        """Insert or replace by id. Visible to queries after `refresh`, durable when this returns or at `refresh`."""
        ...

    def delete(self, ids: Sequence[str]) -> None:
        """Remove by id; an absent id is no error."""
        ...

    def refresh(self) -> None:
        """Make everything put and deleted so far visible to queries."""
        ...

    def lexical(
        self, tokens: Sequence[str], limit: int, terms: Mapping[str, str | Sequence[str]] | None = None
    ) -> list[Hit]:
        """BM25 over tokens, any token may match, best first; a sequence in `terms` means any of its values."""
        ...

    def nearest(self, vector: Vectors, limit: int, terms: Mapping[str, str | Sequence[str]] | None = None) -> list[Hit]:
        """Cosine similarity, best first, filters exact."""
        ...

    def ceilings(self, tokens: Sequence[str]) -> list[float]:
        """For each token the highest score that `lexical` gives any document for it alone; 0 where none has it."""
        ...

    def vectors(self, ids: Sequence[str]) -> dict[str, Vectors]:
        """The stored unit vectors of those ids that have one."""
        ...

    def count(self) -> int:
        """How many documents are visible."""
        ...

    def close(self) -> None: ...


class Encoder(Protocol):
    """Turns text into unit vectors, float32, shape (n, dimensions). Texts longer than the model's window are cut.

    `fingerprint`: another one means that vectors stored before are of another kind. `floor`: the cosine of query and
    document that two with nothing in common hardly ever reach.
    """

    name: str
    fingerprint: str
    dimensions: int
    floor: float

    def queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of what people type."""
        ...

    def documents(self, texts: Sequence[str]) -> Vectors:
        """Vectors of what people publish."""
        ...

    def close(self) -> None: ...


Subscriber = Callable[[str, str, dict[str, Any]], None]


class Realtime(Protocol):
    """The bus between the process where something happens and the processes that hold the sockets."""

    @property
    def degraded(self) -> bool:
        """True while other processes are out of reach: what happens there is heard late, from the log, or not at all."""
        ...

    def publish(self, topic: str, event: str, data: dict[str, Any]) -> None:
        """Tell every subscriber in every process; best effort, in order per topic and publishing process."""
        ...

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber(topic, event, data)` for everything published from now on."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Stream:
    """A broadcast that runs. `folder` holds `index.m3u8` and its segments."""

    id: str
    folder: Path
    started_at: datetime


@dataclass(frozen=True)
class Ingest:
    """Where an encoder (OBS, a phone) sends its picture by SRT; who does not know `passphrase` is refused."""

    host: str
    port: int
    passphrase: str = field(repr=False)


class IngestPorts(Protocol):
    """The ports on which encoders may call."""

    def free(self, taken: Collection[int]) -> int | None:
        """A port that is not `taken` and on which nobody listens, or None."""
        ...

    def listen(self, port: int, passphrase: str) -> Ingest:
        """The source that makes a media server wait there."""
        ...

    def url(self, port: int) -> str:
        """Where an encoder calls, without the passphrase."""
        ...


class MediaServer(Protocol):
    """Takes a stream in and writes HLS (segments with EXT-X-PROGRAM-DATE-TIME) for players.

    Several processes may share the streams: at most one runs each, and every answer is the same in all of them.
    """

    def start(self, stream_id: str, source: str | Ingest = "test") -> Stream:
        """Begin a broadcast; idempotent, and one that another process runs is left there. `source` is `test` (a picture
        with a clock, and sound), a file, or an encoder."""
        ...

    def kept(self, stream_id: str) -> bool:
        """Whether some process has charge of this broadcast; when that process dies, nobody has."""
        ...

    def tend(self) -> None:
        """Once a second: end here what was stopped in another process."""
        ...

    def receiving(self, stream_id: str) -> bool:
        """Whether a picture comes in now and has reached the playlist."""
        ...

    def stop(self, stream_id: str) -> None:
        """End a broadcast and close its playlist with EXT-X-ENDLIST; idempotent. One that another process runs ends there
        at its next `tend`."""
        ...

    def stored(self) -> list[str]:
        """The streams, running and over, of which there are files."""
        ...

    def clear(self, stream_id: str) -> None:
        """Delete the files of a broadcast that is over; one that some process has charge of stays. Idempotent."""
        ...

    def file(self, stream_id: str, name: str) -> Path | None:
        """The path of the playlist or a segment, or None; never a path outside the stream's folder."""
        ...

    def media_at(self, stream_id: str) -> datetime | None:
        """The programme time at the live edge, or None when no picture comes in."""
        ...

    def close(self) -> None: ...


class Blobs(Protocol):
    """Files that never change, by a name that is their content's hash (`SHA-256.suffix`)."""

    def put(self, data: bytes, suffix: str) -> str:
        """Keep a file, durable when this returns; its name. The same bytes have the same name and are kept once."""
        ...

    def remove(self, name: str, put_before: datetime) -> bool:
        """Remove a file, unless it was put again since `put_before`; False when it is there still or was not there."""
        ...

    def path(self, name: str) -> Path | None:
        """Where the file lies, or None; never a path outside the store, whatever `name` is."""
        ...

    def stored(self) -> Mapping[str, datetime]:
        """All that lies there, with when it was put last: files by their names, what is no file of the store's by its path."""
        ...


@dataclass(frozen=True)
class PaymentIntent:
    """A payment asked of the provider; the payer is sent to `url`."""

    id: str
    url: str


class Payments(Protocol):
    """A payment provider. It reports back through `shop`'s payment webhook, at least once and possibly late."""

    def create(self, reference: str, amount: int, currency: str, key: str) -> PaymentIntent:
        """Ask for `amount` minor units; the same `key` gives the same intent."""
        ...

    def refund(self, payment_id: str, amount: int, key: str) -> str:
        """Give money back; returns the provider's refund id; the same `key` refunds once."""
        ...

    def verify(self, payload: bytes, signature: str) -> Mapping[str, Any]:
        """The webhook's body when its signature is the provider's, else `kernel.errors.Forbidden`."""
        ...
