"""Live rooms through HTTP: on air and off, the log, chat and its order, who may see what."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kernel.errors import Unavailable
from kernel.idempotency import new_key
from live import state as states
from live.service import SWEEP, SWEEP_EVERY
from tests.house import Client, House, problem
from tests.market import buy, list_product, pay, sell
from tests.studio import events, go_live, merchant_live, open_room

NOBODY = "room_" + "0" * 26


def kinds(found: list[dict]) -> list[str]:
    return [event["kind"] for event in found]


# -- on air and off ---------------------------------------------------------------------------------------------------


def test_a_room_goes_on_air_is_listed_and_ends(any_house: House) -> None:
    host, viewer = any_house.as_("host"), any_house.device()
    room = open_room(host)
    assert viewer.get("rooms").json["items"] == []
    started = host.post(f"rooms/{room}/start").json
    assert (started["status"], started["playlist"]) == ("live", f"/media/live/{room}/index.m3u8")
    card = viewer.get("rooms").json["items"][0]
    assert (card["kind"], card["id"], card["host"]["is_live"], card["commercial"]) == ("room", room, True, False)
    assert any_house.services.directory.live_ids() == [room]
    assert host.post(f"rooms/{room}/end").json["status"] == "ended"
    assert viewer.get("rooms").json["items"] == []
    assert kinds(events(viewer, room)) == ["room.started", "room.ended"]
    assert viewer.get(f"accounts/{host.id}").json["is_live"] is False


def test_starting_twice_is_refused_and_a_key_has_one_effect(any_house: House) -> None:
    host, key = any_house.as_("host"), new_key()
    room = open_room(host)
    first = host.post(f"rooms/{room}/start", key=key)
    again = host.post(f"rooms/{room}/start", key=key)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.json["state"]["session"] == again.json["state"]["session"]
    assert problem(host.post(f"rooms/{room}/start")) == (409, "room.already_live")
    assert kinds(events(host, room)) == ["room.started"]
    assert any_house.engines.streams.media_at is not None


def test_a_host_is_on_air_in_one_room(any_house: House) -> None:
    host = any_house.as_("host")
    room, other = go_live(host), open_room(host)
    refused = host.post(f"rooms/{other}/start")
    assert problem(refused) == (409, "room.host_on_air")
    assert refused.json["room"] == room
    assert (host.get(f"rooms/{other}").json["status"], any_house.engines.streams.kept(other)) == ("created", False)
    any_house.engines.db.write(lambda tx: any_house.services.desk.hide(tx, room))
    assert problem(host.post(f"rooms/{other}/start")) == (409, "room.host_on_air")
    host.post(f"rooms/{room}/end")
    assert host.post(f"rooms/{other}/start").json["status"] == "live"


def test_so_many_rooms_are_on_air_as_the_policy_says(any_house: House) -> None:
    admin, hosts = any_house.as_("boss", "admin"), [any_house.as_(f"host{number}") for number in range(2)]
    rooms = [open_room(host) for host in hosts]
    most = {"name": "live.rooms_on_air", "value": 1, "reason": "a small machine"}
    assert admin.put("policies", most).status_code == 200
    assert hosts[0].post(f"rooms/{rooms[0]}/start").status_code == 200
    refused = hosts[1].post(f"rooms/{rooms[1]}/start")
    assert (problem(refused), refused.headers["Retry-After"]) == ((503, "air.full"), "60")
    assert hosts[1].get(f"rooms/{rooms[1]}").json["status"] == "created"
    assert any_house.engines.streams.kept(rooms[1]) is False
    hosts[0].post(f"rooms/{rooms[0]}/end")
    assert hosts[1].post(f"rooms/{rooms[1]}/start").status_code == 200


def test_a_room_that_ended_starts_again_as_a_new_session_of_the_same_numbers(house: House) -> None:
    host = house.as_("host")
    room = go_live(host)
    first = host.get(f"rooms/{room}").json["state"]["session"]
    host.post(f"rooms/{room}/end")
    again = host.post(f"rooms/{room}/start").json
    assert again["state"]["session"] != first
    assert [event["seq"] for event in events(host, room)] == [1, 2, 3]


def test_only_the_host_runs_a_room_and_a_moderator_may_end_it(house: House) -> None:
    host, stranger, moderator = house.as_("host"), house.as_("stranger"), house.as_("mod", "moderator")
    room = go_live(host)
    for path, body in (("end", {}), ("start", {}), ("cut", {"reason": "no"})):
        assert problem(stranger.post(f"rooms/{room}/{path}", body))[0] == 403
    assert problem(stranger.put(f"rooms/{room}/shelf", {"skus": []})) == (403, "room.not_host")
    assert problem(house.device().post(f"rooms/{room}/end")) == (401, "session.required")
    assert kinds(events(host, room)) == ["room.started"]
    assert moderator.post(f"rooms/{room}/cut", {"reason": "not allowed"}).status_code == 204
    assert kinds(events(host, room)) == ["room.started", "moderation.acted", "room.ended"]
    assert events(host, room)[-1]["data"] == {"reason": "cut"}


# -- the shelf --------------------------------------------------------------------------------------------------------


def test_somebody_elses_products_need_the_gate(house: House) -> None:
    host, sku = house.as_("host"), sell(house)
    assert problem(host.post("rooms", {"title": "Mine", "shelf": [sku]})) == (403, "creator.not_approved")
    room = go_live(host)
    assert problem(host.put(f"rooms/{room}/shelf", {"skus": [sku]})) == (403, "creator.not_approved")
    unknown = "sku_" + "0" * 26
    assert problem(host.put(f"rooms/{room}/shelf", {"skus": [unknown]})) == (422, "product.not_found")
    shown = host.get(f"rooms/{room}").json
    assert (shown["shelf"], shown["commercial"], kinds(events(host, room))) == ([], False, ["room.started"])


def test_a_room_that_sells_says_so_everywhere(any_house: House) -> None:
    host, room, sku = merchant_live(any_house)
    viewer = any_house.device()
    for shown in (viewer.get("rooms").json["items"][0], viewer.get(f"rooms/{room}").json):
        assert (shown["commercial"], shown["disclosure"]["kind"]) == (True, "own_product")
    state = viewer.get(f"rooms/{room}").json["state"]
    assert state["shelf"][0]["sku_id"] == sku
    assert state["shelf"][0]["stock"] == {"available": 5, "reserved": 0, "state": "in_stock"}
    assert state["disclosure"]["kind"] == "own_product"
    host.put(f"rooms/{room}/shelf", {"skus": []})
    assert viewer.get("rooms").json["items"][0]["commercial"] is False


def test_pinning_takes_what_stands_on_the_shelf(any_house: House) -> None:
    host, room, sku = merchant_live(any_house)
    other = list_product(host)["skus"][0]["id"]
    assert problem(host.put(f"rooms/{room}/pin", {"sku": other})) == (422, "pin.not_on_shelf")
    assert host.put(f"rooms/{room}/pin", {"sku": sku}).json["pinned"] == sku
    host.put(f"rooms/{room}/shelf", {"skus": [other]})
    shown = host.get(f"rooms/{room}").json
    assert (shown["pinned"], shown["state"]["pinned"]) == (None, None)
    assert kinds(events(host, room)) == ["room.started", "product.pinned", "shelf.changed"]


def test_orders_change_the_stock_that_the_room_shows(any_house: House) -> None:
    _, room, sku = merchant_live(any_house, stock=1)
    buyer = any_house.as_("buyer")
    placed = buy(buyer, sku, touchpoint={"placement": "room", "room_id": room})
    found = events(buyer, room, after=1)
    assert sorted(kinds(found)) == ["order.placed", "stock.changed"]
    state = buyer.get(f"rooms/{room}").json["state"]
    assert (state["orders"], state["shelf"][0]["stock"]["state"]) == (1, "all_held")
    pay(any_house, buyer, placed["order"])
    assert buyer.get(f"rooms/{room}").json["state"]["shelf"][0]["stock"]["state"] == "sold_out"


def test_an_order_of_something_else_does_not_show_in_the_room(house: House) -> None:
    _, room, _ = merchant_live(house)
    buy(house.as_("buyer"), sell(house), touchpoint={"placement": "room"})
    assert kinds(events(house.device(), room)) == ["room.started"]


def test_a_changed_price_shows_on_the_shelf(house: House) -> None:
    host, room, sku = merchant_live(house)
    version = host.get(f"skus/{sku}").headers["ETag"]
    changed = host.patch(f"skus/{sku}", {"price": {"amount": 500, "currency": "CNY"}}, version)
    assert changed.status_code == 200, changed.json
    house.jobs()
    assert host.get(f"rooms/{room}").json["state"]["shelf"][0]["price"]["amount"] == 500


# -- the log ----------------------------------------------------------------------------------------------------------


def test_the_log_has_no_gaps_and_folds_into_the_snapshot(any_house: House) -> None:
    host, room, sku = merchant_live(any_house, stock=50)
    buyers = [any_house.as_(f"buyer{number}") for number in range(4)]

    def shop(buyer: Client) -> None:
        for _ in range(3):
            buy(buyer, sku, touchpoint={"placement": "room", "room_id": room})

    threads = [threading.Thread(target=shop, args=(buyer,)) for buyer in buyers]
    for thread in threads:
        thread.start()
    for number in range(4):
        host.put(f"rooms/{room}/pin", {"sku": sku if number % 2 else None})
    for thread in threads:
        thread.join()
    any_house.services.rooms.log.sequence(room)
    found, shown = events(host, room), host.get(f"rooms/{room}").json
    assert [event["seq"] for event in found] == list(range(1, 1 + 1 + 24 + 4))
    assert states.fold(states.fresh(room), found) == shown["state"]
    assert shown["seq"] == len(found)
    assert shown["state"]["shelf"][0]["stock"]["available"] == 50 - 12
    for seq in (0, 7, len(found)):
        old = states.fold(states.fresh(room), found[:seq])
        assert states.fold(old, events(host, room, after=seq)) == shown["state"]


def test_what_a_killed_process_left_in_the_outbox_is_numbered(any_house: House) -> None:
    host, room, sku = merchant_live(any_house)
    log = any_house.services.rooms.log
    nudge, log.nudge = log.nudge, lambda room_id: None  # the process dies between its commit and the reaction
    pin = any_house.services.shelf.pin_within
    write = any_house.engines.db.write
    write(lambda tx: pin(tx, room, sku))
    assert len(log.events_after(room, 0)) == 1
    any_house.clock.advance(seconds=SWEEP_EVERY.total_seconds())
    any_house.jobs()
    assert len(log.events_after(room, 0)) == 2
    write(lambda tx: pin(tx, room, None))
    assert any_house.services.streams.resume_live() == [room]
    assert len(log.events_after(room, 0)) == 3
    write(lambda tx: pin(tx, room, sku))
    assert kinds(events(host, room)) == ["room.started", "product.pinned", "product.pinned", "product.pinned"]
    log.nudge = nudge


def test_a_sweep_that_fails_numbers_what_waits_when_it_is_tried_again(any_house: House) -> None:
    """Also of a session that has ended, which has no later sweep; the retry took the session for swept."""
    host, room, _ = merchant_live(any_house)
    log, nudge, sequence = (
        any_house.services.rooms.log,
        any_house.services.rooms.log.nudge,
        any_house.services.rooms.log.sequence,
    )
    log.nudge = lambda room_id: None

    def away(room_id: str) -> int:
        raise Unavailable("database.unavailable", "PostgreSQL is being restarted.")

    before = len(log.events_after(room, 0))
    log.sequence = away
    host.post(f"rooms/{room}/end")
    any_house.clock.advance(seconds=SWEEP_EVERY.total_seconds())
    any_house.jobs()
    log.sequence = sequence
    any_house.clock.advance(seconds=2)
    any_house.jobs()
    assert len(log.events_after(room, 0)) == before + 1
    assert kinds(events(host, room))[-1] == "room.ended"
    log.nudge = nudge


def test_the_sweep_goes_on_once_while_the_room_is_live_and_stops_after(house: House) -> None:
    host = house.as_("host")
    room = go_live(host)
    session = host.get(f"rooms/{room}").json["state"]["session"]
    house.engines.db.write(lambda tx: tx.enqueue(SWEEP, {"session_id": session}, tx.now + SWEEP_EVERY))
    for _ in range(3):
        house.clock.advance(seconds=5)
        ran = house.jobs()
    assert ran == 1
    host.post(f"rooms/{room}/end")
    house.jobs()
    house.clock.advance(seconds=60)
    house.jobs()
    house.clock.advance(seconds=60)
    assert house.jobs() == 0


def test_events_are_marked_with_the_streams_own_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = house.clock.now() - timedelta(seconds=3)
    host = house.as_("host")
    monkeypatch.setattr(house.services.rooms.log, "_media_at", lambda room: moment)
    room = go_live(host)
    assert events(host, room)[0]["media_at"] == "2026-11-22T03:59:57.000Z"
    assert events(host, room)[0]["at"] == "2026-11-22T04:00:00.000Z"


# -- the stream -------------------------------------------------------------------------------------------------------


def test_the_stream_is_served_while_the_room_may_be_seen(house: House) -> None:
    host, room, _ = merchant_live(house)
    assert house.engines.streams.ready(room)
    status, kind, playlist = fetch(house, f"{room}/index.m3u8")
    assert (status, kind) == (200, "application/vnd.apple.mpegurl")
    segment = next(line for line in playlist.decode().splitlines() if line.endswith(".ts"))
    status, kind, chunk = fetch(house, f"{room}/{segment}")
    assert (status, kind, chunk[:1]) == (200, "video/mp2t", b"G")
    assert fetch(house, f"{room}/poster.jpg")[2][:2] == b"\xff\xd8"
    for name in ("ffmpeg.log", "..%2fsecret", "seg-1.ts.bak"):
        assert fetch(house, f"{room}/{name}")[0] == 404
    assert fetch(house, f"{NOBODY}/index.m3u8")[0] == 404
    house.engines.db.write(lambda tx: house.services.desk.hide(tx, room))
    assert fetch(house, f"{room}/index.m3u8")[0] == 404
    assert house.engines.streams.running(room) is False
    house.engines.db.write(lambda tx: house.services.desk.restore(tx, room))
    assert house.engines.streams.ready(room)
    host.post(f"rooms/{room}/end")
    assert b"#EXT-X-ENDLIST" in fetch(house, f"{room}/index.m3u8")[2]
    house.clock.advance(minutes=1)
    assert fetch(house, f"{room}/index.m3u8")[0] == 404


def fetch(house: House, path: str) -> tuple[int, str, bytes]:
    """Status, type and bytes of a file of a stream."""
    with house.anonymous().get(f"/media/live/{path}") as response:
        return response.status_code, response.mimetype, response.get_data()


def test_a_stream_that_does_not_start_leaves_the_room_off_air(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    host = house.as_("host")
    room = open_room(host)

    def away(stream_id: str, source: object = "test") -> Path:
        raise Unavailable("media.unavailable", "The media server does not answer.")

    monkeypatch.setattr(house.engines.streams, "start", away)
    assert problem(host.post(f"rooms/{room}/start")) == (503, "media.unavailable")
    assert host.get(f"rooms/{room}").json["status"] == "created"


def test_a_start_that_cannot_be_written_down_leaves_no_stream(
    any_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes away between the stream's start and the commit: nobody can be asked whether the room is on air."""
    host = any_house.as_("host")
    room, streams = open_room(host), any_house.engines.streams
    start = streams.start

    def away(*_: object) -> None:
        raise Unavailable("database.unavailable", "The database does not answer.")

    with monkeypatch.context() as patch:

        def start_then_lose(*what: Any) -> Any:
            begun = start(*what)
            for verb in ("read", "write"):
                patch.setattr(any_house.engines.db, verb, away)
            return begun

        patch.setattr(streams, "start", start_then_lose)
        assert problem(host.post(f"rooms/{room}/start")) == (503, "database.unavailable")
    assert (streams.running(room), streams.kept(room)) == (False, False)
    assert host.get(f"rooms/{room}").json["status"] == "created"
    assert host.post(f"rooms/{room}/start").status_code == 200
    assert streams.running(room)


def test_what_a_broadcast_left_is_deleted_when_players_have_finished(any_house: House) -> None:
    streams, worker = any_house.engines.streams, any_house.services.worker
    host = any_house.as_("host")
    ended, live = go_live(host), go_live(any_house.as_("other"))
    assert streams.ready(ended)
    assert streams.ready(live)
    host.post(f"rooms/{ended}/end")
    any_house.services.streams.clear_ended()
    assert fetch(any_house, f"{ended}/index.m3u8")[0] == 200
    worker.start_repeating()
    any_house.clock.advance(minutes=6)
    any_house.jobs()
    assert streams.stored() == [live]
    assert fetch(any_house, f"{live}/index.m3u8")[0] == 200
    assert host.post(f"rooms/{ended}/start").status_code == 200
    assert streams.ready(ended)


def test_what_a_crash_left_is_deleted_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process was killed after the commit that ended the room, or a restored database knows nothing of it."""
    streams = house.engines.streams
    host = house.as_("host")
    room = go_live(host)
    assert streams.ready(room)
    streams.close()
    with monkeypatch.context() as patch:
        patch.setattr(streams, "stop", lambda stream_id: None)
        host.post(f"rooms/{room}/end")
        house.jobs()
    (house.settings.data / "live" / NOBODY).mkdir()
    (house.settings.data / "live" / NOBODY / "seg-1.ts").write_bytes(b"G")
    assert streams.stored() == sorted([room, NOBODY])
    house.clock.advance(minutes=6)
    house.services.streams.clear_ended()
    assert streams.stored() == []


# -- who may see it ---------------------------------------------------------------------------------------------------


def test_a_hidden_room_is_gone_from_every_door(any_house: House) -> None:
    host, room, _ = merchant_live(any_house)
    viewer = any_house.device()
    any_house.engines.db.write(lambda tx: any_house.services.desk.hide(tx, room))
    assert viewer.get("rooms").json["items"] == []
    assert problem(viewer.get(f"rooms/{room}")) == (404, "room.not_found")
    assert problem(viewer.get(f"rooms/{room}/events")) == (404, "room.not_found")
    assert any_house.services.directory.live_ids() == []
    assert host.get(f"rooms/{room}").json["hidden"] is True
    any_house.engines.db.write(lambda tx: any_house.services.desk.restore(tx, room))
    assert viewer.get(f"rooms/{room}").status_code == 200


def test_a_reported_room_is_hidden_and_comes_back_by_undo(any_house: House) -> None:
    host, viewer, moderator = any_house.as_("host"), any_house.as_("viewer"), any_house.as_("mod", "moderator")
    room = go_live(host, "Miracle pills")
    report = {"target": {"kind": "room", "id": room}, "reason": "dangerous"}
    assert viewer.post("reports", report).status_code == 201
    case = moderator.get("cases?kind=room").json["items"][0]
    moderator.post(f"cases/{case['id']}/claim")
    acted = moderator.post(f"cases/{case['id']}/actions", {"action": "hide", "version": 1, "reason": "No such claims"})
    assert acted.status_code == 201, acted.json
    assert viewer.get("rooms").json["items"] == []
    assert problem(viewer.get(f"rooms/{room}")) == (404, "room.not_found")
    undone = moderator.post(f"actions/{acted.json['id']}/undo", {"reason": "It was vitamin C"})
    assert undone.status_code == 200, undone.json
    assert viewer.get(f"rooms/{room}").json["status"] == "live"


def test_a_suspended_host_goes_off_air(house: House) -> None:
    host, viewer = house.as_("host"), house.device()
    room = go_live(host)
    house.engines.db.write(lambda tx: house.services.desk.end_rooms_of(tx, host.id))
    assert viewer.get(f"rooms/{room}").json["status"] == "ended"


def test_a_block_hides_the_room_in_both_directions(house: House) -> None:
    host, viewer = house.as_("host"), house.as_("viewer")
    room = go_live(host)
    viewer.put(f"accounts/{host.id}/block")
    assert viewer.get("rooms").json["items"] == []
    assert problem(viewer.get(f"rooms/{room}")) == (404, "room.not_found")


def test_a_page_that_the_rules_shorten_is_refilled(house: House) -> None:
    viewer, rooms = house.as_("viewer"), []
    hosts = [house.as_(f"host{number}") for number in range(4)]
    for host in hosts:
        rooms.insert(0, go_live(host))
        house.clock.advance(seconds=1)
    viewer.put(f"accounts/{hosts[2].id}/block")
    first = viewer.get("rooms?limit=2").json
    assert [item["id"] for item in first["items"]] == [rooms[0], rooms[2]]
    second = viewer.get(f"rooms?limit=2&cursor={first['next_cursor']}").json
    assert ([item["id"] for item in second["items"]], second["next_cursor"]) == ([rooms[3]], None)


# -- chat -------------------------------------------------------------------------------------------------------------


def test_chat_counts_for_itself_and_a_key_speaks_once(any_house: House) -> None:
    host, viewer, key = any_house.as_("host"), any_house.as_("viewer"), new_key()
    room = go_live(host)
    first = viewer.post(f"rooms/{room}/chat", {"text": "hello"}, key=key)
    assert viewer.post(f"rooms/{room}/chat", {"text": "hello"}, key=key).json == first.json
    assert problem(viewer.post(f"rooms/{room}/chat", {"text": "other"}, key=key)) == (409, "idempotency.key_reused")
    host.post(f"rooms/{room}/chat", {"text": "welcome"})
    said = any_house.device().get(f"rooms/{room}/chat").json["items"]
    assert [(m["n"], m["text"], m["from"]["handle"]) for m in said] == [(1, "hello", "viewer"), (2, "welcome", "host")]
    assert kinds(events(host, room)) == ["room.started"]


def test_chat_needs_somebody_a_live_room_and_fit_words(house: House) -> None:
    host = house.as_("host")
    room = open_room(host)
    assert problem(host.post(f"rooms/{room}/chat", {"text": "early"})) == (409, "room.not_live")
    host.post(f"rooms/{room}/start")
    assert problem(house.device().post(f"rooms/{room}/chat", {"text": "hi"})) == (401, "session.required")
    for text in ("", "x" * 201, "a\u202eb", "a\x00b", 7):
        assert problem(host.post(f"rooms/{room}/chat", {"text": text})) == (422, "request.invalid"), text
    assert house.device().get(f"rooms/{room}/chat").json["items"] == []


def test_the_host_deletes_mutes_bans_and_slows(any_house: House) -> None:
    host, viewer, other = any_house.as_("host"), any_house.as_("viewer"), any_house.as_("other")
    room = go_live(host)
    message = viewer.post(f"rooms/{room}/chat", {"text": "rude"}).json["id"]
    assert problem(other.delete(f"rooms/{room}/chat/{message}")) == (403, "room.not_host")
    assert host.delete(f"rooms/{room}/chat/{message}").status_code == 204
    assert other.get(f"rooms/{room}/chat").json["items"] == []
    assert problem(other.put(f"rooms/{room}/restrictions", {"account": viewer.id})) == (403, "room.not_host")
    host.put(f"rooms/{room}/restrictions", {"account": viewer.id, "seconds": 60})
    assert problem(viewer.post(f"rooms/{room}/chat", {"text": "again"})) == (403, "chat.muted")
    any_house.clock.advance(seconds=61)
    assert viewer.post(f"rooms/{room}/chat", {"text": "sorry"}).status_code == 201
    host.put(f"rooms/{room}/restrictions", {"account": viewer.id, "kind": "ban"})
    assert problem(viewer.post(f"rooms/{room}/chat", {"text": "again"})) == (403, "room.banned")
    host.delete(f"rooms/{room}/restrictions/{viewer.id}")
    host.put(f"rooms/{room}/slow", {"seconds": 600})
    assert viewer.post(f"rooms/{room}/chat", {"text": "one"}).status_code == 201
    assert problem(viewer.post(f"rooms/{room}/chat", {"text": "two"})) == (429, "chat.slow")
    assert host.post(f"rooms/{room}/chat", {"text": "the host is not slowed"}).status_code == 201
    assert host.get(f"rooms/{room}").json["state"]["slow"] == 600


def test_a_host_bans_no_moderator_and_one_who_became_one_is_free(any_house: House) -> None:
    host, mod, viewer = any_house.as_("host"), any_house.as_("mod", "moderator"), any_house.as_("viewer")
    room = go_live(host)
    for kind in ("mute", "ban"):
        refused = host.put(f"rooms/{room}/restrictions", {"account": mod.id, "kind": kind})
        assert problem(refused) == (403, "restriction.staff")
    assert mod.post(f"rooms/{room}/chat", {"text": "Keep it kind."}).status_code == 201
    host.put(f"rooms/{room}/restrictions", {"account": viewer.id, "kind": "ban"})
    any_house.engines.db.write(lambda tx: any_house.services.accounts.add_role(tx, viewer.id, "moderator"))
    assert viewer.post(f"rooms/{room}/chat", {"text": "My turn."}).status_code == 201
    any_house.services.desk.check_entry(any_house.services.accounts.actor(viewer.id), room)


def test_what_a_moderator_set_the_host_neither_lifts_nor_replaces(any_house: House) -> None:
    host, mod, viewer = any_house.as_("host"), any_house.as_("mod", "moderator"), any_house.as_("viewer")
    room = go_live(host)
    theirs = f"rooms/{room}/restrictions/{viewer.id}"
    mod.put(f"rooms/{room}/restrictions", {"account": viewer.id, "kind": "ban", "seconds": 600})
    assert problem(host.delete(theirs)) == (403, "restriction.by_staff")
    lighter = {"account": viewer.id, "kind": "mute", "seconds": 1}
    assert problem(host.put(f"rooms/{room}/restrictions", lighter)) == (403, "restriction.by_staff")
    assert problem(viewer.post(f"rooms/{room}/chat", {"text": "hi"})) == (403, "room.banned")
    any_house.clock.advance(seconds=601)
    assert host.put(f"rooms/{room}/restrictions", {"account": viewer.id, "kind": "mute"}).status_code == 204
    assert host.delete(theirs).status_code == 204
    host.put(f"rooms/{room}/restrictions", {"account": viewer.id, "kind": "ban"})
    mod.put(f"rooms/{room}/restrictions", {"account": viewer.id, "kind": "mute"})
    assert problem(viewer.post(f"rooms/{room}/chat", {"text": "hi"})) == (403, "chat.muted")
    assert mod.delete(theirs).status_code == 204
    assert viewer.post(f"rooms/{room}/chat", {"text": "hi"}).status_code == 201
    assert host.delete(theirs).status_code == 204


def test_nobody_reads_the_chat_of_somebody_behind_a_block(house: House) -> None:
    host, viewer, troll = house.as_("host"), house.as_("viewer"), house.as_("troll")
    room = go_live(host)
    troll.post(f"rooms/{room}/chat", {"text": "you there"})
    viewer.put(f"accounts/{troll.id}/block")
    assert viewer.get(f"rooms/{room}/chat").json["items"] == []
    assert len(host.get(f"rooms/{room}/chat").json["items"]) == 1


# -- bad input, documents ---------------------------------------------------------------------------------------------


def test_rubbish_is_refused_with_a_code_and_changes_nothing(house: House) -> None:
    host = house.as_("host")
    for form in ({}, {"title": ""}, {"title": 5}, {"title": "x", "extra": 1}, {"title": "x", "shelf": ["nonsense"]}):
        assert problem(host.post("rooms", form)) == (422, "request.invalid"), form
    room = go_live(host)
    for query in ("after=-1", "after=x", "after=99999999999999999999", "before=1"):
        assert problem(host.get(f"rooms/{room}/events?{query}")) == (422, "request.invalid"), query
    assert events(host, room, after=10**9) == []
    assert problem(host.get("rooms?cursor=nonsense")) == (400, "cursor.malformed")
    assert problem(host.get(f"rooms/{NOBODY}")) == (404, "room.not_found")
    assert problem(host.put(f"rooms/{room}/shelf", {"skus": ["sku_" + "0" * 26] * 2})) == (422, "shelf.repeated")
    assert kinds(events(host, room)) == ["room.started"]


def test_the_socket_interface_is_described(house: House) -> None:
    document = house.anonymous().get("asyncapi.json").json
    assert document["asyncapi"] == "3.0.0"
    assert {"room.join", "order.purchase", "room.event", "presence"} <= document["components"]["messages"].keys()
    assert document["operations"]["room_join"]["action"] == "receive"
