"""Where a host sends the picture: a port and a passphrase of the room's own, from the start of a broadcast to its end."""

from __future__ import annotations

import secrets

from sqlalchemy import delete, select

from kernel.actor import Actor
from kernel.db import Database, Write, insert_ignore
from kernel.errors import NotFound, Unavailable
from kernel.ports import Ingest, IngestPorts
from live.directory import RoomDirectory
from live.models import IngestRow
from live.schemas import IngestOut

TRIES = 5  # how often another room may be quicker


class RoomIngest:
    """The passphrase goes to the host, to the media server, and nowhere else."""

    def __init__(self, db: Database, directory: RoomDirectory, ports: IngestPorts) -> None:
        self.db = db
        self.directory = directory
        self.ports = ports

    def show(self, actor: Actor, room_id: str) -> IngestOut:
        """What the host types into the encoder. `room.not_host`, `ingest.not_found`."""
        room = self.directory.hosted(actor, room_id)
        row = self._row(room_id)
        if row is None or room.status != "live":
            raise NotFound(
                "ingest.not_found", "This room waits for no encoder: it is off air, or shows something else."
            )
        url = self.ports.url(row.port)
        state = "receiving" if room.receiving else "waiting"
        return IngestOut(
            url=url,
            passphrase=row.passphrase,
            full_url=f"{url}?mode=caller&passphrase={row.passphrase}",
            state=state,  # type: ignore[arg-type]
        )

    def allot(self, room_id: str) -> Ingest:
        """The room's place to listen: the one it has, or a new one. `ingest.full`."""
        for _ in range(TRIES):
            if (row := self._row(room_id)) is not None:
                return self.ports.listen(row.port, row.passphrase)
            if (port := self.ports.free(self._taken())) is None:
                break
            fresh = {"room_id": room_id, "port": port, "passphrase": secrets.token_urlsafe(18)}
            self.db.write(lambda tx, fresh=fresh: insert_ignore(tx.session, IngestRow.__table__, fresh))  # type: ignore[misc]
        raise Unavailable("ingest.full", "Every port for encoders is in use; try again later.", retry_after=60)

    def release(self, room_id: str) -> None:
        """Give the port back; a room without one is no error."""
        if self._row(room_id) is not None:
            self.db.write(lambda tx: release_within(tx, room_id))

    def _row(self, room_id: str) -> IngestRow | None:
        with self.db.read() as session:
            return session.get(IngestRow, room_id)

    def _taken(self) -> set[int]:
        with self.db.read() as session:
            return set(session.scalars(select(IngestRow.port)))


def release_within(tx: Write, room_id: str) -> None:
    """Give the port back in the commit that ends the broadcast."""
    tx.session.execute(delete(IngestRow).where(IngestRow.room_id == room_id))
