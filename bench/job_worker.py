"""A worker of `bench.jobs` in a process of its own: says that it is ready, runs jobs from its first line of input on, ends with its input."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()  # as `offshelf serve` does

import sys  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

from bench.job_queues import NAME, effects  # noqa: E402
from engines.offloop import off_loop  # noqa: E402
from engines.sql import open_database  # noqa: E402
from kernel.clock import SystemClock  # noqa: E402
from kernel.jobs import Worker  # noqa: E402


def main(url: str) -> None:
    """Each job writes its row through `Database.write`, as a product's handler does."""
    db = open_database(url, SystemClock())

    def effect(args: dict[str, Any]) -> None:
        row = {"n": args["n"], "began": time.time()}
        db.write(lambda tx: tx.session.execute(effects.insert(), row))

    worker = Worker(db, {NAME: effect})
    db.on_jobs = worker.wake
    db.ping()
    print("ready", flush=True)
    off_loop(sys.stdin.readline)
    used = time.process_time()
    running = threading.Thread(target=worker.run_forever)
    running.start()
    off_loop(sys.stdin.read)
    worker.stop()
    running.join()
    print(time.process_time() - used)
    db.close()


if __name__ == "__main__":
    main(sys.argv[1])
