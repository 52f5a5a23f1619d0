"""What services say in codes and kinds, in the reader's words. A code without words keeps the service's own sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from feed.schemas import QualityOut, Why
from kernel.errors import AppError
from web.pages.words import gettext, ngettext, spoken

# What the framework says of these is for programs; the error page has better words for the status.
_GENERAL = frozenset(
    {"resource.not_found", "method.not_allowed", "request.malformed", "body.too_large", "server.internal"}
)


def refusal(error: AppError) -> str:
    """Why something was refused. What a program would be told about its request is no sentence for a reader."""
    if error.code == "request.invalid":
        return next(iter(fields(error).values()), "") or gettext("Something is not right yet")
    return problem(error.code, error.detail, error.data) or error.detail


def problem(code: str, detail: str | None, data: Mapping[str, Any]) -> str | None:
    """The sentence of a code; in English else the service's own, elsewhere else none. Where a page explains the status
    better than the framework does, none."""
    if code in _GENERAL:
        return None
    words = _sentences(data).get(code)
    return words or (detail if spoken() == "en" else None)


def _sentences(data: Mapping[str, Any]) -> dict[str, str]:
    return {
        "account.handle_taken": gettext("That user name is taken."),
        "account.handle_refused": gettext("The rules of the house do not allow this user name."),
        "account.suspended": gettext("This account is suspended."),
        "block.self": gettext("You cannot block yourself."),
        "case.claimed": gettext("Somebody else is working on this case."),
        "case.closed": gettext("This case is decided already."),
        "case.own_content": gettext("Somebody else must judge what is yours."),
        "case.version_changed": gettext("It was changed since you looked; read it again."),
        "action.already_undone": gettext("This was taken back already."),
        "action.superseded": gettext("A later action stands; undo that one first."),
        "chat.refused": gettext("The rules of the house do not let this be said here."),
        "report.own_content": gettext("What is yours you can change or delete yourself."),
        "report.already_decided": gettext("Your report of this was decided, and it has not changed since."),
        "chat.muted": gettext("You may not speak in this room."),
        "chat.slow": gettext("The chat is slowed down; wait a moment."),
        "chat.too_fast": gettext("You speak faster than anybody reads."),
        "comment.not_yours": gettext("This is somebody else's comment."),
        "creator.active_strike": gettext("A strike still counts against this account."),
        "creator.already_applied": gettext("An application is open or approved already."),
        "creator.already_decided": gettext("This application is decided already."),
        "creator.not_approved": gettext("Attaching products needs an approved application."),
        "creator.not_enough_followers": gettext("More followers are needed first."),
        "csrf.missing": gettext("This form is out of date; load the page again."),
        "cursor.malformed": gettext("This list has moved on; start at its beginning."),
        "device.required": gettext("This needs cookies, so that it can be remembered."),
        "follow.self": gettext("You cannot follow yourself."),
        "idempotency.key_reused": gettext("This form was sent before; load the page again."),
        "media.broken": gettext("This is no picture that can be read: JPEG, PNG, WebP or GIF."),
        "media.too_large": gettext("This picture is too large: at most 8 MB."),
        "merchant.not_selling": gettext("This is not for sale any more."),
        "merchant.own_goods": gettext("These are goods of your own."),
        "note.changed": gettext(
            "It was changed elsewhere meanwhile. What you typed is kept; save again to replace it."
        ),
        "note.empty": gettext("A note needs a title, a text or a picture."),
        "note.not_yours": gettext("This is somebody else's note."),
        "note.gate_refused": gettext("The product gate keeps this note from being published; send it back instead."),
        "note.removed": gettext("A moderator has removed this note."),
        "order.not_cancellable": gettext("This order has ended already."),
        "order.not_payable": gettext("This order takes no payment any more."),
        "order.too_many_unpaid": gettext("Pay or cancel one of your unpaid orders first."),
        "payment.already_paid": gettext("This payment has been made already."),
        "pin.not_on_shelf": gettext("Only what stands on the shelf can be explained."),
        "product.not_available": gettext("This is not for sale any more."),
        "product.not_found": gettext("There is no such product."),
        "quote.changed": gettext("A price has changed; look at the new total first."),
        "quote.expired": gettext("That price has run out. Ask for it again."),
        "quote.used": gettext("This has become an order already; it is under Orders."),
        "rate.limited": gettext("That was too often in a short time."),
        "role.required": gettext("Your account does not have this permission."),
        "room.already_live": gettext("This room is on air already."),
        "air.full": gettext("As many rooms are on air as fit; try again later."),
        "room.host_on_air": gettext("Another room of yours is on air; end it first."),
        "room.banned": gettext("You cannot be in this room any more."),
        "room.hidden": gettext("This room was hidden by moderation."),
        "room.not_host": gettext("Only its host may do this."),
        "room.not_live": gettext("This room is not on air."),
        "server.busy": gettext("Too many people ask for this at once; try again in a moment."),
        "session.wrong_credentials": gettext("That name and password do not belong together."),
        "version.changed": gettext(
            "It was changed elsewhere meanwhile. What you typed is kept; save again to replace it."
        ),
        "stock.insufficient": gettext("There are not that many left."),
        "stock.person_limit": ngettext(
            "At most %(num)d of this per person.", "At most %(num)d of this per person.", int(data.get("limit", 1))
        )
        % {"num": int(data.get("limit", 1))},
    }


def fields(error: AppError) -> dict[str, str]:
    """What is wrong with which field of a form, by its name; the first complaint of each."""
    found: dict[str, str] = {}
    for one in error.errors:
        name = one.field.split(".")[0]
        found.setdefault(name, _field(name, one.code, one.message))
    return found


def _field(name: str, code: str, message: str) -> str:
    if (name, code) == ("password", "field.string_too_short"):
        return gettext("At least 10 characters.")
    if (name, code) == ("handle", "field.string_pattern_mismatch"):
        return gettext("3 to 30 small letters, digits and _.")
    if (name, code) == ("phone", "field.string_pattern_mismatch"):
        return gettext("Digits, spaces and -; a + in front if you like.")
    sentences = {
        "account.handle_taken": gettext("That user name is taken."),
        "account.handle_refused": gettext("The rules of the house do not allow this user name."),
        "field.missing": gettext("This is needed."),
        "note.empty": gettext("Write a title or a text, or add a picture."),
        "text.empty": gettext("This is needed."),
        "field.string_too_short": gettext("This is too short."),
        "field.string_too_long": gettext("This is too long."),
        "field.too_long": gettext("These are too many."),
        "field.string_pattern_mismatch": gettext("This does not have the expected form."),
        "field.literal_error": gettext("Choose one of those offered."),
        "list.repeated": gettext("Something is named twice."),
        "text.control_character": gettext("This contains a character that cannot be shown."),
        "text.bidi_character": gettext("This contains a character that cannot be shown."),
    }
    return sentences.get(code) or (gettext("Something is not right yet") if code.startswith("field.") else message)


def disclosure(given: Mapping[str, Any] | None) -> str:
    """The label that says what a note or a room sells, or that its host is a program."""
    kind = (given or {}).get("kind", "")
    sentences = {
        "product": gettext("Contains products"),
        "own_product": gettext("Sells own products"),
        "synthetic_host": gettext("Hosted by a program"),
    }
    return sentences.get(kind, str((given or {}).get("label", "")))


def why(known: Why, item: Mapping[str, Any]) -> dict[str, Any]:
    """Why something was shown: sentences, the most important first, and the parts of its score."""
    about = known.about if known.reason == "topic" else ""
    first = {
        "topic": gettext("You liked, saved or read about %(topic)s.") % {"topic": about},
        "following": gettext("You follow its author, or often read them."),
        "new": gettext("It is new, and every good new note gets a fair first showing."),
        "quality": gettext("Readers find it worth their time."),
        "live": gettext("It is live right now."),
    }
    reasons = [first.get(known.reason, known.reason)]
    if known.commercial:
        reasons.append(gettext("It sells something. That never moves it up, and only a few such items fit a page."))
    names = {
        "quality": (gettext("Quality"), gettext("What the note itself offers, and how readers respond to it")),
        "affinity": (gettext("Your interests"), gettext("How well it fits what you liked, saved and read")),
    }
    parts = [
        {"name": names[key][0], "text": names[key][1], "value": round(value, 2)}
        for key, value in known.parts.items()
        if key in names
    ]
    shown = {**known.model_dump(mode="json"), "recommended": known.placement == "feed"}
    return {**shown, "item": item, "reasons": reasons, "parts": parts}


def quality(known: QualityOut) -> dict[str, Any]:
    """What a note's score is made of, for its author, and what would move it."""
    names = {
        "depth": (gettext("Depth"), gettext("How much there is to read")),
        "composition": (gettext("Composition"), gettext("Whole sentences that say something")),
        "variety": (gettext("Variety"), gettext("Many words, few repeated")),
        "experience": (gettext("Experience"), gettext("What you did and felt yourself")),
        "concreteness": (gettext("Concreteness"), gettext("Sizes, numbers, reasons, comparisons")),
        "pictures": (gettext("Pictures"), gettext("Three or more are plenty")),
        "topics": (gettext("Topics"), gettext("Three or more are plenty")),
        "display": (gettext("Mere display"), gettext("Calls to buy; counts against the note")),
    }
    parts = [
        {"name": names[key][0], "text": names[key][1], "value": round(value, 2)}
        for key, value in known.parts.items()
        if key in names
    ]
    tiers = {
        "guaranteed": gettext("It is being shown to its first readers."),
        "earning": gettext("Readers respond, so it is shown to more of them."),
        "stopped": gettext("Few who saw it responded, so it is shown less."),
        "below_floor": gettext("It reaches followers and search, but is not recommended yet."),
    }
    advice = {
        "more_depth": gettext("Say more: what did you find out?"),
        "more_variety": gettext("Repeat less."),
        "more_composition": gettext("Write whole sentences, not fragments."),
        "more_experience": gettext("Tell what you did with it yourself."),
        "more_concreteness": gettext("Add sizes, numbers or a comparison."),
        "more_pictures": gettext("Add a picture or two."),
        "more_topics": gettext("Add topics, so that the right people find it."),
        "less_display": gettext("Ask less often to buy, say more about the thing."),
    }
    return {
        "parts": parts,
        "tier": tiers[known.tier],
        "exposures": known.exposures,
        "advice": [advice[code] for code in known.advice if code in advice],
    }


def missing(followers: int, needed: int, strikes: int) -> list[str]:
    """What still keeps an account from applying for the product gate."""
    found = []
    if followers < needed:
        lacking = needed - followers
        words = ngettext("%(num)d more follower is needed.", "%(num)d more followers are needed.", lacking)
        found.append(words % {"num": lacking})
    if strikes:
        found.append(gettext("A strike still counts against this account."))
    return found
