"""What the tour's people write and sell, and what is asked for it: chosen so that words and meaning can be told apart."""

from __future__ import annotations

import io
import re
from typing import Any

import snowballstemmer

POT: dict[str, Any] = {
    "title": "Unglazed seedling pot, thrown by hand",
    "description": "Red earthenware that breathes, with a hole and a saucer. Made by the potter who plays the tour.",
    "category": "Garden",
}
SIZES = {"18 cm, the last one": 12_900, "14 cm": 8_900}
"""The pot's SKUs and what they cost, in minor units of the site's currency."""

NOTE: dict[str, Any] = {
    "title": "First time raising tomatoes: what I learned",
    "text": (
        "I had never raised a plant before and have no balcony, so I sowed six tomato seeds on the sill and kept a diary.\n"
        "Week 1: plastic cups stayed wet, two seedlings rotted. I moved the rest into a 14 cm unglazed clay pot: it was dry "
        "after 2 days, but the stems stopped drooping.\n"
        "Week 2: they leaned to the glass, so I turned the saucer a quarter each morning. The tallest measured 9 cm.\n"
        "Week 3: I pinched out the side shoots and buried the stem up to its first leaves, because it roots there.\n"
        "Week 4: 21 cm, thick as a pencil. However, the clay is heavy, and the saucer is too shallow: it left a ring on the "
        "wood, so put cork under it. Compared with last year's plastic I water more often and lose nothing.\n"
        "What I would do differently: start in March, and only three seeds."
    ),
    "topics": ["seedlings", "tomatoes", "plants"],
}
ENGLISH = "beginner gardening"
"""Means what the note means, and shares no word with it."""

NOTE_ZH: dict[str, Any] = {
    "title": "新手种番茄：北窗台四周日记",
    "text": (
        "我以前什么都没种过，厨房只有一扇朝北的窗，就播了六粒番茄籽。\n"
        "第一周用塑料杯，太湿，烂了两棵；换成十四厘米的粗陶盆，两天就干透，茎不再垂头。\n"
        "第二周苗往玻璃那边斜，我每天早上把盆转一下，最高的一棵九厘米。\n"
        "第三周掐掉侧芽，把茎埋到第一对叶子，因为埋进土的茎会生根。\n"
        "第四周二十一厘米，粗如铅笔。缺点是陶盆重，托盘浅，木台上留了一圈水印，垫一片软木就好。\n"
        "明年我会三月开始，只播三粒。"
    ),
    "topics": ["番茄", "陶盆", "窗台"],
}
CHINESE = "西红柿栽培入门"
"""With the other word for the same fruit: not a character in common with the note. Both lie well above the encoder's floor,
because int8 gives each kind of processor slightly different vectors."""

DISPLAY: dict[str, Any] = {
    "title": "Seedling pot: shop now",
    "text": "New arrival! In stock. Order now, link below. Best price, while stocks last, don't miss it. Get yours!",
    "topics": ["sale"],
}

ADDRESS = {
    "recipient": "Tour Guest",
    "phone": "+86 10 5550 0100",
    "region": "Shanghai",
    "street": "1 Test Lane",
    "postcode": "200000",
}

_WORDS = re.compile(r"[a-z0-9]+")
_HAN = re.compile(r"[\u3400-\u9fff]")


def shared(query: str, note: dict[str, Any]) -> set[str]:
    """The words (by their stems) and Chinese characters that a query has in common with a note."""
    return _pieces(query) & _pieces(" ".join([note["title"], note["text"], *note["topics"]]))


def _pieces(text: str) -> set[str]:
    stem = snowballstemmer.stemmer("english").stemWord
    return {stem(word) for word in _WORDS.findall(text.lower())} | set(_HAN.findall(text))


def picture() -> bytes:
    """A drawing of a pot, as PNG."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (900, 1200), (236, 228, 214))
    pen = ImageDraw.Draw(image)
    pen.polygon([(250, 560), (650, 560), (590, 980), (310, 980)], fill=(178, 92, 60))
    pen.rectangle((225, 500, 675, 580), fill=(196, 108, 72))
    pen.line((450, 500, 450, 300), fill=(74, 110, 62), width=16)
    pen.ellipse((440, 270, 590, 350), fill=(96, 138, 78))
    pen.ellipse((310, 330, 460, 410), fill=(86, 128, 70))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
