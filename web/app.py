"""The wiring, in reading order: engines, services, reactions, blueprints. Nothing is found by scanning."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, Request, Response
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.routing import BaseConverter

from accounts import AccountService, ApplicationService
from accounts.routes import routes as account_routes
from engines.blobs import FileBlobs
from engines.encoder import Manifest, folder_of, open_encoder
from engines.index import open_index
from engines.kv import open_kv
from engines.media import FfmpegMedia
from engines.offloop import beside, off_loop
from engines.payments import FakePayments
from engines.realtime import InProcessRealtime
from engines.sql import AnyDatabase, open_database
from feed import Candidates, FeedService
from feed.routes import routes as feed_routes
from kernel import http
from kernel.clock import SystemClock
from kernel.config import Settings
from kernel.jobs import Worker
from kernel.policy import Policies
from kernel.ports import Blobs, Clock, Encoder, KeyValue, MediaServer, Realtime, SearchIndex
from live import ChatRate, ChatService, LiveJobs, Presence, RoomDesk, RoomLog, RoomService
from live.routes import media as stream_files
from live.routes import routes as live_routes
from metrics import MetricsService
from metrics.routes import routes as metrics_routes
from moderation import CaseQueue, ModerationService, Notices, Screening, StrikeBook
from moderation.routes import routes as moderation_routes
from notes import MediaService, NoteService, ProductGate
from notes.routes import files as media_files
from notes.routes import routes as note_routes
from search import NoteSource, ProductSource, RoomSource, SearchService
from search.routes import routes as search_routes
from shop import CheckoutService, OrderService, ProductService
from shop.routes import routes as shop_routes
from web import asyncapi, auth, errors, openapi
from web.front import Front
from web.pages import account, figures, front, pay, people, studio, studio_rooms
from web.pages import feed as feed_pages
from web.pages import live as live_pages
from web.pages import moderation as moderation_pages
from web.pages import notes as note_pages
from web.pages import shop as shop_pages
from web.payments import PretendProvider
from web.policies import routes as policy_routes
from web.reactions import connect
from web.targets import ServiceTargets

PAGES = (
    feed_pages, note_pages, people, shop_pages, pay, live_pages, account, studio, studio_rooms, moderation_pages, figures
)  # fmt: skip


@dataclass
class Engines:
    """Everything that has to be closed, opened once per process."""

    db: AnyDatabase
    kv: KeyValue
    blobs: Blobs
    clock: Clock
    payments: FakePayments
    streams: MediaServer
    realtime: Realtime
    encoder: Encoder
    index: SearchIndex

    def close(self, keep_kv: bool = False) -> None:
        self.realtime.close()
        self.streams.close()
        self.index.close()
        self.encoder.close()
        if not keep_kv:
            self.kv.close()
        self.db.close()


@dataclass
class Services:
    """The eight nouns, wired to each other and to their engines."""

    accounts: AccountService
    policies: Policies
    applications: ApplicationService
    metrics: MetricsService
    strikes: StrikeBook
    cases: CaseQueue
    notices: Notices
    screening: Screening
    moderation: ModerationService
    products: ProductService
    checkout: CheckoutService
    orders: OrderService
    gate: ProductGate
    media: MediaService
    notes: NoteService
    candidates: Candidates
    feed: FeedService
    search: SearchService
    rooms: RoomService
    chat: ChatService
    desk: RoomDesk
    live_jobs: LiveJobs
    provider: PretendProvider
    worker: Worker


def open_engines(settings: Settings, clock: Clock | None = None, kv: KeyValue | None = None) -> Engines:
    """Open what stands behind the ports. Raises `SettingError` for a setting that cannot be used."""
    settings.data.mkdir(parents=True, exist_ok=True)
    clock = clock or SystemClock()
    encoder = open_encoder(settings.encoder, settings.data / "models")
    manifest = Manifest.read(folder_of(settings.encoder, settings.data / "models"))
    filled_by = manifest.fingerprint if manifest else encoder.name
    return Engines(
        db=open_database(settings.sql_url, clock),
        kv=kv or open_kv(settings.kv_url, settings.data / "kv"),
        blobs=FileBlobs(settings.data / "media" / "images"),
        clock=clock,
        payments=FakePayments(settings.data / "payments.db", secret_key(settings), settings.public_url, clock),
        streams=FfmpegMedia(settings.data / "live", clock),
        realtime=InProcessRealtime(),
        encoder=encoder,
        index=open_index(settings.index_url, settings.data / "index", encoder.dimensions, off_loop, filled_by),
    )


def build_services(settings: Settings, engines: Engines) -> Services:
    """Put the services together; whoever must ask upwards gets a port here."""
    accounts = AccountService(engines.db, off_loop)
    policies = Policies(engines.db)
    strikes = StrikeBook(engines.db, policies)
    applications = ApplicationService(engines.db, accounts, strikes)
    metrics = MetricsService(engines.db, settings.zone, settings.currency)
    cases = CaseQueue(engines.db)
    notices = Notices(engines.db)
    products = ProductService(engines.db, accounts)
    gate = ProductGate(applications, strikes, products)
    media = MediaService(engines.db, engines.blobs, off_loop)
    notes = NoteService(engines.db, accounts, products, gate, media)
    room_log = RoomLog(engines.db, engines.realtime, engines.streams.media_at, beside)
    presence = Presence(engines.kv)
    rooms = RoomService(engines.db, accounts, gate, products, engines.streams, presence, room_log)
    targets = ServiceTargets(accounts, notes, rooms, products)
    rate = ChatRate() if settings.rate_limits else None
    accounts.live_hosts = rooms.live_hosts
    candidates = Candidates(engines.db, notes)
    worker = Worker(engines.db, {})
    orders = OrderService(engines.db, engines.payments, off_loop)
    services = Services(
        accounts=accounts,
        policies=policies,
        applications=applications,
        metrics=metrics,
        strikes=strikes,
        cases=cases,
        notices=notices,
        screening=Screening(engines.db, cases),
        moderation=ModerationService(engines.db, cases, notices, strikes, targets),
        products=products,
        checkout=CheckoutService(engines.db, policies),
        orders=orders,
        gate=gate,
        media=media,
        notes=notes,
        candidates=candidates,
        feed=FeedService(engines.db, accounts, notes, rooms, candidates, policies),
        search=SearchService(
            engines.index,
            engines.encoder,
            {"note": NoteSource(notes), "product": ProductSource(products), "room": RoomSource(rooms)},
            off_loop,
        ),
        rooms=rooms,
        chat=ChatService(engines.db, accounts, rooms, engines.kv, engines.realtime, rate),
        desk=RoomDesk(engines.db, rooms),
        live_jobs=LiveJobs(rooms),
        provider=PretendProvider(engines.payments, orders, off_loop),
        worker=worker,
    )
    engines.db.on_jobs = worker.wake
    connect(engines.db, services)
    return services


def create_app(settings: Settings, engines: Engines, services: Services) -> Flask:
    """The WSGI application."""
    app = Flask("web", static_folder="static", template_folder="templates")
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_body, RATE_LIMITS=settings.rate_limits, SECRET_KEY=secret_key(settings)
    )
    app.session_interface = NoSession()
    app.wsgi_app = Front(app.wsgi_app)  # type: ignore[method-assign]
    with app.app_context():
        http.register(KeyValue, engines.kv)  # type: ignore[type-abstract]
        for service in vars(services).values():
            http.register(type(service), service)
    front.install(app, settings, engines.clock)
    auth.install(app)
    errors.install(app)
    add_services(app)
    app.add_url_rule("/healthz", view_func=healthz)
    app.add_url_rule("/api/v1/asyncapi.json", view_func=_constant(asyncapi.document), endpoint="asyncapi")
    app.add_url_rule("/api/v1/openapi.json", view_func=_constant(lambda: openapi.document(app)), endpoint="openapi")
    return app


def add_services(app: Flask) -> None:
    """The views of every service; with nothing behind them they still make the documents."""
    app.url_map.converters["id"] = IdConverter
    app.url_map.merge_slashes = False  # a redirect would answer a wrong path of the API with a page
    app.register_blueprint(account_routes)
    app.register_blueprint(metrics_routes)
    app.register_blueprint(moderation_routes)
    app.register_blueprint(note_routes)
    app.register_blueprint(media_files)
    app.register_blueprint(shop_routes)
    app.register_blueprint(feed_routes)
    app.register_blueprint(search_routes)
    app.register_blueprint(live_routes)
    app.register_blueprint(stream_files)
    app.register_blueprint(policy_routes)
    for pages in PAGES:
        app.register_blueprint(pages.routes)


class NoSession(SessionInterface):
    """Who asks is `web/auth.py`'s matter; Flask's signed session would be opened for every request and hold nothing."""

    def open_session(self, app: Flask, request: Request) -> None:
        return None

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        pass


class IdConverter(BaseConverter):
    """A path part that has the form of an id; anything else is no such page."""

    regex = r"[a-z]{2,12}_[0-9a-z]{26}"


def healthz() -> Response:
    """The process answers."""
    return Response(b'{"status":"ok"}', mimetype="application/json")


def secret_key(settings: Settings) -> str:
    """The configured secret, or one made once and kept in the data folder."""
    if settings.secret:
        return settings.secret
    path = settings.data / "secret"
    if not path.exists():
        _write_private(path, secrets.token_urlsafe(48))
    return path.read_text()


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _constant(make: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """A view whose answer never changes while the process runs; made at its first call."""
    made: list[dict[str, Any]] = []

    def view() -> dict[str, Any]:
        if not made:
            made.append(make())
        return made[0]

    return view
