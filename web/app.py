"""The roof, in reading order: engines, services, reactions, blueprints. Nothing is found by scanning."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from flask import Flask, Request, Response, current_app, request
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.routing import BaseConverter

from accounts.routes import routes as account_routes
from feed.routes import routes as feed_routes
from kernel import http
from kernel.config import Settings
from kernel.ports import KeyValue
from live.routes import media as stream_files
from live.routes import routes as live_routes
from metrics.routes import routes as metrics_routes
from moderation.routes import routes as moderation_routes
from notes.routes import files as media_files
from notes.routes import routes as note_routes
from search.routes import routes as search_routes
from shop.routes import routes as shop_routes
from web import access, asyncapi, auth, errors, health, openapi
from web.engines import Engines, open_engines, secret_key
from web.front import Front
from web.meters import Meters
from web.pages import account, figures, front, pay, people, profile, studio, studio_rooms
from web.pages import feed as feed_pages
from web.pages import live as live_pages
from web.pages import moderation as moderation_pages
from web.pages import notes as note_pages
from web.pages import shop as shop_pages
from web.policies import routes as policy_routes
from web.reactions import connect
from web.services import Services, wire

__all__ = ["Engines", "Services", "build_services", "create_app", "open_engines"]

PAGES = (
    feed_pages, note_pages, people, shop_pages, pay, live_pages, account, profile, studio, studio_rooms, moderation_pages, figures
)  # fmt: skip


def build_services(settings: Settings, engines: Engines) -> Services:
    """The services with the table of consequences filled: what any process needs before it writes."""
    services = wire(settings, engines)
    engines.db.on_jobs = services.worker.wake
    connect(engines.db, services)
    return services


def create_app(settings: Settings, engines: Engines, services: Services) -> Flask:
    """The WSGI application."""
    app = Synchronous("web", static_folder="static", template_folder="templates")
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_body, RATE_LIMITS=settings.rate_limits, SECRET_KEY=secret_key(settings)
    )
    app.session_interface = NoSession()
    meters = Meters(settings, engines, services)
    app.wsgi_app = Front(app.wsgi_app, access.log_request, meters.request)  # type: ignore[method-assign]
    with app.app_context():
        http.register(Meters, meters)
        http.register(KeyValue, engines.kv)  # type: ignore[type-abstract]
        for service in vars(services).values():
            http.register(type(service), service)
    access.install(app)
    front.install(app, settings, engines.clock)
    auth.install(app)
    errors.install(app)
    add_services(app)
    health.install(app, settings, engines)
    app.add_url_rule("/metrics", endpoint="metrics", view_func=meters.view)
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


class Synchronous(Flask):
    """No view or hook is a coroutine: Flask need not ask that of each of them at each request."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


class NoSession(SessionInterface):
    """Who asks is `web/auth.py`'s matter; Flask's signed session would be opened for every request and hold nothing."""

    def open_session(self, app: Flask, request: Request) -> None:
        return None

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        pass


class IdConverter(BaseConverter):
    """A path part that has the form of an id; anything else is no such page."""

    regex = r"[a-z]{2,12}_[0-9a-z]{26}"


def _constant(make: Callable[[], dict[str, Any]]) -> Callable[[], Response]:
    """A view whose answer never changes while the process runs: made and written at its first call, with an `ETag`."""

    @cache
    def written() -> bytes:
        return current_app.json.dumps(make()).encode()

    def view() -> Response:
        response = Response(written(), mimetype="application/json")
        response.add_etag()
        response.make_conditional(request)
        return response

    return view
