"""People: who there is, in which roles, and how others see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, or_, select, union_all, update
from sqlalchemy.orm import Session

from accounts import models
from accounts.company import STAFF, is_staff, ref_of
from accounts.facts import AccountRegistered, AccountReinstated, AccountSuspended, ProfileChanged, ProfileWorded
from accounts.schemas import AccountRef, Me, Profile, ProfileEdit
from kernel.actor import Actor
from kernel.clock import rfc3339
from kernel.db import Database, Write, edit_version, in_chunks, insert_ignore
from kernel.errors import Conflict, FieldError, NotFound
from kernel.ids import new_id

_account = models.Account
_INACTIVE = select(_account.id).where(_account.id.in_(bindparam("ids", expanding=True)), _account.status != "active")


@dataclass(frozen=True)
class ProfileContent:
    """What a profile says, for moderation."""

    handle: str
    name: str
    bio: str
    version: int


class People:
    """Accounts as rows. Who stands how to whom is in `Relations`, who is logged in in `AccountService`."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.live_hosts: Callable[[Sequence[str]], set[str]] = lambda ids: set()
        self.check_upload: Callable[[Session, str, str, str], None] = lambda session, owner_id, url, field: None
        self.forbids: Callable[[str], bool] = lambda words: False

    # -- inside somebody else's write -----------------------------------------------------------------------------

    def add(
        self,
        tx: Write,
        handle: str,
        name: str,
        *,
        bio: str = "",
        avatar: str | None = None,
        password_hash: str | None = None,
        roles: Iterable[str] = (),
        synthetic: bool = False,
    ) -> str:
        """Write an account inside a larger write; its id. Without a password nobody can log in as it."""
        account_id = new_id("acct", tx.now)
        row = {
            "id": account_id,
            "handle": handle,
            "name": name,
            "bio": bio,
            "avatar": avatar,
            "password_hash": password_hash,
            "status": "active",
            "synthetic": synthetic,
            "veiled": False,
            "followers": 0,
            "following": 0,
            "version": 1,
            "created_at": tx.now,
        }
        if not insert_ignore(tx.session, models.Account.__table__, row):
            error = FieldError("handle", "account.handle_taken", "somebody has this handle")
            raise Conflict("account.handle_taken", "Somebody has this handle.", [error])
        for role in {"viewer", *roles}:
            tx.session.add(models.AccountRole(account_id=account_id, role=role))
        tx.record(AccountRegistered(account_id))
        tx.record(ProfileWorded(account_id, 1, _said(handle, name, bio)))
        return account_id

    def add_role(self, tx: Write, account_id: str, role: str) -> bool:
        """Give a role inside a larger write; whether it is new."""
        return bool(insert_ignore(tx.session, models.AccountRole.__table__, {"account_id": account_id, "role": role}))

    def drop_role(self, tx: Write, account_id: str, role: str) -> bool:
        """Take a role away inside a larger write; whether it was there."""
        table = models.AccountRole
        gone = delete(table).where(table.account_id == account_id, table.role == role)
        return bool(tx.session.execute(gone).rowcount)  # type: ignore[attr-defined]

    def veil(self, tx: Write, account_id: str, veiled: bool = True) -> None:
        """Show nothing of what a profile says of itself, its handle no more than its name (`ref_of`), or show it all again:
        a verdict of moderation."""
        tx.session.execute(update(models.Account).where(models.Account.id == account_id).values(veiled=veiled))

    def suspend(self, tx: Write, account_id: str) -> None:
        """Let nobody log in as it, and show nothing it published."""
        if _turn(tx, account_id, "active", "suspended"):
            tx.record(AccountSuspended(account_id))

    def reinstate(self, tx: Write, account_id: str) -> None:
        """Undo `suspend`."""
        if _turn(tx, account_id, "suspended", "active"):
            tx.record(AccountReinstated(account_id))

    # -- reading --------------------------------------------------------------------------------------------------

    def actor(self, account_id: str) -> Actor:
        """The account as an actor, for jobs and the command line."""
        with self.db.read() as session:
            account = self._get(session, account_id)
            roles = session.scalars(select(models.AccountRole.role).where(models.AccountRole.account_id == account_id))
            return Actor(account_id, None, frozenset(roles), account.synthetic)

    def refs(self, ids: Iterable[str]) -> dict[str, AccountRef]:
        """Cards of many accounts, by id; unknown ids are left out."""
        wanted = list(dict.fromkeys(ids))
        with self.db.read() as session:
            rows = [
                row
                for chunk in in_chunks(wanted)
                for row in session.scalars(select(models.Account).where(models.Account.id.in_(chunk)))
            ]
        live = self.live_hosts(wanted)
        return {row.id: ref_of(row, row.id in live) for row in rows}

    def profile(self, viewer: Actor, account_id: str) -> Profile:
        """An account as `viewer` sees it; absent when either blocked the other (except one's own block)."""
        with self.db.read() as session:
            account = self._get(session, account_id)
            if shut_out(session, account_id, viewer):
                raise absent()
            return Profile(**self._profile_fields(session, viewer, account))

    def me(self, actor: Actor) -> Me:
        """The caller's own account, with their own words also while others are not shown them (`veiled`)."""
        account_id = actor.require_account()
        with self.db.read() as session:
            account = self._get(session, account_id)
            own = ("handle", "name", "bio", "avatar", "veiled", "synthetic", "version")
            mine = {name: getattr(account, name) for name in own}
            return Me(**(self._profile_fields(session, actor, account) | mine))

    def edit(self, actor: Actor, form: ProfileEdit, if_match: str) -> Me:
        """Change what one's profile says. `PreconditionFailed` (`version.changed`) when it has another version;
        `media.not_found` for a picture that is no upload of the caller's."""
        account_id = actor.require_account()
        given = form.model_dump(exclude_unset=True)
        values = {name: value for name, value in given.items() if value is not None or name == "avatar"}

        def write(tx: Write) -> None:
            if form.avatar is not None and form.avatar != self._get(tx.session, account_id).avatar:
                self.check_upload(tx.session, account_id, form.avatar, "avatar")
            before = _words(tx.session, account_id)
            edit_version(tx.session, models.Account.__table__, account_id, if_match, values)
            tx.record(ProfileChanged(account_id))
            if (words := _words(tx.session, account_id)) != before:
                tx.record(ProfileWorded(account_id, int(if_match) + 1, words))

        self.db.write(write)
        return self.me(actor)

    def avatars_among(self, session: Session, urls: Sequence[str]) -> set[str]:
        """Which of these pictures are somebody's avatar."""
        return {*session.scalars(select(_account.avatar).where(_account.avatar.in_(urls)))}

    def shows_avatar(self, url: Any) -> ColumnElement[bool]:
        """In SQL: whether the picture at this address is an avatar that everybody sees."""
        return select(_account.id).where(_account.avatar == url, ~_account.veiled, _account.status == "active").exists()

    def to_judge(self, viewer: Actor, account_id: str) -> ProfileContent:
        """What they say of themselves, as a reporter has it before them; staff read behind the veil."""
        with self.db.read() as session:
            account = self._get(session, account_id)
        if account.veiled and not viewer.has(*STAFF):
            shown = ref_of(account)
            return ProfileContent(shown.handle, shown.name, "", account.version)
        return ProfileContent(account.handle, account.name, account.bio, account.version)

    def find_by_handle(self, handle: str) -> str | None:
        """The id of the account with this handle."""
        with self.db.read() as session:
            return session.scalar(select(models.Account.id).where(models.Account.handle == handle.lower()))

    def synthetic_ids(self, account_ids: Iterable[str]) -> set[str]:
        """Which of these accounts are marked as programs."""
        with self.db.read() as session:
            return {
                account_id
                for chunk in in_chunks(list(account_ids))
                for account_id in session.scalars(select(_account.id).where(_account.id.in_(chunk), _account.synthetic))
            }

    def no_persons(self, session: Session, ids: Iterable[str]) -> set[str]:
        """Which of these accounts and devices do not count as persons: programs, and staff (DESIGN.md)."""
        return {
            one
            for chunk in in_chunks(list(dict.fromkeys(ids)))
            for one in session.scalars(
                union_all(
                    select(_account.id).where(_account.id.in_(chunk), or_(_account.synthetic, is_staff(_account.id))),
                    select(models.Device.id).where(models.Device.id.in_(chunk), models.Device.synthetic),
                )
            )
        }

    def _profile_fields(self, session: Session, viewer: Actor, account: models.Account) -> dict[str, Any]:
        roles = session.scalars(
            select(models.AccountRole.role).where(models.AccountRole.account_id == account.id)
        ).all()
        mine = viewer.account_id
        return {
            **ref_of(account, account.id in self.live_hosts([account.id])).model_dump(),
            "bio": "" if account.veiled else account.bio,
            "followers": account.followers,
            "following": account.following,
            "roles": sorted(roles),
            "created_at": rfc3339(account.created_at),
            "followed_by_me": bool(mine and session.get(models.Follow, (mine, account.id))),
            "blocked_by_me": bool(mine and session.get(models.Block, (mine, account.id))),
        }

    def _get(self, session: Session, account_id: str) -> models.Account:
        account = session.get(models.Account, account_id)
        if account is None:
            raise absent()
        return account

    def hidden_authors(self, ids: Sequence[str]) -> set[str]:
        """Which of these accounts are suspended, so that what they publish is not shown."""
        with self.db.read() as session:
            return self.inactive(session, ids)

    def inactive(self, session: Session, ids: Sequence[str]) -> set[str]:
        """Which of these accounts are suspended, as the write or read under way sees it."""
        found = (session.scalars(_INACTIVE, {"ids": chunk}) for chunk in in_chunks(ids))
        return {account_id for some in found for account_id in some}


def spoken(handle: str) -> str:
    """A handle as people read it: what stands for a space is one."""
    return handle.replace("_", " ")


def _words(session: Session, account_id: str) -> str:
    """What a profile says of itself, as this session sees it."""
    said = select(_account.handle, _account.name, _account.bio).where(_account.id == account_id)
    return _said(*session.execute(said).one())


def _said(handle: str, name: str, bio: str) -> str:
    return "\n".join((spoken(handle), name, bio))


def _turn(tx: Write, account_id: str, old: str, new: str) -> bool:
    mine = (models.Account.id == account_id) & (models.Account.status == old)
    return bool(tx.session.execute(update(models.Account).where(mine).values(status=new)).rowcount)  # type: ignore[attr-defined]


def shut_out(session: Session, account_id: str, viewer: Actor) -> bool:
    """Whether the account blocked who looks; nobody escapes the moderators that way."""
    me = viewer.account_id
    return me is not None and not viewer.has(*STAFF) and blocks(session, account_id, me)


def blocks(session: Session, blocker_id: str, blocked_id: str) -> bool:
    return session.get(models.Block, (blocker_id, blocked_id)) is not None


def absent() -> NotFound:
    return NotFound("account.not_found", "There is no such account.")
