"""Accounts over HTTP."""

from __future__ import annotations

from flask import g

from accounts.applications import ApplicationService
from accounts.schemas import (
    ApplicationIn,
    ApplicationOut,
    Credentials,
    Decision,
    DeviceIn,
    DeviceOut,
    Me,
    Profile,
    ProfileEdit,
    Registration,
    Relation,
    SessionOut,
    Withdrawal,
)
from accounts.service import AccountService, Session
from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.errors import Conflict, NotFound
from kernel.http import Rate, blueprint, endpoint, find, spend
from kernel.idempotency import Answer

routes = blueprint("accounts", __name__)
PASSWORD_RATE = Rate(20, 60, by_address=True)
DEVICE_RATE = Rate(20, 60, by_address=True)
PROFILE_RATE = Rate(20, 3600)
"""A moderator decides on the version seen: who changes it every few seconds would never be judged."""


@routes.post("/accounts")
@endpoint(body=Registration, returns=SessionOut, status=201, auth=False, rate=PASSWORD_RATE, refuses=(Conflict,))
def register(actor: Actor, body: Registration) -> SessionOut:
    """Register an account and log in."""
    return _session(find(AccountService).register(body, actor.device_id))


@routes.post("/devices")
@endpoint(body=DeviceIn, returns=DeviceOut, status=201, auth=False, rate=DEVICE_RATE)
def new_device(actor: Actor, body: DeviceIn) -> DeviceOut:
    """An anonymous device; its id goes into the X-Device header and is kept like a password."""
    return DeviceOut(device=find(AccountService).new_device(body.synthetic))


@routes.post("/sessions")
@endpoint(body=Credentials, returns=SessionOut, status=201, auth=False, rate=PASSWORD_RATE)
def log_in(actor: Actor, body: Credentials) -> SessionOut:
    """Log in; the device's past becomes the account's."""
    spend_password(actor, body.handle)
    return _session(find(AccountService).log_in(body, actor.device_id))


@routes.delete("/sessions/current")
@endpoint()
def log_out(actor: Actor) -> None:
    """End this session."""
    find(AccountService).log_out(g.session_token)


@routes.get("/me")
@endpoint(returns=Me, etag="version")
def me(actor: Actor) -> Me:
    """The caller's own account."""
    return find(AccountService).me(actor)


@routes.patch("/me")
@endpoint(body=ProfileEdit, returns=Me, if_match=True, etag="version")
def edit_me(actor: Actor, body: ProfileEdit, if_match: str) -> Me:
    """Change one's own name, bio or picture, 20 times an hour."""
    spend_edit(actor)
    return find(AccountService).edit(actor, body, if_match)


@routes.get("/accounts/<id:account_id>")
@endpoint(returns=Profile, auth=False)
def profile(actor: Actor, account_id: str) -> Profile:
    """A public profile."""
    return find(AccountService).profile(actor, account_id)


@routes.put("/accounts/<id:account_id>/follow")
@endpoint(returns=Relation)
def follow(actor: Actor, account_id: str) -> Relation:
    """Follow an account."""
    return find(AccountService).follow(actor, account_id)


@routes.delete("/accounts/<id:account_id>/follow")
@endpoint(returns=Relation)
def unfollow(actor: Actor, account_id: str) -> Relation:
    """Stop following an account."""
    return find(AccountService).unfollow(actor, account_id)


@routes.put("/accounts/<id:account_id>/block")
@endpoint(returns=Relation)
def block(actor: Actor, account_id: str) -> Relation:
    """Block an account in both directions."""
    return find(AccountService).block(actor, account_id)


@routes.delete("/accounts/<id:account_id>/block")
@endpoint(returns=Relation)
def unblock(actor: Actor, account_id: str) -> Relation:
    """Take a block back."""
    return find(AccountService).unblock(actor, account_id)


@routes.post("/creator-applications")
@endpoint(body=ApplicationIn, returns=ApplicationOut, status=201, idempotent=True)
def apply(actor: Actor, body: ApplicationIn, key: str) -> Answer:
    """Apply for the product gate."""
    return find(ApplicationService).apply(actor, body, key)


@routes.get("/creator-applications/<id:application_id>")
@endpoint(returns=ApplicationOut)
def application(actor: Actor, application_id: str) -> ApplicationOut:
    """One application, for its applicant and for staff."""
    return find(ApplicationService).get(actor, application_id)


@routes.post("/creator-applications/<id:application_id>/decision")
@endpoint(body=Decision, returns=ApplicationOut, idempotent=True)
def decide(actor: Actor, application_id: str, body: Decision, key: str) -> Answer:
    """Approve or refuse an application."""
    return find(ApplicationService).decide(actor, application_id, body, key)


@routes.post("/creator-applications/<id:application_id>/withdraw")
@endpoint(body=Withdrawal, returns=ApplicationOut, idempotent=True)
def withdraw(actor: Actor, application_id: str, body: Withdrawal, key: str) -> Answer:
    """Take an application back, open or approved."""
    return find(ApplicationService).withdraw(actor, application_id, body, key)


@routes.get("/me/creator-application")
@endpoint(returns=ApplicationOut, refuses=(NotFound,))
def my_application(actor: Actor) -> ApplicationOut:
    """The caller's newest application."""
    return find(ApplicationService).current(actor)


def spend_password(actor: Actor, handle: str) -> None:
    """Count a password tried for this handle, through whatever door and from however many addresses. Not on the device that
    logged in as them last, so that nobody else keeps them out."""
    if actor.merged_into is None or actor.merged_into != find(AccountService).find_by_handle(handle):
        spend("password", handle.lower(), PASSWORD_RATE)


def spend_edit(actor: Actor) -> None:
    """Count a change of one's profile, through whatever door."""
    spend("profile", actor.require_account(), PROFILE_RATE)


def _session(session: Session) -> SessionOut:
    return SessionOut(token=session.token, expires_at=rfc3339(session.expires_at), account=session.account)
