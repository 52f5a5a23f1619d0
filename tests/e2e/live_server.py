"""A whole server in a process of its own, for tests of what only a real one has: gevent, sockets, kill -9.

`python -m tests.e2e.live_server DATA` prints one line of JSON with its port and the people it made, then serves until killed.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from gevent.fileobject import FileObjectThread  # noqa: E402

from kernel.config import Settings  # noqa: E402
from kernel.db import Base  # noqa: E402
from kernel.ports import Realtime  # noqa: E402
from web.app import Services, build_services, create_app, open_engines  # noqa: E402
from web.server import serve  # noqa: E402
from web.sockets import create_socketio  # noqa: E402

PEOPLE = {"host": ("merchant",), "ann": (), "ben": (), "mod": ("moderator",)}


def main(data: Path) -> None:
    settings = Settings(data=data, encoder="hash", rate_limits=False, secret="s" * 40)
    engines = open_engines(settings)
    with engines.db._writer.begin() as connection:  # type: ignore[union-attr]
        Base.metadata.create_all(connection)
    services = build_services(settings, engines)
    app = create_app(settings, engines, services)
    create_socketio(app, services, engines)
    server = serve(app, "127.0.0.1", 0)
    threading.Thread(target=services.worker.run_forever, daemon=True).start()
    services.streams.resume_live()
    print(json.dumps({"port": server.port, "people": _people(services)}), flush=True)
    for line in FileObjectThread(sys.stdin):  # what a test wants published: topic, event, data, how often
        threading.Thread(target=_flood, args=(engines.realtime, *json.loads(line)), daemon=True).start()
    threading.Event().wait()


def _flood(realtime: Realtime, topic: str, event: str, data: dict[str, Any], times: int) -> None:
    for number in range(times):
        realtime.publish(topic, event, {**data, "n": number})
        gevent.sleep(0.01 if number % 50 == 0 else 0)


def _people(services: Services) -> dict[str, dict[str, str]]:
    accounts = services.accounts
    known = {handle: accounts.find_by_handle(handle) for handle in PEOPLE}

    def write(tx: Any) -> dict[str, dict[str, str]]:
        made = {}
        for handle, roles in PEOPLE.items():
            account_id = known[handle] or accounts.add(tx, handle, handle.title(), roles=roles)
            made[handle] = {"id": account_id, "token": accounts._open_session(tx, account_id, None).token}
        return made

    return services.worker.db.write(write)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
