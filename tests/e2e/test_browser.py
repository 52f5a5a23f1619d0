"""One walk through the shop in a real browser against a real server: feed, room, quote, confirm, order, pay."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.browser import Walk, chromium, open_shop, shop, view
from tests.market import ADDRESS

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


@pytest.mark.browser
@pytest.mark.timeout(180)
def test_a_viewer_walks_from_the_feed_into_a_room_and_buys(tmp_path: Path) -> None:
    with shop(tmp_path) as server, chromium() as browser:
        made = open_shop(server)
        walk = Walk(view(browser).new_page(), server)
        with walk.page.expect_response(lambda answer: answer.url.endswith("/api/v1/events")) as told:
            walk.open("/login")  # a first visit, which its script tells of
        assert told.value.status == 202
        walk.look("log in")
        walk.log_in("ann")
        _watch(walk, made["room"])
        _buy_and_pay(walk, made["room"], made["sku"])


@pytest.mark.browser
@pytest.mark.timeout(120)
def test_a_browser_with_hls_of_its_own_plays_a_room_whose_first_segment_is_not_there_yet(tmp_path: Path) -> None:
    """An iPhone has no Media Source Extensions; its player gives up at the first playlist that is missing."""
    with shop(tmp_path) as server, chromium() as browser:
        room = open_shop(server)["room"]
        page = view(browser).new_page()
        page.add_init_script("delete window.MediaSource")
        seen: list[int] = []
        page.route("**/index.m3u8", lambda route: route.fulfill(status=404) if len(seen) < 2 else route.continue_())
        page.on("response", lambda answer: seen.append(answer.status) if answer.url.endswith(".m3u8") else None)
        page.goto(f"{server}/rooms/{room}")
        if not page.evaluate("document.getElementById('video').canPlayType('application/vnd.apple.mpegurl')"):
            pytest.skip("this Chromium plays no HLS of its own; from 142 it does")
        assert page.evaluate(PLAYED, 0.5) > 0.5
        assert 404 in seen


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
