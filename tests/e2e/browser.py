"""A small shop behind a real server, and Chromium to look at it: what every test with a browser needs."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import requests

from kernel.config import Settings
from tests.conftest import REQUIRED, require
from tests.e2e.served import ROOT, environ_of, start
from tests.e2e.town import seconds_until
from tests.market import price
from web.app import build_services, open_engines
from web.migrate import upgrade

AXE = ROOT / "web" / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
PASSWORD = "a walk in the rain"
PEOPLE = {"potter": ("merchant",), "ann": (), "keeper": ("moderator", "admin")}
STORY = (
    "I threw this cup nine times because my tea got cold. The rim is 2 mm thin, compared with the 4 mm of the old one, "
    "and it holds the heat for 12 minutes longer. Wash it by hand: the glaze is soft."
)
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_MAY_PLAY = "--autoplay-policy=no-user-gesture-required"


@contextmanager
def shop(folder: Path) -> Iterator[str]:
    """The address of a server with `potter`, a merchant, `ann`, and `keeper`, who reviews and counts."""
    _seed(folder)
    server = start(environ_of(folder, ENCODER="hash", DEMO="true"))
    try:
        yield server.url.rstrip("/")
    finally:
        server.stop(signal.SIGTERM)


def _seed(data: Path) -> None:
    from accounts.service import _hasher

    settings = Settings(data=data, encoder="hash")
    upgrade(settings.sql_url)
    engines = open_engines(settings)
    try:
        services, hashed = build_services(settings, engines), _hasher.hash(PASSWORD)
        for handle, roles in PEOPLE.items():
            engines.db.write(
                lambda tx, h=handle, r=roles: services.accounts.add(tx, h, h.title(), roles=r, password_hash=hashed)
            )
    finally:
        engines.close()


class Api(requests.Session):
    """Somebody who is logged in over HTTP; `who` is their account."""

    def __init__(self, url: str, handle: str) -> None:
        super().__init__()
        self.url = url
        session = self.call("POST", "sessions", {"handle": handle, "password": PASSWORD})
        self.who = session["account"]["id"]
        self.headers["Authorization"] = f"Bearer {session['token']}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Idempotency-Key": os.urandom(8).hex()}
        answer = self.request(method, f"{self.url}/api/v1/{path}", json=body, headers=headers, timeout=30)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None


def open_shop(url: str) -> dict[str, str]:
    """A note in the feed and a room on air that explains a product: their ids, as soon as jobs and stream have done their part. A page
    asks once; and a picture that is not there yet is an error to the browser."""
    with closing(Api(url, "potter")) as potter:
        form = {"title": "Thin cup", "skus": [{"name": "white", "price": price(12900), "stock": 3}]}
        product = potter.call("POST", "products", form)
        sku = product["skus"][0]["id"]
        note = potter.call("POST", "notes", {"title": "Why the rim is thin", "text": STORY, "topics": ["tea"]})["id"]
        potter.call("POST", f"notes/{note}/submit", {})
        room = potter.call("POST", "rooms", {"title": "Throwing cups", "shelf": [sku]})["id"]
        potter.call("POST", f"rooms/{room}/start", {})
        potter.call("PUT", f"rooms/{room}/pin", {"sku": sku})
        made = {"room": room, "sku": sku, "product": product["id"], "note": note, "potter": potter.who}
    seconds_until(lambda: requests.get(f"{url}/media/live/{room}/index.m3u8", timeout=30).ok)
    seconds_until(lambda: {note, product["id"]} <= _ids(url, "search?q=cup"))
    seconds_until(lambda: {note, room} <= _ids(url, "feed"))  # of nobody, so nobody has seen it
    return made


def _ids(url: str, path: str) -> set[str]:
    """What a list shows to a passer-by."""
    return {item["id"] for item in requests.get(f"{url}/api/v1/{path}", timeout=30).json()["items"]}


def sell_in_note(url: str, made: dict[str, str]) -> None:
    """The note carries the product from now on."""
    with closing(Api(url, "potter")) as potter:
        potter.call("PUT", f"notes/{made['note']}/products", {"products": [made["sku"]]})
    seconds_until(lambda: requests.get(f"{url}/api/v1/notes/{made['note']}", timeout=30).json()["product"] is not None)


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser of its own; skips where there is none, unless it is required."""
    program = shutil.which("chromium")
    require("chromium", program is not None, "there is no Chromium on PATH")
    assert AXE.is_file() or "chromium" not in REQUIRED, "python web/frontend/build.py --dev brings axe-core"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*_FLAGS, _MAY_PLAY])
        try:
            yield browser
        finally:
            browser.close()


def view(browser: Any, width: int = 390, **options: Any) -> Any:
    """A window of a person's own, English unless told otherwise."""
    size = {"width": width, "height": 844}
    opened = browser.new_context(**{"viewport": size, "locale": "en-GB", "user_agent": "Mozilla/5.0 Chrome", **options})
    opened.set_default_timeout(20_000)
    return opened


class Walk:
    """A page in Chromium that complains about what a careful reader would: script errors, broken policy, axe's finds."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self.url, self.said = page, url, list[str]()
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("console", lambda line: self.said.append(line.text) if line.type == "error" else None)

    def open(self, path: str) -> int:
        """Go there; the status of the answer."""
        answer = self.page.goto(self.url + path)
        return int(answer.status)

    def log_in(self, handle: str) -> None:
        self.open("/login")
        self.page.fill("#f-handle", handle)
        self.page.fill("#f-password", PASSWORD)
        self.page.locator("main form[action='/login'] button").first.click()
        self.page.wait_for_url(f"{self.url}/")

    def look(self, where: str) -> None:
        """The page is what it should be, and axe-core finds nothing on it."""
        assert self.said == [], where
        if AXE.is_file():
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
            found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']}).then((r) => r.violations)")
            assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], where
