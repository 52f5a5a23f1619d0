"""Socket.IO on the app: who connects, how big and how often, and the namespace of live rooms."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated, Any

import gevent
from flask import Flask
from flask_socketio import SocketIO
from pydantic import StringConstraints
from werkzeug.http import parse_cookie

from accounts import AccountService
from engines.offloop import beside
from kernel.actor import ANONYMOUS, Actor
from kernel.errors import Unauthenticated
from kernel.http import parse
from kernel.schema import Schema
from live import Authenticate, LiveNamespace, ShopCounter
from web.auth import DEVICE_COOKIE, SESSION_COOKIE, device_of
from web.engines import Engines
from web.errors import ack_problem
from web.meters import Meters
from web.packets import Json, JsonPacket
from web.polling import Polling
from web.services import Services
from web.ticks import each_second
from web.websocket import Backlog, WebSocketWSGI

log = logging.getLogger("offshelf.sockets")
MAX_FRAME = 64 * 1024
PING_EVERY, PING_WAIT = 20, 15


class Auth(Schema):
    """What a client may say when it connects."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    device: Annotated[str, StringConstraints(max_length=48)] | None = None


def create_socketio(app: Flask, services: Services, engines: Engines) -> SocketIO:
    """Put Socket.IO and the live namespace on the app. Browsers connect from the same origin only.

    A refused log-in is a connect error with its problem, so `always_connect` stays off; nothing is emitted before the connect
    packet because it is deferred. One frame of a connection is handled at a time: order, and back-pressure.
    """
    socketio = SocketIO(
        app,
        async_mode="gevent",
        async_handlers=False,
        manage_session=False,
        json=Json,
        serializer=JsonPacket,
        logger=logging.getLogger("socketio"),  # else both print past our log
        engineio_logger=logging.getLogger("engineio"),
        max_http_buffer_size=MAX_FRAME,
        ping_interval=PING_EVERY,
        ping_timeout=PING_WAIT,
        http_compression=False,
    )
    engine = socketio.server.eio
    meters: Meters = app.extensions["offshelf"][Meters]
    engine._async = {**engine._async, "websocket": WebSocketWSGI, "queue": Backlog}
    engine.handle_request = Polling(engine)
    namespace = LiveNamespace(
        rooms=services.directory,
        chat=services.chat,
        desk=services.desk,
        checkout=ShopCounter(services.checkout),
        realtime=engines.realtime,
        clock=engines.clock,
        authenticate=authenticator(services.accounts),
        problem=ack_problem,
        defer=beside,
        count=meters.frame,
        limit_addresses=app.config["RATE_LIMITS"],
    )
    meters.connections = namespace.audience.connections
    socketio.on_namespace(namespace)
    socketio.ticker = gevent.spawn(each_second, namespace.tick, services.streams.watch)
    return socketio


def authenticator(accounts: AccountService) -> Authenticate:
    """Who connects: a token, else the page's session cookie, else a device, else nobody."""

    def authenticate(auth: Mapping[str, Any] | None, environ: Mapping[str, Any]) -> Actor:
        given = parse(Auth, dict(auth or {}))
        if given.token is not None:
            return accounts.authenticate(given.token)
        cookies = parse_cookie(environ.get("HTTP_COOKIE", ""))
        if (session := cookies.get(SESSION_COOKIE)) is not None:
            try:
                return accounts.authenticate(session)
            except Unauthenticated:
                log.debug("a page's session has ended")
        device = device_of(given.device or cookies.get(DEVICE_COOKIE))
        known = accounts.device_actor(device) if device is not None else None
        return known or ANONYMOUS

    return authenticate
