"""Products with their stock, notes through screening, comments, reports."""

from __future__ import annotations

from datetime import timedelta

from demo.content import Comment, Note, Product
from demo.held import REJECTED
from demo.people import MODERATOR
from demo.writer import Writer
from feed import Act
from kernel.db import Write, in_chunks
from moderation import ActionIn, CaseQuery, ReportIn, Subject
from notes import ImageIn, NoteDraft
from shop import Cover, MoneyIn, ProductIn, SkuIn

PRODUCTS, NOTES, COMMENTS = "products", "notes", "comments and reports"
_SERVED = ("approve", "limit")


def write_products(w: Writer) -> None:
    """Merchants list their goods on the eve of the 30 days; the first stock is received with them."""

    def add(tx: Write, product: Product) -> None:
        merchant = w.people[product.merchant]
        w.products[product.key] = w.services.products.add_product(tx, merchant, _listing(w, product))
        w.services.media.add(tx, merchant, w.pictures[product.key])

    w.progress.begin(PRODUCTS, len(w.plan.products))
    w.write_each(PRODUCTS, w.plan.products, lambda product: w.before_all(hours=12), add, size=50)
    skus = w.services.products.sku_ids(list(w.products.values()))
    for product in w.plan.products:
        ids = skus[w.products[product.key]]
        w.skus |= {sku.key: sku_id for sku, sku_id in zip(product.skus, ids, strict=True)}


def _listing(w: Writer, product: Product) -> ProductIn:
    cover = w.pictures[product.key].cover(product.title)
    return ProductIn(
        title=product.title,
        description=product.description,
        category=product.category,
        cover=Cover(**cover.model_dump()),
        skus=[
            SkuIn(
                name=sku.size, price=MoneyIn(amount=sku.price, currency=w.services.products.currency), stock=sku.stock
            )
            for sku in product.skus
        ],
    )


def write_notes(w: Writer) -> None:
    """Each note is drafted, handed in and screened at its time; what is served becomes a candidate of the feed."""
    deepest = {p.key: w.skus[max(p.skus, key=lambda sku: sku.stock).key] for p in w.plan.products}

    labels: dict[tuple[str, ...], str | None] = {}

    def disclosure(tx: Write, author: str, sku_ids: tuple[str, ...]) -> str | None:
        who_what = (author, *sku_ids)
        if who_what not in labels:
            labels[who_what] = w.services.gate.check(tx.session, author, sku_ids)
        return labels[who_what]

    def publish(tx: Write, note: Note) -> None:
        author, sku_ids = w.people[note.author], tuple(deepest[key] for key in note.products)
        image = w.services.media.add(tx, author, w.pictures[note.key])
        draft = NoteDraft(
            title=note.title,
            text=note.text,
            topics=list(note.topics),
            images=[ImageIn(media=image, alt=note.alt)],
            products=list(sku_ids),
        )
        note_id = w.services.notes.add(tx, author, draft, disclosure(tx, author, sku_ids))
        w.services.notes.hand_in(tx, note_id)
        words = "\n".join([draft.title, draft.text, *draft.topics])
        verdict = w.services.screening.screen_within(tx, Subject("note", note_id, 1, author, words))
        if verdict in _SERVED:
            w.notes[note.key] = note_id
        if verdict == "limit":
            w.limited.add(note.key)

    notes = [*w.plan.notes, *w.plan.held_notes]
    w.progress.begin(NOTES, len(notes))
    w.write_each(NOTES, notes, lambda note: note.published_at, publish, size=50)
    for ids in in_chunks(list(w.notes.values()), 200):
        w.services.candidates.refresh(ids)


def write_talk(w: Writer) -> None:
    """Comments, screened as they are written."""
    comments = [comment for comment in w.plan.comments if comment.note in w.notes]
    held = [comment for comment in w.plan.held_comments if comment.note in w.notes]

    def say(tx: Write, comment: Comment) -> None:
        author, note_id = w.people[comment.author], w.notes[comment.note]
        row = w.services.notes.book.add(tx, note_id, author, comment.text)
        w.services.screening.screen_within(tx, Subject("comment", row.id, 1, author, comment.text))

    w.progress.begin(COMMENTS, len(comments) + len(held) + len(w.plan.reports))
    w.write_each(COMMENTS, [*comments, *held], lambda comment: comment.at, say)
    acts = [Act(c.at, w.people[c.author], w.notes[c.note], "commented") for c in comments]
    w.db.write(lambda tx: w.services.candidates.absorb(tx, acts))


def write_reports(w: Writer) -> None:
    """What people report, once it is known how many each note has reached; and what the moderator has decided of it."""
    for report in w.plan.reports:
        if report.target in w.notes:
            w.clock.move_to(report.at)
            target = {"kind": "note", "id": w.notes[report.target]}
            form = ReportIn.model_validate({"target": target, "reason": report.reason, "text": report.text})
            w.services.moderation.report(w.actor(report.reporter), form)
        w.progress.step(COMMENTS)
    _send_back(w)


def _send_back(w: Writer) -> None:
    """A moderator has decided one case already, the morning after it was handed in; its author may mend and try again."""
    moderator, service = w.actor(MODERATOR), w.services.moderation
    note = next(note for note in w.plan.held_notes if note.key == REJECTED)
    w.clock.move_to(note.published_at + timedelta(hours=14))
    cases = service.cases(moderator, CaseQuery(kind="note", limit=100)).items
    case = next(case for case in cases if case.target is not None and case.target.title == note.title)
    service.claim(moderator, case.id)
    service.act(moderator, case.id, ActionIn(action="reject", version=1, reason="Leave the number out, please."))
