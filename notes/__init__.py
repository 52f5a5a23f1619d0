"""What people publish: notes and their versions, media, product cards, comments, likes, saves."""

from notes.audit import findable
from notes.cards import NoteContent
from notes.comments import CommentContent
from notes.facts import (
    CommentDeleted,
    CommentHeld,
    CommentHidden,
    CommentRestored,
    NoteCommented,
    NoteDeleted,
    NoteHidden,
    NoteLiked,
    NoteLimited,
    NoteProductsChanged,
    NotePublished,
    NoteRefused,
    NoteRejected,
    NoteRemoved,
    NoteRestored,
    NoteSaved,
    NoteSubmitted,
    NoteUnliked,
    NoteUnsaved,
    NoteWritten,
)
from notes.gate import Listings, ProductGate
from notes.marks import Mark
from notes.media import Kept, MediaService
from notes.pictures import PICTURE_TYPES
from notes.reading import NoteRows
from notes.schemas import (
    CardPage,
    CommentIn,
    CommentOut,
    CommentPage,
    Cover,
    Disclosure,
    ImageIn,
    Marks,
    MyNote,
    NoteCard,
    NoteDraft,
    NoteOut,
    NotePatch,
    Price,
    ProductChip,
)
from notes.service import NoteService
from notes.sight import PictureSight
from notes.uploads import DROP_FILES, UnusedUploads, UploadAudit
from notes.visibility import Placement

__all__ = [
    "DROP_FILES",
    "PICTURE_TYPES",
    "CardPage",
    "CommentContent",
    "CommentDeleted",
    "CommentHeld",
    "CommentHidden",
    "CommentIn",
    "CommentOut",
    "CommentPage",
    "CommentRestored",
    "Cover",
    "Disclosure",
    "ImageIn",
    "Kept",
    "Listings",
    "Mark",
    "Marks",
    "MediaService",
    "MyNote",
    "NoteCard",
    "NoteCommented",
    "NoteContent",
    "NoteDeleted",
    "NoteDraft",
    "NoteHidden",
    "NoteLiked",
    "NoteLimited",
    "NoteOut",
    "NotePatch",
    "NoteProductsChanged",
    "NotePublished",
    "NoteRefused",
    "NoteRejected",
    "NoteRemoved",
    "NoteRestored",
    "NoteRows",
    "NoteSaved",
    "NoteService",
    "NoteSubmitted",
    "NoteUnliked",
    "NoteUnsaved",
    "NoteWritten",
    "PictureSight",
    "Placement",
    "Price",
    "ProductChip",
    "ProductGate",
    "UnusedUploads",
    "UploadAudit",
    "findable",
]
