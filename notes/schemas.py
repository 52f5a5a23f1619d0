"""What comes in and goes out of notes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from accounts import AccountRef
from kernel.schema import Schema
from kernel.text import Id, Line, OptionalLine, Prose, not_empty

MAX_IMAGES = 18
MAX_PRODUCTS = 10
MAX_TOPICS = 10

OwnState = Literal["draft", "in_review", "public", "limited", "rejected", "hidden", "removed"]
State = Literal["draft", "in_review", "public", "limited", "rejected", "superseded", "hidden", "removed"]
Title = Annotated[OptionalLine, StringConstraints(max_length=100)]
Text = Annotated[Prose, StringConstraints(max_length=10_000)]


def _topic(text: str) -> str:
    return not_empty(text.lstrip("#\N{FULLWIDTH NUMBER SIGN}").strip())


Topic = Annotated[Line, StringConstraints(max_length=40), AfterValidator(_topic)]


def _each_once(values: list[Any]) -> list[Any]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("list.repeated", "names something twice")
    return values


SkuIds = Annotated[list[Id], Field(max_length=MAX_PRODUCTS), AfterValidator(_each_once)]


class ImageIn(Schema):
    """One of the author's uploads, with a description for who cannot see it."""

    media: Id
    alt: OptionalLine = ""


class NoteDraft(Schema):
    title: Title = ""
    text: Text = ""
    topics: Annotated[list[Topic], Field(max_length=MAX_TOPICS)] = []
    images: Annotated[list[ImageIn], Field(max_length=MAX_IMAGES)] = []
    products: SkuIds = []

    @field_validator("topics")
    @classmethod
    def _distinct(cls, topics: list[str]) -> list[str]:
        return list({topic.casefold(): topic for topic in reversed(topics)}.values())[::-1]

    @field_validator("images")
    @classmethod
    def _each_image_once(cls, images: list[ImageIn]) -> list[ImageIn]:
        _each_once([image.media for image in images])
        return images


class NotePatch(NoteDraft):
    """What is left out stays as it is."""

    @property
    def changes(self) -> set[str]:
        return self.model_fields_set


class ProductsIn(Schema):
    products: SkuIds


class CommentIn(Schema):
    text: Annotated[Prose, StringConstraints(max_length=500), AfterValidator(not_empty)]


class Paging(Schema):
    limit: Annotated[int, Field(ge=1, le=50)] = 20
    cursor: Annotated[str, StringConstraints(max_length=1024)] | None = None


class MineQuery(Paging):
    state: OwnState | None = None


class VersionQuery(Schema):
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class Cover(BaseModel):
    """A picture as a page shows it, with its size in pixels, so that nothing jumps."""

    model_config = ConfigDict(from_attributes=True)

    url: str
    width: int
    height: int
    alt: str = ""


class PictureOut(Cover):
    """A note's picture: the large rendering, and the small one for lists."""

    media: str
    small: Cover


class Price(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    amount: int
    currency: str


class ProductChip(BaseModel):
    """A SKU as a note or room shows it: price and stock are of this moment."""

    model_config = ConfigDict(from_attributes=True)

    product_id: str
    sku_id: str
    sku_name: str = ""
    title: str
    price: Price
    available: bool
    cover: Cover | None = None
    available_units: int | None = None


class Disclosure(BaseModel):
    kind: Literal["product", "own_product"]
    label: str


class NoteCard(BaseModel):
    kind: Literal["note"] = "note"
    id: str
    title: str
    excerpt: str
    cover: Cover | None
    author: AccountRef
    topics: list[str]
    saves: int
    likes: int
    comments: int
    product: ProductChip | None
    commercial: bool
    disclosure: Disclosure | None
    published_at: str | None


class NoteOut(NoteCard):
    """A note in full. `version` is its ETag: for its author the newest version, for everybody else the served one."""

    text: str
    pictures: list[PictureOut]
    products: list[ProductChip]
    product_ids: list[str]
    state: State
    state_reason: str | None
    version: int
    served_version: int | None
    liked: bool
    saved: bool
    is_mine: bool
    created_at: str
    edited_at: str | None


class MyNote(BaseModel):
    """A line of the studio: the newest version and what became of it. `served_state` is what others get meanwhile."""

    id: str
    title: str
    excerpt: str
    cover: Cover | None
    topics: list[str]
    state: State
    state_reason: str | None
    version: int
    served_version: int | None
    served_state: Literal["public", "limited"] | None
    product_ids: list[str]
    disclosure: Disclosure | None
    likes: int
    saves: int
    comments: int
    created_at: str
    published_at: str | None
    edited_at: str | None


class Marks(BaseModel):
    """How the caller stands to a note after liking or saving it; of a note that they cannot see, not how others do."""

    liked: bool
    saved: bool
    likes: int | None = None
    saves: int | None = None


class CommentOut(BaseModel):
    """`state` is `public` for everybody but its author, who also sees one that waits for a moderator."""

    id: str
    note_id: str
    author: AccountRef
    text: str
    state: Literal["public", "in_review", "hidden"]
    created_at: str


class MediaOut(BaseModel):
    id: str
    url: str
    width: int
    height: int
    bytes: int
    small: Cover


class CardPage(BaseModel):
    items: list[NoteCard]
    next_cursor: str | None


class MyNotePage(BaseModel):
    items: list[MyNote]
    next_cursor: str | None


class CommentPage(BaseModel):
    items: list[CommentOut]
    next_cursor: str | None
