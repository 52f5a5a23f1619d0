"""What a service may refuse, as exceptions with a stable code. How HTTP or a socket says it is `web/errors.py`'s matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class FieldError:
    """One refused field: its dotted path, a stable reason, and a sentence for a person."""

    field: str
    code: str
    message: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


FULL = "disk.full"
"""The code of what cannot be written down while everything can be read."""


class AppError(Exception):
    """A refusal. `code` is `noun.reason` and never renamed; `detail` is one sentence; `data` goes out beside them."""

    def __init__(self, code: str, detail: str, errors: Sequence[FieldError] = (), **data: Any) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.data = data

    def problem(self) -> dict[str, Any]:
        """The part of a problem document that HTTP and sockets share."""
        body: dict[str, Any] = {"code": self.code, "detail": self.detail, **self.data}
        if self.errors:
            body["errors"] = [error.as_dict() for error in self.errors]
        return body


class Malformed(AppError):
    """What came in cannot be read at all."""


class Unauthenticated(AppError):
    """Nobody is logged in, or the token is not good (any more)."""


class Forbidden(AppError):
    """Known and refused; only where the existence of the thing is public."""


class NotFound(AppError):
    """Absent, or not for these eyes: the two are not told apart."""


class Conflict(AppError):
    """The command does not fit the present state."""


class PreconditionFailed(AppError):
    """The version named by the caller is no longer the current one."""


class TooLarge(AppError):
    """More bytes, items or characters than this place takes."""


class Invalid(AppError):
    """Readable, but a field breaks a rule."""


class TooMany(AppError):
    """A limit per person and time is spent; `retry_after` in seconds."""

    def __init__(self, code: str, detail: str, retry_after: float, **data: Any) -> None:
        super().__init__(code, detail, retry_after=retry_after, **data)
        self.retry_after = retry_after


class Unavailable(AppError):
    """Something this needs does not answer now; worth another try after `retry_after` seconds."""

    def __init__(self, code: str, detail: str, retry_after: float = 1, **data: Any) -> None:
        super().__init__(code, detail, retry_after=retry_after, **data)
        self.retry_after = retry_after


class SettingError(Exception):
    """A setting that cannot be used: the message names the variable and what it accepts. Ends the program with 2."""
