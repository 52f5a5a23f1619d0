"""The verbs of an operator's desk: who has which role, and the jobs that wait or gave up."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from web.verbs import JSON, answer, letters, settings_of


@click.group()
def roles() -> None:
    """Who sells, moderates and administers."""


def _role_verb(what: str, text: str) -> None:
    @roles.command(what, help=text)
    @click.argument("handle", callback=letters)
    @click.argument("role", type=click.Choice(["merchant", "moderator", "admin"]))
    @JSON
    def change(handle: str, role: str, as_json: bool) -> None:
        from web.granting import change_role

        found = change_role(settings_of(), what, handle, role)  # type: ignore[arg-type]
        has = "has" if what == "grant" else "has not"
        already = "" if found["changed"] else " already; nothing was changed"
        answer(found, as_json, lambda: f"{found['handle']} {has} the role {role}{already}.")


_role_verb("grant", "Give the account with this handle a role; it counts from its next request. Audited.")
_role_verb("revoke", "Take a role from the account with this handle, from its next request. Audited.")


@click.group()
def jobs() -> None:
    """Look at the jobs that wait or gave up. Works beside a running server: reads, and writes of one statement."""


_IDS = click.argument("ids", nargs=-1, required=True, callback=letters)


@jobs.command("list")
@click.option("--status", type=click.Choice(["waiting", "parked"]), help="Only these; parked ones gave up.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, help="At most so many; 100 by default.")
@JSON
def list_jobs(status: Any, limit: int, as_json: bool) -> None:
    """The jobs there are, in the order they run."""
    from kernel.job_desk import listed
    from web.errands import database_beside

    with database_beside(settings_of()) as db:
        found = listed(db, status, limit)
    answer(found, as_json, lambda: "\n".join(map(_job_line, found)) or "No jobs.")


def _job_line(job: dict[str, Any]) -> str:
    state = "running" if job["running"] else job["status"]
    return f"{job['id']} {job['name']} {state} {job['run_at']} attempts={job['attempts']} {job['error'] or ''}".rstrip()


@jobs.command()
@_IDS
@JSON
def retry(ids: tuple[str, ...], as_json: bool) -> None:
    """Let parked jobs wait again; exit 1 when one of them was not parked."""
    from kernel.job_desk import retry

    _change_jobs(retry, ids, as_json, "will be tried again")


@jobs.command()
@_IDS
@JSON
def drop(ids: tuple[str, ...], as_json: bool) -> None:
    """Delete jobs for good; exit 1 when one of them is not there or just running."""
    from kernel.job_desk import drop

    _change_jobs(drop, ids, as_json, "dropped")


def _change_jobs(change: Callable[..., int], ids: tuple[str, ...], as_json: bool, done: str) -> None:
    from web.errands import database_beside

    asked = list(dict.fromkeys(ids))
    with database_beside(settings_of()) as db:
        count = change(db, asked)
    answer({"changed": count, "asked": len(asked)}, as_json, lambda: f"{count} of {len(asked)} {done}.")
    sys.exit(0 if count == len(asked) else 1)
