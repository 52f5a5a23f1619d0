"""What is opened once per process, and closed at its end: each engine by its URL."""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from engines.blobs import FileBlobs
from engines.breaker import BreakerKeyValue
from engines.encoder import open_encoder
from engines.encoder_watch import BATCH_PATIENCE, PATIENCE
from engines.index import open_index
from engines.ingest import UdpPorts
from engines.kv import open_kv
from engines.media import FfmpegMedia
from engines.offloop import off_loop
from engines.payments import FakePayments
from engines.realtime import open_realtime
from engines.sql import AnyDatabase, open_database
from kernel.clock import SystemClock
from kernel.config import SECRET_CHARACTERS, Settings
from kernel.errors import SettingError
from kernel.ports import Blobs, Clock, Encoder, IngestPorts, KeyValue, MediaServer, Realtime, SearchIndex


@dataclass
class Engines:
    """Everything that has to be closed, opened once per process."""

    db: AnyDatabase
    kv: KeyValue
    blobs: Blobs
    clock: Clock
    payments: FakePayments
    streams: MediaServer
    ingest: IngestPorts
    realtime: Realtime
    encoder: Encoder
    index: SearchIndex

    def close(self, keep_kv: bool = False) -> None:
        self.realtime.close()
        self.streams.close()
        self.index.close()
        self.encoder.close()
        if not keep_kv:
            self.kv.close()
        self.db.close()


def open_engines(
    settings: Settings, clock: Clock | None = None, kv: KeyValue | None = None, batch: bool = False
) -> Engines:
    """Open what stands behind the ports; in a `batch` nobody waits, and the encoder is given time. Raises `SettingError` for a setting that cannot be used."""
    settings.data.mkdir(0o700, parents=True, exist_ok=True)
    clock = clock or SystemClock()
    encoder = open_encoder(settings.encoder, settings.data / "models", patience=BATCH_PATIENCE if batch else PATIENCE)
    return Engines(
        db=open_database(settings.sql_url, clock),
        kv=kv or BreakerKeyValue(open_kv(settings.kv_url, settings.data / "kv")),
        blobs=FileBlobs(settings.data / "media" / "images", clock),
        clock=clock,
        payments=FakePayments(settings.data / "payments.db", secret_key(settings), settings.public_url, clock),
        streams=FfmpegMedia(settings.data / "live", clock),
        ingest=UdpPorts(settings.ingest_host, settings.ingest_range, settings.ingest_name),
        realtime=open_realtime(settings.kv_url),
        encoder=encoder,
        index=open_index(
            settings.index_url, settings.data / "index", encoder.dimensions, off_loop, encoder.fingerprint
        ),
    )


def secret_key(settings: Settings) -> str:
    """The configured secret, or one made once and kept in the data folder."""
    if settings.secret:
        return settings.secret
    path = settings.data / "secret"
    if not path.exists():
        _write_private(path, secrets.token_urlsafe(48))
    kept = path.read_text().strip()
    if len(kept) < SECRET_CHARACTERS:
        raise SettingError(
            f"OFFSHELF_SECRET: {path} holds no key; set OFFSHELF_SECRET, or remove that file: who is logged in is logged out."
        )
    return kept


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, since half a key would sign sessions; and once, should two processes start together."""
    aside = path.with_name(f".secret-{secrets.token_hex(4)}")
    aside.touch(mode=0o600)
    aside.write_text(text)
    with contextlib.suppress(FileExistsError):
        os.link(aside, path)
    aside.unlink()
