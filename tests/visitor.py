"""A visitor for tests: keeps cookies, reads forms out of pages and sends them, as a browser without script does."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from werkzeug.test import TestResponse

from tests.house import House
from web.auth import SESSION_COOKIE

BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "Accept": "text/html"}


class Forms(HTMLParser):
    """The forms of a page: method, action and what they carry."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []
        self._open: dict[str, Any] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = {"method": given.get("method", "get"), "action": given.get("action", ""), "fields": {}}
            self.found.append(self._open)
        elif tag == "input" and self._open is not None and given.get("name"):
            box = given.get("type") in ("checkbox", "radio")
            if not box or "checked" in given:
                self._open["fields"][given["name"]] = given.get("value", "on" if box else "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None


class Visitor:
    """One browser on a house's pages."""

    def __init__(self, house: House, language: str = "en") -> None:
        self.house = house
        self.client = house.app.test_client()
        self.headers = {**BROWSER, "Accept-Language": language}

    def log_in(self, handle: str, *roles: str, **more: Any) -> str:
        """Become a new account with these roles; its id."""
        someone = self.house.as_(handle, *roles, **more)
        self.become(someone.headers["Authorization"].removeprefix("Bearer "))
        return someone.id

    def become(self, token: str) -> None:
        self.client.set_cookie(SESSION_COOKIE, token)

    def get(self, path: str, **options: Any) -> TestResponse:
        headers = {**self.headers, **options.pop("headers", {})}
        return self.client.get(path, headers=headers, buffered=True, **options)

    def text(self, path: str) -> str:
        page = self.get(path)
        assert page.status_code == 200, (path, page.status_code, page.get_data(as_text=True)[-1500:])
        return page.get_data(as_text=True)

    def post(self, path: str, data: dict[str, Any], follow: bool = False) -> TestResponse:
        return self.client.post(path, data=data, headers=self.headers, follow_redirects=follow)

    def send(self, page: str, to: str, follow: bool = True, **typed: Any) -> TestResponse:
        """Open `page`, fill its form that posts to `to` and send it."""
        return self.send_from(self.text(page), to, follow, **typed)

    def send_from(self, html: str, to: str, follow: bool = True, **typed: Any) -> TestResponse:
        forms = Forms()
        forms.feed(html)
        fitting = [form for form in forms.found if re.fullmatch(to, form["action"]) and form["method"] == "post"]
        assert fitting, (to, [form["action"] for form in forms.found])
        return self.post(fitting[0]["action"], {**fitting[0]["fields"], **typed}, follow)
