"""`offshelf doctor`: looks at everything an operator answers for, beside a running server or without one, and changes nothing.

`machine.py` looks at this machine, `stores.py` at the engines, `records.py` asks each service about its own tables.
"""

from __future__ import annotations

from typing import Any

from kernel.config import Settings
from web.doctor import machine, records, stores
from web.doctor.finding import Case, Check, Finding, examined
from web.folder import holders
from web.logs import Lines, secrets_of

__all__ = ["Finding", "document", "examine", "exit_code", "line"]

CHECKS: dict[str, Check] = {
    "versions": machine.versions,
    "server": machine.server,
    "disk": machine.disk,
    "fsync": machine.fsync,
    "database": stores.database,
    "schema": stores.schema,
    "kv": stores.kv,
    "encoder": stores.encoder,
    "index": stores.index,
    "clock": machine.clock,
    "processes": machine.processes,
    "left over": machine.left_over,
    "records": records.records,
}
"""In the order they are looked at: what a later one needs to know, an earlier one notes in the case."""


def examine(settings: Settings) -> list[Finding]:
    """All findings, secrets taken out of them, whatever a library said."""
    case = Case(settings, holders(settings))
    clean = Lines(secrets_of(settings)).scrub
    found = [one for name, check in CHECKS.items() for one in examined(name, check, case)]
    return [Finding(one.name, one.status, clean(one.seen), clean(one.cure), one.refused) for one in found]


def exit_code(found: list[Finding]) -> int:
    """0 well (warnings allowed), 1 a problem, 2 a setting that `offshelf serve` would refuse, too."""
    if any(one.refused for one in found):
        return 2
    return int(any(one.status == "problem" for one in found))


def line(one: Finding) -> str:
    """A finding for a person; the cure on a line of its own."""
    said = f"{one.status:8} {one.name:12} {one.seen}"
    return f"{said}\n{'':22}-> {one.cure}" if one.cure else said


def document(found: list[Finding]) -> dict[str, Any]:
    """All findings as JSON; `status` is the worst."""
    worst = next((status for status in ("problem", "warning") if any(one.status == status for one in found)), "ok")
    return {"status": worst, "checks": [one.shown() for one in found]}
