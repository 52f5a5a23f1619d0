"""How good a note is: the content itself, and how people respond to it, corrected for position and for how often it was shown.

Pure. The only inputs are `ContentSignals` and `Response`: nothing here can see a price, a payment or a follower count.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

FLOOR = 0.35
"""Below it a note reaches followers and search only (DESIGN.md: a note that merely displays a product scores low)."""
TYPICAL = 0.65
"""The quality of a note that is responded to as often as notes are on average; about the median of content scores."""
PRIOR_EXAMINED = 40.0
"""How many examined exposures the content's own score is worth: half of what the guarantee comes to (200 exposures over a
page of 20 are 76 examined ones), so that a note that has spent it is judged by its readers more than by its words."""
RESPONSE_WEIGHTS = {
    "opened": 0.2, "liked": 1.0, "saved": 2.0, "commented": 2.0, "joined": 0.2, "stayed": 1.0, "chatted": 2.0,
}  # fmt: skip
"""What an act of a note's reader or a room's viewer is worth: little for a tap, which a cover earns, more for what takes a
decision, most for what takes effort. A room's acts weigh as their like on a note, so that both share one scale."""
START_RATE, START_EXAMINED = 0.08, 500.0
"""The response rate of a house that knows none of its own yet (of a hundred who look, 15 open, 3 like, 1 saves or comments),
and how many examined exposures that guess is worth; `expected_rate` follows what people here really do."""
GUARANTEE = 200
"""The default of `feed.guarantee`: how many exposures each qualified new note may count on."""
ROOM_GUARANTEE = 50
"""Exposures of a broadcast that the guarantee pays for: fewer than a note's, because a room is there for an hour."""
NEW_HOST, NEW_HOST_NOTES = 0.6, 3
"""What a host without notes is taken for, and how many notes that guess is worth."""

_CJK = re.compile(r"[\u3400-\u9fff]")
_WORD = re.compile(r"[a-z][a-z'\u2019-]*|[\u3400-\u9fff]", re.IGNORECASE)
_SENTENCE = re.compile(r"[.!?。！？\n]+")
# First-hand experience: what the author did, felt, measured.
_EXPERIENCE = re.compile(
    r"\b(i|my|me|i'm|i've|we|our)\b|我|自己|亲测|试了|用了|穿了|住了|买了|[换试买用穿住]过|回购|踩(雷|坑|过)|姐妹",
    re.IGNORECASE,
)
# What can be checked: measures, sizes, what it is made of, colours, reasons and reservations.
_CONCRETE = re.compile(
    r"\d|\b(because|but|however|although|though|unless|except|instead|compared|than|size|sized|fits?|length|waist|hem|sleeves?|"
    r"fabric|material|made|cotton|wool|silk|linen|polyester|leather|wood|lined|lining|seams?|stitch(ed|ing)?|stretch|"
    r"wash(ed|es)?|petite|tall|tight|loose|short|long|soft|itchy|sheer|thin|thick|heavy|colou?rs?|blue|red|black|white|navy|green|"
    r"pattern)\b|因为|但是|不过|建议|步骤|材质|尺码|面料|身高|长度|价位|缺点|优点|对比|适合|避开|教程|方法|[棉麻绒丝]|羊毛|醋酸|"
    r"[一二两三四五六七八九十半]+(厘米|公分|毫升|克|度|分钟|小时|天|周|个月|层|折|次|倍|寸|步)|第[一二三四]",
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
    """How likely position 1, 2, ... of a page is looked at: (1/position)^0.5.

    The form is the position-based model's (Joachims, Swaminathan & Schnabel, WSDM 2017). For the exponent, the men's logs
    of the Open Bandit Dataset (Saito et al. 2020, random and Thompson policy, 10,000 impressions each, three places):
    .16 by maximum likelihood with a rate per item, 95 % interval -.24 to .56. That rules out the 1/position of search
    results; .5 is its cautious end, because a page here runs to 20 places and has to be scrolled. Positions count within a page:
    who asked for the next one has come to its top.
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
        # Heaps' law: a text of n words has about 1.6 n^.8 distinct ones; fewer when it says the same again.
        "variety": min(1.0, len(set(words)) / (1.6 * len(words) ** 0.8)) * min(1.0, size / 25) if words else 0.0,
        "composition": 1 - math.exp(-size / sentences / 9),
        "experience": _saturate(len(_EXPERIENCE.findall(text)), 3),
        "concreteness": _saturate(len(_CONCRETE.findall(text)), 4),
        "pictures": min(1.0, signals.images / 3) if signals.images else 0.0,
        "topics": min(1.0, signals.topics / 3),
        "display": min(1.0, len(_DISPLAY.findall(text)) / max(1.0, 0.6 * sentences)),
    }


_WEIGHTS = {
    "depth": 0.45, "composition": 0.25, "concreteness": 0.15, "experience": 0.05, "pictures": 0.05, "topics": 0.03,
    "variety": 0.02,
}  # fmt: skip
"""On the demo's 958 real posts the score's rank correlation with helpful votes is .305 and that of length .302: not told apart
(95 % interval of the difference -.02 to .03). No other cue of the text added to these."""


def content_score(parts: dict[str, float]) -> float:
    """The parts weighted, 0..1; a note that only displays a product keeps little of it."""
    score = sum(weight * parts[name] for name, weight in _WEIGHTS.items())
    return round(score * (1 - 0.85 * parts["display"]), 6)


def quality(content: float, response: Response, expected: float = START_RATE) -> float:
    """Content as the prior, responses against what was to be expected as the evidence; within 0..1 and never at its ends.

    The mean of a Gamma-Poisson model: the content score stands for a response rate, in the odds of `TYPICAL` times
    `expected`, that was seen over `PRIOR_EXAMINED` examined exposures; its own responses are added, and the rate is mapped
    back. A new note has its content's score, one that gets the usual response moves to `TYPICAL`.
    """
    earned = _odds(TYPICAL) * response.responses / expected
    odds = (PRIOR_EXAMINED * _odds(content) + earned) / (PRIOR_EXAMINED + response.examined)
    return round(odds / (1 + odds), 6)


def expected_rate(responses: float, examined: float) -> float:
    """Responses per examined exposure of an average note, from all there were; to two digits, so that scores rest."""
    rate = (START_RATE * START_EXAMINED + responses) / (START_EXAMINED + examined)
    return float(f"{rate:.2g}")


def host_score(notes: Sequence[tuple[float, Sequence[str]]]) -> float:
    """What a host's notes (quality, topics) promise for a room: their mean quality, shrunk to `NEW_HOST`, and how deep in one
    niche they are. What the room sells, and how many follow, is not asked."""
    count = len(notes)
    mean = (NEW_HOST * NEW_HOST_NOTES + math.fsum(score for score, _ in notes)) / (NEW_HOST_NOTES + count)
    topics = Counter(topic for _, named in notes for topic in {name.casefold() for name in named})
    depth = 1 - math.exp(-max(topics.values(), default=0) / 5)
    return round(mean * (0.85 + 0.15 * depth), 6)


def tier(response: Response, expected: float = START_RATE, guarantee: int = GUARANTEE) -> str:
    """`guaranteed` until its exposures are spent; then `earning`, or `stopped` when even the upper bound is poor.

    The bounds are Wilson's score interval at 95 % (Wilson 1927) of responses per examined exposure.
    """
    if response.exposures < guarantee:
        return "guaranteed"
    _, upper = wilson(min(response.responses, response.examined), response.examined)
    return "earning" if upper >= expected / 2 else "stopped"


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


def _odds(score: float) -> float:
    score = min(0.99, max(0.01, score))
    return score / (1 - score)


def _size(text: str, words: int) -> float:
    """Length in English words; a Chinese character says about 0.6 of one."""
    cjk = len(_CJK.findall(text))
    return (words - cjk) + 0.6 * cjk


def _saturate(count: int, enough: int) -> float:
    return 1 - math.exp(-count / enough * 1.5)
