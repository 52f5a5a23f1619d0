"""A whole Offshelf in one test process."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import create_engine, create_mock_engine, inspect
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from engines.sql import PostgresDatabase
from kernel.clock import FrozenClock
from kernel.config import Settings
from kernel.db import Base
from kernel.idempotency import new_key
from kernel.ports import KeyValue
from tests import agreement
from web.app import build_services, create_app, open_engines

_compiled: dict[Any, Any] = {}
_compile_builder = Rule._compile_builder


def _compiled_once(rule: Rule, append_unknown: bool = True) -> Any:
    """The function that builds a rule's address. It follows from what is asked for here, and compiling ours anew for each
    house takes longer than most tests."""
    key = (rule.rule, tuple(rule._trace), repr(rule.defaults), append_unknown)
    if key not in _compiled:
        _compiled[key] = _compile_builder(rule, append_unknown)
    return _compiled[key]


Rule._compile_builder = _compiled_once  # type: ignore[assignment]


class House:
    """Engines, services and the app; `jobs()` runs what is due, `as_(handle)` is a client that is logged in."""

    def __init__(self, settings: Settings, clock: FrozenClock, kv: KeyValue) -> None:
        self.settings = settings
        self.clock = clock
        _lay_schema(settings.sql_url)
        self.engines = open_engines(settings, clock, kv)
        if isinstance(self.engines.db, PostgresDatabase):
            with self.engines.db.engine.begin() as connection:
                if not inspect(connection).has_table("accounts"):  # asked once, and not of every table
                    connection.exec_driver_sql(_postgres_schema())
        self.services = build_services(settings, self.engines)
        self.app = create_app(settings, self.engines, self.services)
        self._closed = False

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.engines.close(keep_kv=True)

    def jobs(self) -> int:
        """Run every job that is due, and what that causes."""
        return self.services.worker.run_until_idle()

    def anonymous(self) -> Client:
        return Client(self, {})

    def device(self) -> Client:
        """An anonymous visitor with a device."""
        return Client(self, {"X-Device": self.services.accounts.new_device()})

    def as_(self, handle: str, *roles: str, synthetic: bool = False) -> Client:
        """A client logged in as a new account with these roles. No password is hashed: that takes 92 ms."""
        accounts = self.services.accounts

        def write(tx: Any) -> tuple[str, str]:
            account_id = accounts.add(tx, handle, handle.title(), roles=roles, synthetic=synthetic)
            return account_id, accounts._open_session(tx, account_id, None).token

        account_id, token = self.engines.db.write(write)
        return Client(self, {"Authorization": f"Bearer {token}"}, account_id)

    def approved(self, account_id: str) -> bool:
        with self.engines.db.read() as session:
            return self.services.applications.approved(session, account_id)

    def add_followers(self, account_id: str, count: int) -> None:
        """That many fresh accounts follow this one."""
        accounts = self.services.accounts

        def write(tx: Any) -> None:
            for number in range(count):
                follower = accounts.add(tx, f"fan{number}_{account_id[-12:]}", "Fan")
                accounts.add_follow(tx, follower, account_id)

        self.engines.db.write(write)


@cache
def _empty_database() -> bytes:
    """A SQLite file with every table, made once a run: it takes a tenth of a second."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        engine = create_engine(f"sqlite:///{path}")
        Base.metadata.create_all(engine)
        engine.dispose()
        return path.read_bytes()


@cache
def _postgres_schema() -> str:
    """Every table of a PostgreSQL as one script: sent and answered once, it takes a third of the time."""
    statements: list[Any] = []
    engine = create_mock_engine("postgresql+psycopg://", lambda ddl, *_: statements.append(ddl))
    Base.metadata.create_all(engine, checkfirst=False)
    return ";".join(str(ddl.compile(dialect=engine.dialect)) for ddl in statements)


def _lay_schema(url: str) -> None:
    path = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:") and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_empty_database())


class Client:
    """JSON over the real app. `post` sends a fresh Idempotency-Key unless one is given."""

    def __init__(self, house: House, headers: dict[str, str], account_id: str = "") -> None:
        self.house = house
        self.headers = headers
        self.id = account_id
        self._client = house.app.test_client(use_cookies=False)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self._open("GET", path, **options)

    def post(self, path: str, json: Any = None, key: str | None = None, **options: Any) -> TestResponse:
        headers = {"Idempotency-Key": key or new_key(), **options.pop("headers", {})}
        return self._open("POST", path, json={} if json is None else json, headers=headers, **options)

    def put(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        return self._open("PUT", path, json=json, **options)

    def patch(self, path: str, json: Any, etag: str, **options: Any) -> TestResponse:
        return self._open("PATCH", path, json=json, headers={"If-Match": etag}, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        return self._open("DELETE", path, **options)

    def _open(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> TestResponse:
        if not path.startswith("/"):
            path = f"/api/v1/{path}"
        response = self._client.open(path, method=method, headers={**self.headers, **(headers or {})}, **options)
        agreement.check(self.house.app, method, path, response)
        return response


def problem(response: TestResponse) -> tuple[int, str]:
    """Status and code of a refusal."""
    assert response.content_type == "application/problem+json", response.get_data(as_text=True)[:500]
    assert response.json is not None
    return response.status_code, response.json["code"]
