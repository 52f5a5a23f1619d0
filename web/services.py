"""The eight nouns, wired to each other and to their engines; whoever must ask upwards gets a port here."""

from __future__ import annotations

from dataclasses import dataclass

from accounts import AccountService, ApplicationService
from engines.offloop import OwnThreads, Queue, beside, off_loop
from feed import Broadcasts, Candidates, FeedPolicies, FeedService
from kernel.config import Settings
from kernel.db import Database
from kernel.jobs import Worker
from kernel.policy import Policies
from kernel.ports import Blobs
from live import (
    ChatRate,
    ChatService,
    LiveJobs,
    Presence,
    RoomDesk,
    RoomDirectory,
    RoomIngest,
    RoomLog,
    RoomService,
    RoomShelf,
    RoomStreams,
    Selling,
)
from metrics import MetricsService
from moderation import CaseQueue, ModerationService, Notices, Screening, StrikeBook, forbids
from notes import MediaService, NoteService, PictureSight, ProductGate, UnusedUploads
from search import Cards, NoteSource, ProductSource, RoomSource, SearchService
from shop import CheckoutService, OrderService, ProductService
from web.engines import Engines
from web.origins import ServiceOrigins
from web.payments import PretendProvider
from web.targets import ServiceTargets

ENCODING = 6
"""Threads of searches and indexing: slow jobs hold two of them while they encode. Were all to hang, nothing else would."""
PASSWORDS = 2, 16
"""Hashes at once, and those that wait: one takes 92 ms of four threads, so on two cores the last waits for 18 x 92 ms = 1.7 s."""
PICTURES = 2, 4
"""Decodings at once, because of the memory, and those that wait: one takes up to 1 s, so the last waits for 6 x 1 s / 2 = 3 s."""


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
    sight: PictureSight
    notes: NoteService
    uploads: UnusedUploads
    candidates: Candidates
    broadcasts: Broadcasts
    feed: FeedService
    search: SearchService
    rooms: RoomService
    directory: RoomDirectory
    shelf: RoomShelf
    ingest: RoomIngest
    streams: RoomStreams
    chat: ChatService
    desk: RoomDesk
    live_jobs: LiveJobs
    provider: PretendProvider
    worker: Worker


def uploads_of(db: Database, blobs: Blobs) -> UnusedUploads:
    """The uploads with all who show them, for who has no more than a database and a folder."""
    accounts = AccountService(db, off_loop)
    products = ProductService(db, accounts)
    return UnusedUploads(db, blobs, off_loop, (products.covers_among, accounts.avatars_among))


def wire(settings: Settings, engines: Engines) -> Services:
    """Put the services together; whoever must ask upwards gets a port here."""
    accounts = AccountService(engines.db, Queue(*PASSWORDS))
    policies = Policies(engines.db)
    strikes = StrikeBook(engines.db, policies)
    applications = ApplicationService(engines.db, accounts, strikes, policies)
    metrics = MetricsService(engines.db, settings.zone, settings.currency, off_loop)
    cases = CaseQueue(engines.db)
    notices = Notices(engines.db)
    products = ProductService(engines.db, accounts, settings.currency)
    gate = ProductGate(applications, strikes, products)
    media = MediaService(engines.db, engines.blobs, off_loop, Queue(*PICTURES))
    notes = NoteService(engines.db, accounts, products, gate, media)
    room_log = RoomLog(engines.db, engines.realtime, engines.streams.media_at, beside)
    presence = Presence(engines.kv)
    selling = Selling(engines.db, accounts, gate, products)
    directory = RoomDirectory(engines.db, accounts, selling, presence, room_log)
    ingest = RoomIngest(engines.db, directory, engines.ingest)
    streams = RoomStreams(engines.db, accounts, directory, ingest, engines.streams)
    rooms = RoomService(engines.db, directory, selling, streams, room_log, policies)
    shelf = RoomShelf(engines.db, directory, selling, room_log)
    rate = ChatRate() if settings.rate_limits else None
    screening = Screening(engines.db, cases)
    chat = ChatService(engines.db, accounts, directory, engines.kv, engines.realtime, screening, rate)
    targets = ServiceTargets(accounts, notes, directory, chat, products)
    accounts.live_hosts = directory.live_hosts
    accounts.forbids = forbids
    accounts.check_upload = products.check_upload = media.check_upload
    cards = Cards(accounts, notes, products, directory)
    feed_policies = FeedPolicies(policies)
    candidates, broadcasts = Candidates(engines.db, accounts, notes, feed_policies), Broadcasts(engines.db, directory)
    worker = Worker(engines.db, {}, threads=settings.job_threads)
    orders = OrderService(engines.db, engines.payments, off_loop)
    return Services(
        accounts=accounts,
        policies=policies,
        applications=applications,
        metrics=metrics,
        strikes=strikes,
        cases=cases,
        notices=notices,
        screening=screening,
        moderation=ModerationService(engines.db, cases, notices, strikes, targets),
        products=products,
        checkout=CheckoutService(engines.db, accounts, policies, ServiceOrigins(notes, selling), settings.currency),
        orders=orders,
        gate=gate,
        media=media,
        sight=PictureSight(engines.db, engines.blobs, (products.shows_cover, accounts.shows_avatar)),
        notes=notes,
        uploads=UnusedUploads(engines.db, engines.blobs, off_loop, (products.covers_among, accounts.avatars_among)),
        candidates=candidates,
        broadcasts=broadcasts,
        feed=FeedService(engines.db, accounts, notes, directory, cards, candidates, broadcasts, feed_policies),
        search=SearchService(
            engines.index,
            engines.encoder,
            {"note": NoteSource(notes), "product": ProductSource(products), "room": RoomSource(directory)},
            cards,
            OwnThreads(ENCODING),
        ),
        rooms=rooms,
        directory=directory,
        shelf=shelf,
        ingest=ingest,
        streams=streams,
        chat=chat,
        desk=RoomDesk(engines.db, rooms, shelf),
        live_jobs=LiveJobs(rooms, shelf),
        provider=PretendProvider(engines.payments, orders, off_loop),
        worker=worker,
    )
