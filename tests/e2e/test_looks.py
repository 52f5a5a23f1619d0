"""Every kind of page in a real browser, narrow and wide: open to all, nothing cut off, nothing too small for a thumb.

`OFFSHELF_TEST_PICTURES=FOLDER` also photographs each page, light and dark, for somebody to look at.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser import Api, Walk, chromium, open_shop, sell_in_note, shop, view
from tests.market import ADDRESS

LONG = "一次写完梨形身材四季通勤穿搭的全部心得体会从面料到版型再到配色与鞋包搭配的超级长标题" + "x" * 50
WIDTHS = (390, 1280)

# What sticks out to the right, and what is lower or narrower than 44 px and is no link within a sentence. A link that
# spreads over its card is as large as the card; a label is part of its box.
MEASURED = """() => {
  const wide = document.documentElement.clientWidth;
  const shown = (one) => one.checkVisibility() && one.getBoundingClientRect().width > 1 && !one.closest(".hear");
  const spread = (one) => getComputedStyle(one, "::after").position === "absolute";
  const inline = (one) => one.matches("p a") && getComputedStyle(one).display === "inline";
  const small = [...document.querySelectorAll("a, button, input:not([type=hidden]), select, summary, textarea")].filter((one) => {
    const {width, height} = (one.closest("label") ?? one).getBoundingClientRect();
    return shown(one) && !spread(one) && !inline(one) && (width < 43.5 || height < 43.5);
  });
  const out = [...document.querySelectorAll("main *")].filter((one) =>
    shown(one) && !one.closest(".scroll, .chips, .strip, svg") && one.getBoundingClientRect().right > wide + 1);
  const say = (one) => `${one.tagName} ${(one.textContent.trim() || one.name || "").slice(0, 30)}`;
  return {
    small: small.map(say), out: out.map(say), sideways: document.documentElement.scrollWidth > wide,
    headings: document.querySelectorAll("h1").length,
  };
}"""


def _stage(url: str) -> dict[str, str]:
    """The shop with what fills its other pages: orders in their states, a draft, a report, notices."""
    with closing(Api(url, "potter")) as potter:  # on air once before the shop opens: a host is in one room at a time
        ended = potter.call("POST", "rooms", {"title": LONG[:60], "shelf": []})["id"]
        potter.call("POST", f"rooms/{ended}/start", {})
        potter.call("POST", f"rooms/{ended}/end", {})
    made = open_shop(url)
    sell_in_note(url, made)
    with closing(Api(url, "ann")) as ann, closing(Api(url, "potter")) as potter:
        orders = []
        for _ in range(2):
            quote = ann.call("POST", "quotes", {"lines": [{"sku": made["sku"], "qty": 1}], "address": ADDRESS})
            orders.append(ann.call("POST", "orders", {"quote": quote["quote"]})["order"])
        ann.call("POST", f"orders/{orders[1]}/cancel", {})
        paid = ann.call("POST", f"orders/{orders[0]}/payments", {})
        ann.call("POST", "reports", {"target": {"kind": "note", "id": made["note"]}, "reason": "spam", "text": ""})
        ann.call("POST", f"notes/{made['note']}/comments", {"text": "W" * 200})
        draft = ann.call("POST", "notes", {"title": LONG, "text": "-" * 300})["id"]
        coming = potter.call("POST", "rooms", {"title": "Next week", "shelf": [made["sku"]]})["id"]
    with closing(Api(url, "keeper")) as keeper:
        case = keeper.call("GET", "cases")["items"][0]["id"]
    return {**made, "placed": orders[0], "cancelled": orders[1], "pay": paid["url"], "draft": draft} | {
        "case": case,
        "ended": ended,
        "coming": coming,
    }


def _pages(made: dict[str, str]) -> dict[str | None, dict[str, str]]:
    """By who looks: a name for each page and its path."""
    sku = f"/checkout?sku={made['sku']}&qty=1"
    nobody = {"feed": "/", "live": "/live", "login": "/login", "register": "/register"}
    nobody |= {
        "following": "/following",
        "search-nothing": "/search",
        "no-page": "/nowhere",
        "bad-cursor": "/?cursor=%25",
    }
    nobody |= {"wrong-method": "/logout", "room": f"/rooms/{made['room']}", "room-ended": f"/rooms/{made['ended']}"}
    ann = {"feed-mine": "/", "search": "/search?q=cup", "note": f"/notes/{made['note']}", "why-not": "/moderation"}
    ann |= {
        "profile": f"/profiles/{made['potter']}",
        "product": f"/products/{made['product']}",
        "me": "/me",
        "profile-edit": "/me/profile",
    }
    ann |= {"checkout": sku, "orders": "/orders", "orders-none": "/orders?state=closed", "pay": made["pay"]}
    ann |= {"order": f"/orders/{made['placed']}", "order-cancelled": f"/orders/{made['cancelled']}"}
    ann |= {"studio": "/studio", "write": f"/studio/notes/{made['draft']}", "room-mine": f"/rooms/{made['room']}"}
    potter = {"studio-room": f"/studio/rooms/{made['room']}", "attach": f"/studio/notes/{made['note']}"}
    potter |= {"studio-host": "/studio", "room-host": f"/rooms/{made['room']}", "room-soon": f"/rooms/{made['coming']}"}
    keeper = {
        "queue": "/moderation",
        "case": f"/moderation?case={made['case']}",
        "decided": "/moderation?status=closed",
    }
    keeper |= {
        "figures": "/figures",
        "by-channel": "/figures?by=channel",
        "no-days": "/figures?from=2031-01-01&to=2031-01-02",
    }
    return {None: nobody, "ann": ann, "potter": potter, "keeper": keeper}


def _photograph(page: Any, name: str, width: int) -> None:
    if not (folder := os.environ.get("OFFSHELF_TEST_PICTURES")):
        return
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        path = Path(folder) / f"{name}-{width}-{scheme}.png"
        page.screenshot(path=path, full_page="room" not in name, animations="disabled")


@pytest.mark.browser
@pytest.mark.timeout(600)
def test_every_page_is_open_to_all_narrow_and_wide(tmp_path: Path) -> None:
    wrong: dict[str, Any] = {}
    with shop(tmp_path) as server, chromium() as browser:
        for who, pages in _pages(_stage(server)).items():
            for width in WIDTHS:
                window = view(browser, width)
                if who:
                    Walk(window.new_page(), server).log_in(who)
                for name, path in pages.items():
                    walk = Walk(window.new_page(), server)
                    refused = walk.open(path) >= 400
                    if refused:
                        walk.said.clear()  # the browser itself calls a refusal an error
                    walk.look(f"{name} at {width}")
                    found = walk.page.evaluate(MEASURED)
                    if found != {"small": [], "out": [], "sideways": False, "headings": 1}:
                        wrong[f"{name} at {width}"] = found
                    _photograph(walk.page, name, width)
                    walk.page.close()
                window.close()
    assert wrong == {}


@pytest.mark.browser
@pytest.mark.timeout(120)
def test_without_script_a_reader_searches_reads_and_orders(tmp_path: Path) -> None:
    with shop(tmp_path) as server, chromium() as browser:
        sell_in_note(server, open_shop(server))
        page = view(browser, java_script_enabled=False).new_page()
        Walk(page, server).log_in("ann")
        page.fill("#find", "cup")
        page.press("#find", "Enter")
        page.get_by_role("link", name="Why the rim is thin").click()
        page.get_by_role("link", name="Buy").click()
        for name, value in ADDRESS.items():
            page.fill(f"#f-{name}", value)
        page.get_by_role("button", name="Use this address").click()
        page.get_by_role("button", name="Place order: ¥129.00").click()
        page.get_by_role("button", name="Pay ¥129.00").click()
        page.locator("button[value=succeed]").click()
        page.get_by_text("your payment arrived").wait_for()
