"""One walk through the shop in a real browser against a real server: feed, room, quote, confirm, order, pay."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from kernel.config import Settings
from tests.conftest import REQUIRED, require
from tests.market import ADDRESS, price
from web.app import build_services, open_engines
from web.migrate import upgrade

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "web" / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
PASSWORD = "a walk in the rain"
STORY = (
    "I threw this cup nine times because my tea got cold. The rim is 2 mm thin, compared with the 4 mm of the old one, "
    "and it holds the heat for 12 minutes longer. Wash it by hand: the glaze is soft."
)

# The policy of the pages lets nobody evaluate strings, so the waiting is done in one call.
PLAYED = """(until) => new Promise((done, fail) => {
  const video = document.getElementById("video"), ends = Date.now() + 30000;
  const look = () => {
    if (video.currentTime > until) done(video.currentTime);
    else if (Date.now() > ends) fail(new Error(`the video stands at ${video.currentTime}`));
    else setTimeout(look, 50);
  };
  look();
})"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server with two accounts, `potter` (a merchant) and `ann`."""
    _seed(tmp_path)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OFFSHELF_")}
    ours = {"OFFSHELF_DATA": str(tmp_path), "OFFSHELF_ENCODER": "hash", "OFFSHELF_DEMO": "true"}
    command = [sys.executable, "-m", "web.cli", "serve", "--port", "0"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=kept | ours | {"OFFSHELF_LOG_LEVEL": "ERROR"}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("Offshelf answers at "), line
        yield line.split()[-1].rstrip("/")
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def _seed(data: Path) -> None:
    from accounts.service import _hasher

    settings = Settings(data=data, encoder="hash")
    upgrade(settings.sql_url)
    engines = open_engines(settings)
    try:
        services, hashed = build_services(settings, engines), _hasher.hash(PASSWORD)
        for handle, roles in (("potter", ("merchant",)), ("ann", ())):
            engines.db.write(
                lambda tx, h=handle, r=roles: services.accounts.add(tx, h, h.title(), roles=r, password_hash=hashed)
            )
    finally:
        engines.close()


def _open_shop(url: str) -> tuple[str, str]:
    """A note in the feed and a room on air that explains it: room and SKU."""
    with closing(requests.Session()) as api:

        def call(method: str, path: str, body: Any = None) -> Any:
            headers = {"Idempotency-Key": os.urandom(8).hex()}
            answer = api.request(method, f"{url}/api/v1/{path}", json=body, headers=headers, timeout=30)
            assert answer.ok, answer.text
            return answer.json()

        session = call("POST", "sessions", {"handle": "potter", "password": PASSWORD})
        api.headers["Authorization"] = f"Bearer {session['token']}"
        form = {"title": "Thin cup", "skus": [{"name": "white", "price": price(12900), "stock": 3}]}
        sku = call("POST", "products", form)["skus"][0]["id"]
        note = call("POST", "notes", {"title": "Why the rim is thin", "text": STORY, "topics": ["tea"]})
        call("POST", f"notes/{note['id']}/submit", {})
        room = call("POST", "rooms", {"title": "Throwing cups", "shelf": [sku]})["id"]
        call("POST", f"rooms/{room}/start", {})
        call("PUT", f"rooms/{room}/pin", {"sku": sku})
        return room, sku


class Walk:
    """A page in Chromium that complains about what a careful reader would: script errors, broken policy, axe's serious finds."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self.url, self.said = page, url, list[str]()
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("console", lambda line: self.said.append(line.text) if line.type == "error" else None)

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    def look(self, where: str) -> None:
        """The page is what it should be, and axe-core finds nothing serious on it."""
        assert self.said == [], where
        if AXE.is_file():
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
            found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']}).then((r) => r.violations)")
            serious = [(v["id"], v["nodes"][0]["target"]) for v in found if v["impact"] in ("serious", "critical")]
            assert serious == [], where


@pytest.mark.browser
@pytest.mark.timeout(180)
def test_a_viewer_walks_from_the_feed_into_a_room_and_buys(server: str) -> None:
    chromium = shutil.which("chromium")
    require("chromium", chromium is not None, "there is no Chromium on PATH")
    assert AXE.is_file() or "chromium" not in REQUIRED, "python web/frontend/build.py --dev brings axe-core"
    from playwright.sync_api import sync_playwright

    room, sku = _open_shop(server)
    flags = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--autoplay-policy=no-user-gesture-required",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        view = browser.new_context(
            viewport={"width": 390, "height": 844}, locale="en-GB", user_agent="Mozilla/5.0 Chrome"
        )
        view.set_default_timeout(20_000)
        walk = Walk(view.new_page(), server)
        try:
            _log_in(walk)
            _watch(walk, room)
            _buy_and_pay(walk, room, sku)
        finally:
            browser.close()


def _log_in(walk: Walk) -> None:
    page = walk.page
    walk.open("/login")
    walk.look("log in")
    page.fill("#f-handle", "ann")
    page.fill("#f-password", PASSWORD)
    page.locator("main form[action='/login'] button").first.click()
    page.wait_for_url(f"{walk.url}/")


def _watch(walk: Walk, room: str) -> None:
    """From the feed into the room; its picture moves, and what is said is heard."""
    page = walk.page
    page.locator("[data-kind=room] h3 a").wait_for()
    page.locator("[data-kind=note]").first.wait_for()
    walk.look("feed")
    page.locator("[data-kind=room] h3 a").click()
    page.wait_for_url(f"{walk.url}/rooms/{room}**")
    assert page.evaluate(PLAYED, page.evaluate(PLAYED, 0.5) + 0.5)
    page.fill("#line", "Does it break?")
    page.press("#line", "Enter")
    page.get_by_text("Does it break?").wait_for()
    walk.look("room")


def _buy_and_pay(walk: Walk, room: str, sku: str) -> None:
    page = walk.page
    ask = f"#pinned .goods[data-sku='{sku}'] .buy"
    page.click(ask)
    page.get_by_role("link", name="Add an address").click()
    page.wait_for_url("**/checkout?**")
    walk.look("checkout")
    for name, value in ADDRESS.items():
        page.fill(f"#f-{name}", value)
    page.locator("form[action='/checkout/address'] button").click()
    page.get_by_role("button", name="Place order").wait_for()
    walk.open(f"/rooms/{room}")
    page.click(ask)
    page.get_by_role("button", name="Confirm ¥129.00").click()
    page.get_by_role("link", name="Pay ¥129.00").click()
    page.wait_for_url("**/orders/**")
    walk.look("order")
    page.get_by_role("button", name="Pay ¥129.00").click()
    page.wait_for_url("**/pay/**")
    walk.look("payment page")
    page.locator("button[value=succeed]").click()
    page.get_by_text("your payment arrived").wait_for()
    walk.look("paid order")
    walk.open("/orders")
    page.get_by_text("Thin cup").first.wait_for()
    walk.look("orders")
