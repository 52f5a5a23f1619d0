"""A worker of Procrastinate for `bench.jobs`, told as `bench.job_worker` is: asyncio, looking as often as ours does."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time

from procrastinate import App, PsycopgConnector
from psycopg_pool import AsyncConnectionPool

from bench.job_queues import NAME
from kernel.jobs import POLL

ABREAST = 3  # as many loops as one of our workers has for such jobs


async def main(url: str) -> None:
    """Each job writes its row in a transaction of its own."""
    app = App(connector=PsycopgConnector(conninfo=url))
    async with app.open_async(), AsyncConnectionPool(url, min_size=ABREAST, open=False) as pool:

        @app.task(name=NAME)
        async def effect(n: int) -> None:
            row = (n, time.time())
            async with pool.connection() as connection:
                await connection.execute("INSERT INTO bench_effects (n, began) VALUES (%s, %s)", row)

        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        used = time.process_time()
        running = asyncio.create_task(
            app.run_worker_async(
                concurrency=ABREAST,
                delete_jobs="successful",
                fetch_job_polling_interval=POLL.total_seconds(),
                install_signal_handlers=False,
            )
        )
        await asyncio.to_thread(sys.stdin.read)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        print(time.process_time() - used)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
