"""The pages: each answers for everybody it is for, works without script, and keeps its doors shut."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.house import House
from tests.market import ADDRESS, buy, list_product
from tests.studio import go_live
from tests.visitor import Visitor
from tests.writing import open_gate, picture, publish

SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>|<style|\sstyle=|\son[a-z]+=", re.IGNORECASE)

STORY = "I measured my tea every morning for 3 weeks because it was always cold. " + (
    "It leaves the pot at 92 degrees, but the thin cup takes 20 of them at once, and after ten minutes 54 are left. "
    "Compared with the heavy mug I lost 8 degrees more. My advice: warm the cup first, fill it only half, and wash it by hand."
)


@dataclass
class Village:
    """A merchant on air, a note with products, one without, and a reported one."""

    house: House
    room: str
    sku: str
    product: str
    note: str
    plain: str


@pytest.fixture
def village(build: Callable[..., House]) -> Village:
    house = build(demo=True)
    host = house.as_("potter", "merchant")
    made = list_product(host, 5)
    sku, product = str(made["skus"][0]["id"]), str(made["id"])
    room = go_live(host, shelf=[sku])
    assert host.put(f"rooms/{room}/pin", {"sku": sku}).status_code == 200
    note = publish(
        house, host, title="Why the rim is thin", text="I threw it nine times because my tea got cold.", products=[sku]
    )
    plain = publish(house, house.as_("reader"), title="Cold tea", text=STORY, topics=["tea"])
    reported = house.as_("critic").post("reports", {"target": {"kind": "note", "id": plain}, "reason": "spam"})
    assert reported.status_code == 201, reported.json
    house.jobs()
    return Village(house, room, sku, product, note, plain)


def public_pages(v: Village) -> list[str]:
    author = v.house.services.notes.contents([v.note])[v.note].author_id
    return [
        "/", "/following", "/live", "/search", "/search?q=tea&kind=note", f"/notes/{v.note}", f"/notes/{v.plain}", f"/rooms/{v.room}",
        f"/products/{v.product}?sku={v.sku}", f"/profiles/{author}", "/login", "/register",
    ]  # fmt: skip


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_public_page_answers_under_a_strict_policy_without_inline_code(village: Village, language: str) -> None:
    visitor = Visitor(village.house, language)
    for path in public_pages(village):
        page = visitor.get(path)
        html = page.get_data(as_text=True)
        assert page.status_code == 200, (path, html[-2000:])
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe-inline" not in policy
        assert SCRIPT.findall(html) == [], path
        assert f'<html lang="{"en" if language == "en" else "zh-Hans"}">' in html
        assert page.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_page_of_a_viewer_answers(village: Village, language: str) -> None:
    visitor = Visitor(village.house, language)
    visitor.log_in("ann")
    asked = (
        visitor.send(f"/products/{village.product}", "/language", language="en")
        and f"/checkout?sku={village.sku}&qty=2"
    )
    for path in [*public_pages(village), "/me", "/orders", "/studio", asked]:
        assert SCRIPT.findall(visitor.text(path)) == [], path
    assert "Lin Mei" in visitor.send(asked, "/checkout/address", **ADDRESS).get_data(as_text=True)


def test_every_page_of_staff_answers_and_is_shut_to_others(village: Village) -> None:
    staff, viewer = Visitor(village.house), Visitor(village.house)
    staff.log_in("desk", "moderator", "admin")
    viewer.log_in("ann")
    case = re.search(r"case=(case_\w+)", staff.text("/moderation"))
    assert case
    paths = [
        "/moderation",
        f"/moderation?case={case[1]}&status=open&kind=note",
        "/figures",
        "/figures?by=channel&synthetic=1",
    ]
    for path in [*paths, "/figures.csv"]:
        staff.text(path)
        assert viewer.get(path).status_code == 403
        away = Visitor(village.house).get(path)
        assert (away.status_code, away.location.partition("?")[0]) == (303, "/login")


def test_a_first_visit_makes_a_device_and_a_program_none(village: Village) -> None:
    visitor = Visitor(village.house)
    first = visitor.get("/")
    assert "offshelf_device=" in first.headers["Set-Cookie"]
    assert "HttpOnly" in first.headers["Set-Cookie"]
    assert "offshelf_device=" not in visitor.get("/live").headers.get("Set-Cookie", "")
    for headers in ({"User-Agent": "Googlebot/2.1"}, {"User-Agent": "curl/8"}, {"Sec-Purpose": "prefetch"}):
        answer = Visitor(village.house).get("/live", headers=headers)
        assert "offshelf_device=" not in answer.headers.get("Set-Cookie", ""), headers


def test_what_is_fetched_ahead_or_by_head_is_not_shown(village: Village) -> None:
    visitor = Visitor(village.house)
    visitor.get("/live")
    assert village.plain not in visitor.get("/", headers={"Sec-Purpose": "prefetch"}).get_data(as_text=True)
    assert visitor.client.head("/", headers=visitor.headers).status_code == 200
    assert village.plain in visitor.text("/")


def test_the_end_of_the_feed_is_said_below_its_last_items(village: Village) -> None:
    page = Visitor(village.house).get("/").text
    assert 0 < page.index("<h3") < page.index("You have seen everything new")
    assert "data-more" not in page


def test_a_form_without_its_token_is_refused_and_changes_nothing(village: Village) -> None:
    for visitor in (Visitor(village.house), Visitor(village.house)):
        visitor.get("/")
        if visitor.client.get_cookie("offshelf_session") is None:
            refused = visitor.post("/register", {"handle": "eve", "name": "Eve", "password": "long enough it is"})
            assert refused.status_code == 403
            assert "out of date" in refused.get_data(as_text=True)
    assert village.house.services.accounts.find_by_handle("eve") is None
    member = Visitor(village.house)
    member.log_in("ann")
    for token in ("", "0" * 64):
        assert member.post(f"/notes/{village.plain}/like", {"on": "1", "csrf_token": token}).status_code == 403
    assert village.house.services.notes.contents([village.plain])[village.plain].likes == 0


def test_register_log_out_log_in_and_back_to_where_one_was(village: Village) -> None:
    visitor = Visitor(village.house)
    where = f"/notes/{village.plain}"
    assert f"/login?next={where}" in visitor.text(where)
    typed = {"handle": "new_one", "name": "New", "password": "short"}
    refused = visitor.send(f"/register?next={where}", "/register", **typed)
    html = refused.get_data(as_text=True)
    assert refused.status_code == 422
    assert "At least 10 characters." in html
    assert 'value="new_one"' in html
    done = visitor.send_from(html, "/register", follow=False, **typed | {"password": "correct horse battery"})
    assert (done.status_code, done.location) == (303, where)
    cookie = next(one for one in done.headers.getlist("Set-Cookie") if one.startswith("offshelf_session="))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Welcome, New." in visitor.text(where)
    assert "Welcome, New." not in visitor.text(where)
    visitor.send("/me", "/logout")
    assert visitor.get("/me").location == "/login?next=/me"
    wrong = visitor.send("/login", "/login", handle="new_one", password="not this one")
    assert wrong.status_code == 401
    assert "do not belong together" in wrong.get_data(as_text=True)
    assert (
        visitor.send(
            "/login?next=//evil.example", "/login", False, handle="new_one", password="correct horse battery"
        ).location
        == "/"
    )


@pytest.mark.parametrize("form_opened", ["before", "after"])
def test_who_was_logged_out_elsewhere_logs_in_again_at_once(village: Village, form_opened: str) -> None:
    typed = {"handle": "new_one", "password": "correct horse battery"}
    token = village.house.device().post("accounts", {**typed, "name": "New"}).json["token"]
    visitor = Visitor(village.house)
    visitor.become(token)
    html = visitor.text("/login") if form_opened == "before" else ""
    elsewhere = village.house.anonymous()
    assert elsewhere.delete("sessions/current", headers={"Authorization": f"Bearer {token}"}).status_code == 204
    done = visitor.send_from(html or visitor.text("/login"), "/login", False, **typed)
    assert (done.status_code, done.location) == (303, "/")
    assert visitor.get("/me").status_code == 200


def test_reading_liking_saving_commenting_and_reporting_without_script(village: Village) -> None:
    visitor = Visitor(village.house)
    visitor.log_in("ann")
    where = f"/notes/{village.plain}?via=search"
    assert 'aria-pressed="true"' in visitor.send(where, f"/notes/{village.plain}/like", on="1").get_data(as_text=True)
    visitor.send(where, f"/notes/{village.plain}/save", on="1")
    empty = visitor.send(where, f"/notes/{village.plain}/comments", text=" ")
    assert empty.status_code == 422
    assert "This is needed." in empty.get_data(as_text=True)
    page = visitor.text(where)
    for _ in range(2):  # sent twice by a slow hand: one comment
        sent = visitor.send_from(page, f"/notes/{village.plain}/comments", text="Which thermometer?")
    assert sent.get_data(as_text=True).count("Which thermometer?") == 1
    assert "Thank you" in visitor.send(where, "/report", reason="misleading", text="No source").get_data(as_text=True)
    content = village.house.services.notes.contents([village.plain])[village.plain]
    assert (content.likes, content.saves, content.comments) == (1, 1, 1)
    assert "Cold tea" in visitor.text("/me")


def test_from_a_note_through_checkout_to_a_paid_order_without_script(village: Village) -> None:
    visitor = Visitor(village.house)
    visitor.log_in("ann")
    html = visitor.text(f"/notes/{village.note}?via=following")
    link = re.search(r'href="(/checkout\?[^"]+)"', html)
    assert link
    asked = link[1].replace("&amp;", "&")
    wrong = visitor.send(asked, "/checkout/address", **ADDRESS | {"phone": "call me"})
    assert wrong.status_code == 422
    assert 'value="Yongjia Road 1"' in wrong.get_data(as_text=True)
    confirm = visitor.send_from(wrong.get_data(as_text=True), "/checkout/address", **ADDRESS).get_data(as_text=True)
    assert "Lin Mei" in confirm
    placed = [visitor.send_from(confirm, "/checkout", follow=False) for _ in range(2)]
    assert placed[0].status_code == 303
    assert placed[0].location == placed[1].location
    order = placed[0].location.partition("?")[0]
    assert "Held for you until you pay." in visitor.text(placed[0].location)
    pay = visitor.send(order, f"{order}/pay").get_data(as_text=True)
    failed = visitor.send_from(pay, "/pay/.*", outcome="fail").get_data(as_text=True)
    assert "The last payment failed." in failed
    again = visitor.send(order, f"{order}/pay").get_data(as_text=True)
    assert "your payment arrived" in visitor.send_from(again, "/pay/.*", outcome="succeed").get_data(as_text=True)
    line = visitor.house.app.test_client().get("/healthz") and village.house.services.orders
    mine = line.list(village.house.services.accounts.actor(village.house.services.accounts.find_by_handle("ann") or ""))
    assert mine.items[0].lines[0].touchpoint is not None
    assert mine.items[0].lines[0].touchpoint.note_id == village.note
    assert village.house.engines.payments.due() == []
    assert order in visitor.text("/orders?state=paid")
    assert "is sent back" in visitor.send(order, f"{order}/cancel").get_data(as_text=True)


def test_who_cancels_before_paying_is_not_told_of_money_that_comes_back(village: Village) -> None:
    visitor = Visitor(village.house)
    visitor.log_in("ann")
    visitor.send(f"/checkout?sku={village.sku}", "/checkout/address", **ADDRESS)
    order = visitor.send(f"/checkout?sku={village.sku}", "/checkout", follow=False).location.partition("?")[0]
    html = visitor.send(order, f"{order}/cancel").get_data(as_text=True)
    assert "Cancelled. You paid nothing." in html
    assert "sent back" not in html


def test_what_a_note_sells_names_the_size_that_one_tap_buys(village: Village) -> None:
    sizes = village.house.services.products.chips(None, [village.sku])[village.sku]
    assert sizes.sku_name
    assert f"{sizes.title} · {sizes.sku_name}</a>" in Visitor(village.house).text(f"/notes/{village.note}")


def test_an_empty_note_is_refused_in_the_language_of_the_page(village: Village) -> None:
    writer = Visitor(village.house, "zh")
    writer.log_in("wen")
    note = writer.send("/studio", "/studio/notes", follow=False).location
    html = writer.send(note, note, action="submit").get_data(as_text=True)
    assert "请写标题或正文，或添加一张图片。" in html
    assert "write a title" not in html


def test_who_comes_too_late_waits_in_the_queue_or_hears_sold_out(village: Village) -> None:
    first, second = Visitor(village.house), Visitor(village.house)
    for name, one in (("ann", first), ("ben", second)):
        one.log_in(name)
        one.send(f"/checkout?sku={village.sku}&qty=5", "/checkout/address", **ADDRESS)
    pages = [one.text(f"/checkout?sku={village.sku}&qty=5") for one in (first, second)]
    assert first.send_from(pages[0], "/checkout", follow=False).status_code == 303
    held = second.send_from(pages[1], "/checkout")
    assert held.status_code == 409
    assert "You are number 1 in the queue." in held.get_data(as_text=True)


def test_a_message_of_the_provider_that_got_lost_is_delivered_again(village: Village) -> None:
    visitor = Visitor(village.house)
    visitor.log_in("ann")
    visitor.send(f"/checkout?sku={village.sku}", "/checkout/address", **ADDRESS)
    order = visitor.send(f"/checkout?sku={village.sku}", "/checkout", follow=False).location.partition("?")[0]
    intent = visitor.send(order, f"{order}/pay", follow=False).location.rpartition("/")[2]
    village.house.engines.payments.pay(intent)
    assert village.house.services.provider.deliver_due() == 1
    assert village.house.services.provider.deliver_due() == 0
    assert "your payment arrived" in visitor.text(order)


def test_the_payment_page_exists_in_the_demo_only(build: Callable[..., House]) -> None:
    house = build()
    assert Visitor(house).get("/pay/pay_0").status_code == 404
    assert "offshelf-demo" not in Visitor(house).text("/login")


def test_a_hidden_note_is_a_page_that_is_not_there(village: Village) -> None:
    staff, reader = Visitor(village.house), Visitor(village.house)
    staff.log_in("desk", "moderator")
    reader.get("/")
    case = re.search(r"case=(case_\w+)", staff.text("/moderation"))
    assert case
    desk = f"/moderation?case={case[1]}&status=open&kind="
    staff.send(desk, "/moderation/cases/.*/claim")
    decided = staff.send(desk, "/moderation/cases/.*/actions", action="hide", reason="Spam").get_data(as_text=True)
    assert "Decided." in decided
    gone = reader.get(f"/notes/{village.plain}")
    assert gone.status_code == 404
    assert "There is nothing here" in gone.get_data(as_text=True)
    assert village.plain not in reader.text("/search?q=cold+tea")
    author = village.house.services.notes.contents([village.plain])[village.plain].author_id
    token = village.house.engines.db.write(
        lambda tx: village.house.services.accounts._open_session(tx, author, None).token
    )
    writer = Visitor(village.house)
    writer.become(token)
    assert "was hidden" in writer.text("/me")
    staff.send_from(staff.text(f"/moderation?case={case[1]}&status=closed"), "/moderation/actions/.*/undo")
    assert reader.get(f"/notes/{village.plain}").status_code == 200


def test_a_reported_product_is_hidden_and_comes_back(village: Village) -> None:
    buyer, staff = Visitor(village.house), Visitor(village.house)
    buyer.log_in("ann")
    staff.log_in("desk", "moderator")
    where = f"/products/{village.product}"
    assert "Thank you" in buyer.send(where, "/report", reason="counterfeit").get_data(as_text=True)
    case = re.search(r"case=(case_\w+)", staff.text("/moderation?kind=product"))
    assert case
    desk = f"/moderation?case={case[1]}&kind=product"
    staff.send(desk, "/moderation/cases/.*/claim")
    staff.send(desk, "/moderation/cases/.*/actions", action="hide", reason="Fake")
    assert buyer.get(where).status_code == 404
    assert buyer.get(f"/checkout?sku={village.sku}").status_code == 404
    staff.send(desk, "/moderation/actions/.*/undo")
    assert buyer.get(where).status_code == 200


def test_a_profile_is_edited_and_what_is_refused_stays_typed(village: Village) -> None:
    visitor = Visitor(village.house)
    me = visitor.log_in("writer")
    where = "/me/profile"
    old = visitor.text(where)
    broken = (io.BytesIO(b"no picture"), "a.png")
    refused = visitor.send(where, where, name="Ada", bio="Cups.", avatar=broken)
    assert refused.status_code == 422
    assert "no picture that can be read" in refused.get_data(as_text=True)
    assert 'value="Ada"' in refused.get_data(as_text=True)
    assert "Ada" not in visitor.text(f"/profiles/{me}")
    visitor.send(where, where, name="Ada", bio="Cups.", avatar=(io.BytesIO(picture()), "a.png"))
    shown = visitor.text(f"/profiles/{me}")
    assert all(one in shown for one in ("Ada", "Cups.", "/media/images/"))
    stale = visitor.send_from(old, where, name="Bea", bio="", follow=False)
    assert stale.status_code == 412
    assert "Ada" in visitor.text(f"/profiles/{me}")
    visitor.send(where, where, name="Ada", bio="", remove="1")
    assert "/media/images/" not in visitor.text(f"/profiles/{me}")


def test_a_note_is_written_with_a_picture_and_published_without_script(village: Village) -> None:
    visitor = Visitor(village.house)
    me = visitor.log_in("writer")
    open_gate(village.house, me)
    where = visitor.send("/studio", "/studio/notes", follow=False).location
    broken = (io.BytesIO(b"no picture"), "a.png")
    refused = visitor.send(where, where, title="A kettle", text="I kept it 3 years.", images=broken, action="save")
    assert refused.status_code == 422
    assert "no picture that can be read" in refused.get_data(as_text=True)
    assert 'value="A kettle"' in refused.get_data(as_text=True)
    good = (io.BytesIO(picture()), "a.png")
    visitor.send(
        where, where, title="A kettle", text="I kept it 3 years.", topics="#tea, kettle", images=good, action="save"
    )
    saved = visitor.text(where)
    assert "/media/images/" in saved
    found = visitor.text(f"{where}?product_q=linen")
    assert village.sku in found
    visitor.send_from(found, f"{where}/products", sku=village.sku)
    page = visitor.text(where)
    handed = visitor.send_from(
        page, where, title="A kettle", text="I kept it 3 years.", topics="tea kettle", action="submit"
    )
    assert "Handed in." in handed.get_data(as_text=True)
    village.house.jobs()
    shown = Visitor(village.house).text(where.removeprefix("/studio"))
    assert "Contains products" in shown
    assert "/media/images/" in shown
    visitor.send(where, where, title="A kettle, kept", text="I kept it 3 years.", topics="tea kettle", action="save")
    stale = visitor.send_from(page, where, title="Another kettle", text="x", action="save")
    assert stale.status_code == 412
    assert 'value="Another kettle"' in stale.get_data(as_text=True)


def test_a_host_who_sends_a_picture_is_told_where_and_viewers_wait(village: Village) -> None:
    visitor = Visitor(village.house)
    visitor.log_in("cook")
    desk = visitor.send("/studio", "/studio/rooms", follow=False, title="From my kitchen").location
    assert "Saved." in visitor.send(desk, f"{desk}/stream", stream="srt").get_data(as_text=True)
    before = visitor.text(desk)
    assert "Send your picture to" not in before
    assert 'value="srt" checked' in before
    on_air = visitor.send(desk, f"{desk}/start").get_data(as_text=True)
    assert "Waiting for your picture" in on_air
    key = re.search(r'id="ingest-key" value="([^"]+)"', on_air)
    assert key is not None
    watched = Visitor(village.house).text(desk.removeprefix("/studio"))
    assert "Waiting for the picture" in watched
    assert key[1] not in watched


def test_a_room_is_opened_filled_and_put_on_air_without_script(village: Village) -> None:
    visitor = Visitor(village.house)
    me = visitor.log_in("host")
    open_gate(village.house, me)
    desk = visitor.send("/studio", "/studio/rooms", follow=False, title="Kettles, poured").location
    visitor.send(f"{desk}?product_q=linen", f"{desk}/shelf", sku=village.sku)
    assert "You are on air." in visitor.send(desk, f"{desk}/start").get_data(as_text=True)
    visitor.send(desk, f"{desk}/pin", sku=village.sku)
    room = desk.removeprefix("/studio")
    assert f'data-pinned="{village.sku}"' in visitor.text(room)
    assert "Good evening" in visitor.send(room, f"{room}/chat", text="Good evening").get_data(as_text=True)
    assert room in Visitor(village.house).text("/live")
    assert "The broadcast has ended." in visitor.send(desk, f"{desk}/end").get_data(as_text=True)


def test_deliberate_acts_are_counted_once_and_by_their_channel(village: Village) -> None:
    visitor = Visitor(village.house)
    for path in (
        "/",
        f"/notes/{village.plain}?via=search",
        f"/notes/{village.plain}?via=search",
        f"/rooms/{village.room}",
    ):
        visitor.text(path)
    actor = village.house.services.accounts.actor(village.house.as_("boss", "admin").id)
    staff = Visitor(village.house)
    staff.log_in("counter", "admin", synthetic=True)
    assert "DAU" in staff.text("/figures?by=channel")
    page = staff.text("/figures.csv?by=channel")
    assert re.search(r"^\d{4}-\d\d-\d\d,search,people,CNY,1,0,0\r?$", page, re.MULTILINE), page
    assert actor.has("admin")
    assert "every stored figure is right" in staff.send("/figures", "/figures/recount").get_data(as_text=True)


def test_figures_are_in_the_money_of_the_site(build: Callable[..., House]) -> None:
    house = build(currency="JPY")
    skus = [{"name": "M", "price": {"amount": 12900, "currency": "JPY"}, "stock": 1}]
    made = house.as_("weaver", "merchant").post("products", {"title": "Linen shirt", "skus": skus})
    buy(house.as_("buyer"), made.json["skus"][0]["id"])
    staff = Visitor(house)
    staff.log_in("counter", "admin", synthetic=True)
    page = staff.text("/figures")
    assert "JPY a day" in page
    assert "¥12,900" in page
    assert re.search(r"<title>[^<]*: 12.9K</title>", page)


def test_why_an_item_is_shown_and_less_of_it(village: Village) -> None:
    visitor = Visitor(village.house)
    via = re.search(rf'href="/notes/{village.plain}\?via=feed:(expo_\w+)"', visitor.text("/"))
    assert via
    assert "never part of it" in visitor.text(f"/why/{via[1]}")
    assert "You will see less like this." in visitor.send(
        f"/why/{via[1]}", "/feedback", kind="not_interested"
    ).get_data(as_text=True)
    assert Visitor(village.house).get(f"/why/{via[1]}").status_code == 404


def test_a_language_is_kept(village: Village) -> None:
    visitor = Visitor(village.house)
    assert '<html lang="zh-Hans">' in visitor.send("/live", "/language", language="zh_Hans").get_data(as_text=True)
    assert '<html lang="zh-Hans">' in visitor.text("/")


def test_nonsense_in_addresses_gets_a_page_that_says_so(village: Village) -> None:
    visitor = Visitor(village.house, "zh-CN")
    for path, status in (
        ("/nowhere", 404), ("/notes/note_0", 404), ("/?cursor=zzz", 400), ("/search?q=a&kind=spaceship", 422), ("/search?q=%00a", 422),
        ("/checkout?sku=x&qty=1", 303), ("/products/prod_00000000000000000000000000", 404), ("/report", 405),
    ):  # fmt: skip
        answer = visitor.get(path)
        assert answer.status_code == status, path
        assert answer.mimetype == "text/html"
        assert "Traceback" not in answer.get_data(as_text=True)


def test_nonsense_in_a_form_or_a_period_is_a_refusal(build: Callable[..., House]) -> None:
    house = build(demo=True)
    people = {role: house.as_(role, role).headers for role in ("admin", "moderator", "viewer")}

    def status(role: str, method: str, path: str, **form: str) -> int:
        headers = {"User-Agent": "Mozilla/5.0", "Accept": "text/html", **people[role]}
        return house.app.test_client().open(path, method=method, headers=headers, data=form or None).status_code

    for period in ("to=0001-01-05", "from=9999-12-01&to=9999-12-31", "to=x"):
        assert status("admin", "GET", f"/figures?{period}") < 500, period
    assert status("moderator", "GET", "/moderation?case=%00") == 404
    assert status("viewer", "POST", "/feedback", exposure_id="\x00", kind="not_interested") == 404
    assert status("viewer", "POST", "/checkout/address", sku="garbage", **ADDRESS) in (404, 422)


def test_assets_are_kept_for_ever_and_squeezed(village: Village) -> None:
    visitor = Visitor(village.house)
    style = re.search(r'href="(/static/v-[0-9a-f]+/app.css)"', visitor.text("/live"))
    assert style
    plain = visitor.get(style[1])
    small = visitor.get(style[1], headers={"Accept-Encoding": "gzip"})
    assert "immutable" in plain.headers["Cache-Control"]
    assert small.headers["Content-Encoding"] == "gzip"
    assert len(small.data) < len(plain.data) / 2
    assert visitor.get("/static/v-0/../../app.py").status_code == 404
    assert visitor.get("/static/v-0/%2e%2e/app.py").status_code == 404
