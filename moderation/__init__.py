"""What may stay: screening, reports, the review queue, actions with undo, strikes, notices, audit."""

from moderation.audit import OPERATOR, witness
from moderation.facts import ActionUndone, CaseActed, NoticeSent, Reported, Screened, StrikeGiven
from moderation.notices import Notices
from moderation.queue import CaseQueue
from moderation.rules import forbids, judge
from moderation.schemas import ActionIn, CaseOut, CaseQuery, NoticeOut, ReportIn
from moderation.screening import Screening, Subject
from moderation.service import ModerationService
from moderation.strikes import StrikeBook
from moderation.targets import Target, Targets

__all__ = [
    "OPERATOR",
    "ActionIn",
    "ActionUndone",
    "CaseActed",
    "CaseOut",
    "CaseQuery",
    "CaseQueue",
    "ModerationService",
    "NoticeOut",
    "NoticeSent",
    "Notices",
    "ReportIn",
    "Reported",
    "Screened",
    "Screening",
    "StrikeBook",
    "StrikeGiven",
    "Subject",
    "Target",
    "Targets",
    "forbids",
    "judge",
    "witness",
]
