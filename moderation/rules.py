"""Screening rules: pure, versioned, each able to run in shadow (it is logged and does not act)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

VERSION = "2026-11-22"
APPROVE, LIMIT, HOLD, REJECT = "approve", "limit", "hold", "reject"
_SEVERITY = (APPROVE, LIMIT, HOLD, REJECT)


@dataclass(frozen=True)
class Rule:
    """`risk` from 0 to 1 orders the queue; `hold` waits for a person."""

    name: str
    pattern: re.Pattern[str]
    verdict: str
    risk: float
    shadow: bool = False


@dataclass(frozen=True)
class Hit:
    rule: str
    verdict: str
    risk: float
    excerpt: str
    shadow: bool


@dataclass(frozen=True)
class Verdict:
    """The hardest verdict of the rules that act; `hits` names all that matched, those in shadow too."""

    verdict: str
    risk: float
    hits: tuple[Hit, ...]

    @property
    def reason(self) -> str:
        return ", ".join(hit.rule for hit in self.hits if not hit.shadow)


def harder(one: str, other: str) -> str:
    """Of two verdicts the harder one."""
    return max(one, other, key=_SEVERITY.index)


def _rule(name: str, pattern: str, verdict: str, risk: float, shadow: bool = False) -> Rule:
    return Rule(name, re.compile(pattern, re.IGNORECASE), verdict, risk, shadow)


RULES: tuple[Rule, ...] = (
    _rule("counterfeit", r"\b(replica|knock[- ]?off|1:1 copy|counterfeit)s?\b|高仿|仿牌|原单尾货|a货", REJECT, 0.9),
    _rule(
        "prohibited_goods",
        r"\b(buy|sell|selling|order)\b.{0,40}\b(firearms?|handguns?|cocaine|fentanyl)\b|出售.{0,8}(枪支|毒品)",
        REJECT,
        1.0,
    ),
    _rule(
        "off_platform_contact",
        r"\b(whats ?app|telegram|wechat|line id)\b\s*[:：]?\s*[+@\w]{4,}|(加|➕|\+)\s*(我)?\s*(微信|vx|v信|薇信|qq)|微信号?\s*[:：]\s*\w+",
        HOLD,
        0.7,
    ),
    _rule("phone_number", r"(?<!\d)(\+?86[- ]?)?1[3-9]\d{9}(?!\d)", HOLD, 0.6),
    _rule("external_link", r"https?://|\bwww\.[a-z0-9-]+\.|\b[a-z0-9-]{3,}\.(shop|top|xyz)\b", HOLD, 0.6),
    _rule(
        "medical_claim",
        r"\b(cures?|heals?)\s+(cancer|diabetes|eczema|depression)\b|(根治|治愈)(癌症|糖尿病|湿疹|抑郁)|包治百病",
        HOLD,
        0.8,
    ),
    _rule("get_rich", r"\b(earn|make)\s+[$¥€]?\d[\d,]*\s*(a|per|every)\s+(day|week)\b|日赚\d+|躺赚|刷单", HOLD, 0.8),
    _rule("abuse", r"\b(kill yourself|kys)\b|去死吧|贱人", HOLD, 0.9),
    _rule("shouting", r"(?:\b[A-Z]{3,}\b[\s!]+){8,}|(.)\1{14,}", LIMIT, 0.3),
    _rule("price_bait", r"(全网最低|史上最低|跳楼价)|\blowest price (ever|guaranteed)\b", LIMIT, 0.3, shadow=True),
)


def judge(text: str, rules: Sequence[Rule] = RULES) -> Verdict:
    """What the rules say of a text. Width variants and zero-width gaps do not hide a word."""
    folded = unicodedata.normalize("NFKC", text).replace("\u200b", "").replace("\u200d", "")
    hits = tuple(
        Hit(rule.name, rule.verdict, rule.risk, match.group()[:60], rule.shadow)
        for rule in rules
        if (match := rule.pattern.search(folded)) is not None and _counts(rule, match)
    )
    acting = [hit for hit in hits if not hit.shadow]
    verdict = max((hit.verdict for hit in acting), key=_SEVERITY.index, default=APPROVE)
    return Verdict(verdict, max((hit.risk for hit in acting), default=0.0), hits)


def forbids(text: str) -> bool:
    """Whether the rules let nobody be shown this, for good or until somebody has looked at it."""
    return judge(text).verdict in (HOLD, REJECT)


def _counts(rule: Rule, match: re.Match[str]) -> bool:
    # IGNORECASE would let ordinary lower-case words count as shouting.
    return rule.name != "shouting" or match.group(1) is not None or match.group().upper() == match.group()
