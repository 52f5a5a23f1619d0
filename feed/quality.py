"""How good a note is: the content itself, and how people respond to it, corrected for position and for how often it was shown.

Pure. The only inputs are `ContentSignals` and `Response`: nothing here can see a price, a payment or a follower count.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

FLOOR = 0.35
"""Below it a note reaches followers and search only (DESIGN.md: a note that merely displays a product scores low)."""
PRIOR_EXAMINED = 40.0
"""How many examined exposures the content's own score is worth."""
EXPECTED_RESPONSE = 0.08
"""Responses per examined exposure of an average note; maps a rate onto the scale of the content score."""
GUARANTEE = 200
RESPONSE_WEIGHTS = {"opened": 0.2, "liked": 1.0, "saved": 2.0, "commented": 2.0}

_CJK = re.compile(r"[\u3400-\u9fff]")
_WORD = re.compile(r"[a-z][a-z'\u2019-]*|[\u3400-\u9fff]", re.IGNORECASE)
_SENTENCE = re.compile(r"[.!?。！？\n]+")
# First-hand experience: what the author did, felt, measured.
_EXPERIENCE = re.compile(
    r"\b(i|my|me|i'm|i've|we|our)\b|我|自己|亲测|试了|用了|穿了|住了|买了|回购|踩(雷|坑)|姐妹", re.IGNORECASE
)
_CONCRETE = re.compile(
    r"\d|\b(because|but|however|although|except|compared|size|sized|fits?|length|waist|fabric|material|sleeves?|hem|wash(ed)?|"
    r"petite|tall|color|colour|stretch|true to size|tight|loose|short|long|soft|itchy|sheer)\b|因为|但是|不过|建议|步骤|材质|尺码|面料|"
    r"身高|腰|长度|厘米|价位|缺点|优点|对比|适合|避开|教程|方法|第[一二三四]",
    re.IGNORECASE,
)
# Merely displaying a product: calls to buy with nothing said about it.
_DISPLAY = re.compile(
    r"\b(buy (it )?now|shop now|order now|link (below|in bio)|new arrivals?|in stock|limited stock|while (stocks?|supplies) last|don'?t miss|"
    r"free shipping|best price|great deal|hurry|available now|on sale|\d+% off|get yours|add to cart)\b|下单|上新|新品|现货|链接|包邮|"
    r"限时|特价|秒杀|手慢无|点击购买|立即购买|好价|库存|优惠",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ContentSignals:
    """What is read of a note: its words, how many pictures, how many topics."""

    title: str
    text: str
    images: int
    topics: int


@dataclass(frozen=True)
class Response:
    """`examined`: exposures weighted by how likely a person looks at the position; `responses`: weighted acts."""

    examined: float = 0.0
    responses: float = 0.0
    exposures: int = 0


def examination(position: int) -> float:
    """How likely position 1, 2, ... is looked at: (1/position)^0.5.

    Source: position-based propensity with eta = .5, Joachims, Swaminathan & Schnabel, WSDM 2017, section 4.
    """
    return 1.0 / math.sqrt(max(1, position))


def content_parts(signals: ContentSignals) -> dict[str, float]:
    """The parts of the content score, each in 0..1; `display` counts against it."""
    text = f"{signals.title}\n{signals.text}"
    words = [word.lower() for word in _WORD.findall(text)]
    size = _size(text, len(words))
    sentences = max(1, len([part for part in _SENTENCE.split(text) if part.strip()]))
    return {
        "depth": 1 - math.exp(-size / 60),
        "variety": len(set(words)) / len(words) * min(1.0, size / 25) if words else 0.0,
        "experience": _saturate(len(_EXPERIENCE.findall(text)), 3),
        "concreteness": _saturate(len(_CONCRETE.findall(text)), 4),
        "pictures": min(1.0, signals.images / 3) if signals.images else 0.0,
        "topics": min(1.0, signals.topics / 3),
        "display": min(1.0, len(_DISPLAY.findall(text)) / max(1.0, 0.6 * sentences)),
    }


_WEIGHTS = {
    "depth": 0.34, "variety": 0.12, "experience": 0.18, "concreteness": 0.24, "pictures": 0.07, "topics": 0.05
}  # fmt: skip


def content_score(parts: dict[str, float]) -> float:
    """The parts weighted, 0..1; a note that only displays a product keeps little of it."""
    score = sum(weight * parts[name] for name, weight in _WEIGHTS.items())
    return round(score * (1 - 0.85 * parts["display"]), 6)


def quality(content: float, response: Response) -> float:
    """Content as the prior, responses per examined exposure as the evidence (a beta-binomial mean on one scale), 0..1."""
    rate = response.responses / response.examined if response.examined > 0 else 0.0
    evidence = min(1.0, 0.5 * rate / EXPECTED_RESPONSE)
    weight = response.examined / (response.examined + PRIOR_EXAMINED)
    return round((1 - weight) * content + weight * evidence, 6)


def tier(response: Response) -> str:
    """`guaranteed` until its exposures are spent; then `earning`, or `stopped` when even the upper bound is poor.

    The bounds are Wilson's score interval at 95 % (Wilson 1927) of responses per examined exposure.
    """
    if response.exposures < GUARANTEE:
        return "guaranteed"
    _, upper = wilson(min(response.responses, response.examined), response.examined)
    return "earning" if upper >= EXPECTED_RESPONSE / 2 else "stopped"


def wilson(successes: float, trials: float, z: float = 1.96) -> tuple[float, float]:
    """Lower and upper bound of a rate; (0, 1) without trials."""
    if trials <= 0:
        return 0.0, 1.0
    rate = successes / trials
    middle = rate + z * z / (2 * trials)
    spread = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def advice(parts: dict[str, float], content: float) -> list[str]:
    """What would move the score, the most promising first, as stable codes."""
    gains = {f"more_{name}": weight * (1 - parts[name]) for name, weight in _WEIGHTS.items()}
    gains["less_display"] = content * 0.85 * parts["display"] / max(0.15, 1 - 0.85 * parts["display"])
    return [name for name, gain in sorted(gains.items(), key=lambda entry: -entry[1]) if gain >= 0.02][:3]


def fingerprint(title: str, text: str) -> str:
    """Equal for notes that say the same but for case, spaces and punctuation: near-duplicates share a page never."""
    words = _WORD.findall(f"{title} {text}".lower())
    return _digest(words[:60])


def _digest(words: Sequence[str]) -> str:
    return hashlib.blake2b(" ".join(words).encode(), digest_size=16).hexdigest()


def _size(text: str, words: int) -> float:
    """Length in English words; a Chinese character says about 0.6 of one."""
    cjk = len(_CJK.findall(text))
    return (words - cjk) + 0.6 * cjk


def _saturate(count: int, enough: int) -> float:
    return 1 - math.exp(-count / enough * 1.5)
