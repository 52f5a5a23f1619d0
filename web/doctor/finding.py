"""What a look at one thing found, and how a look that fails is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from kernel.config import Settings
from kernel.errors import AppError, SettingError


@dataclass(frozen=True)
class Finding:
    """`seen` has units; `cure` is one sentence for what is not ok. `refused`: the start would refuse this setting."""

    name: str
    status: Literal["ok", "warning", "problem"]
    seen: str
    cure: str = ""
    refused: bool = False

    def shown(self) -> dict[str, Any]:
        said = {"name": self.name, "status": self.status, "seen": self.seen}
        return {**said, "cure": self.cure} if self.cure else said


@dataclass
class Case:
    """What is examined, and what one check learns for another. `holders` are the processes that have this folder; `reached`:
    there is a database; `current`: its tables are this version's; `ahead`: seconds by engine; `documents` in the index, None when not known."""

    settings: Settings
    holders: list[str]
    reached: bool = False
    current: bool = False
    ahead: dict[str, float] = field(default_factory=dict)
    dimensions: int = 0
    fingerprint: str = ""
    documents: int | None = None

    @property
    def embedded(self) -> bool:
        """One process owns everything; so when it does not run, nobody works."""
        return self.settings.sql_url.startswith("sqlite:")

    @property
    def serving(self) -> bool:
        """Whether somebody should be at work: on a server's database that may be any machine."""
        return bool(self.holders) or not self.embedded


Check = Callable[[Case], Iterator[Finding]]


def ok(name: str, seen: str) -> Finding:
    return Finding(name, "ok", seen)


def warning(name: str, seen: str, cure: str) -> Finding:
    return Finding(name, "warning", seen, cure)


def problem(name: str, seen: str, cure: str) -> Finding:
    return Finding(name, "problem", seen, cure)


def graded(name: str, seen: str, cure: str, bad: bool, doubtful: bool) -> Finding:
    """The worst that holds."""
    if not (bad or doubtful):
        return ok(name, seen)
    return problem(name, seen, cure) if bad else warning(name, seen, cure)


def listed(names: list[str], most: int = 3) -> str:
    """The first few."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def examined(name: str, check: Check, case: Case) -> Iterator[Finding]:
    """What a check finds; one that fails is a finding itself. Nothing of a driver's text is repeated: it may hold an address."""
    try:
        yield from check(case)
    except SettingError as error:
        yield Finding(name, "problem", "cannot be used", str(error), refused=True)
    except AppError as error:
        yield problem(name, error.code, error.detail)
    except Exception as error:
        cure = "Run `offshelf doctor` again; when it stays so, report it with these words."
        yield problem(name, f"could not be looked at ({type(error).__name__})", cure)
