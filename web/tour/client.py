"""A real HTTP client for one of the tour's people: a token or a device, and nothing that a browser could not do."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import requests

from web.tour.checks import Failed

TIMEOUT = 20.0
PATIENCE = 70.0  # how long a tour waits, all told, where the server asks it to come back later
Json = Any


class Unreachable(Exception):
    """No server answers at this address, or not to the end."""


class Client:
    """JSON over HTTP as one person; `headers` say who."""

    def __init__(self, url: str, who: str = "anybody", headers: dict[str, str] | None = None) -> None:
        self.url, self.who = url.rstrip("/"), who
        self.session = requests.Session()
        self.session.headers.update(headers or {})

    def close(self) -> None:
        self.session.close()

    # -- JSON -----------------------------------------------------------------------------------------------------

    def get(self, path: str, **query: Any) -> Json:
        return self.call("GET", path, params=query)

    def post(self, path: str, body: Json = None, key: str | None = None) -> Json:
        return self.call("POST", path, json=body if body is not None else {}, headers=_key(key))

    def put(self, path: str, body: Json = None) -> Json:
        return self.call("PUT", path, json=body)

    def delete(self, path: str) -> Json:
        return self.call("DELETE", path)

    def call(self, method: str, path: str, **options: Any) -> Json:
        """The JSON of a success; a refusal is a failure of the step."""
        response = self.ask(method, path, **options)
        if not response.ok:
            raise Failed(f"{self.who}: {method} {path}", "a success", f"{response.status_code} {response.text}")
        return response.json() if response.content else None

    def refused(self, method: str, path: str, body: Json = None) -> tuple[int, str, dict[str, Any]]:
        """Status, code and problem of what must be refused."""
        response = self.ask(method, path, json=body, headers=_key(None) if method == "POST" else {})
        if response.ok:
            raise Failed(f"{self.who}: {method} {path}", "a refusal", f"{response.status_code} {response.text}")
        problem = response.json()
        return response.status_code, str(problem["code"]), problem

    def status(self, path: str) -> int:
        """The status of a GET, whatever it is."""
        return self.ask("GET", path).status_code

    def pages(self, path: str, most: int, **query: Any) -> Iterator[dict[str, Any]]:
        """The items of a list, page after page, at most `most` pages."""
        cursor: str | None = None
        for _ in range(most):
            page = self.get(path, **query, **({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """The answer as it comes; when the server says "later" (429, 503) it is asked again later, as it says."""
        deadline = time.monotonic() + PATIENCE
        while True:
            response = self._send(method, self.address(path), **options)
            wait = float(response.headers.get("Retry-After", 0))
            if response.status_code not in (429, 503) or not wait or time.monotonic() + wait > deadline:
                return response
            time.sleep(wait)

    def address(self, path: str) -> str:
        """Of a path under the API, or of any path of the site that starts with a slash."""
        return urljoin(f"{self.url}/api/v1/", path)

    def _send(self, method: str, address: str, **options: Any) -> requests.Response:
        try:
            return self.session.request(method, address, timeout=TIMEOUT, **options)
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            # The second is an answer that ends half way, chunked or not: the server died while it spoke.
            raise Unreachable(f"{self.url} does not answer: {_cause(error)}") from None
        except requests.Timeout:
            raise Failed(f"{self.who}: {method} {address}", f"an answer within {TIMEOUT:g} s", "none") from None

    # -- pages ----------------------------------------------------------------------------------------------------

    def press(self, path: str, **choice: str) -> requests.Response:
        """Open a page as a visitor does, fill its form with `choice` and send it."""
        page = self.ask("GET", path)
        form = Form.of(page.text) if page.ok else None
        if form is None:
            raise Failed(f"{self.who} opens {path}", "a page with a form", f"{page.status_code} {page.text[:300]}")
        return self._send("POST", urljoin(page.url, form.action), data={**form.fields, **choice})


class Form(HTMLParser):
    """The first form of a page that posts: where to, and what it carries unseen."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.found, self._inside = False, False

    @classmethod
    def of(cls, html: str) -> Form | None:
        form = cls()
        form.feed(html)
        return form if form.found else None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.found and _pays(given):
            self.action, self.found, self._inside = given.get("action", ""), True, True
        elif tag == "input" and self._inside and given.get("type") == "hidden":
            self.fields[given.get("name", "")] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


def _pays(form: dict[str, str]) -> bool:
    # A page's header has forms of its own: search, log out, language.
    return form.get("method", "").lower() == "post" and "/pay/" in form.get("action", "")


def new_key() -> str:
    """A fresh Idempotency-Key."""
    return f"tour-{secrets.token_hex(12)}"


def _key(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key or new_key()}


def _cause(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(error)
