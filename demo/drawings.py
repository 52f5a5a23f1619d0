"""Garments the emoji set lacks, drawn by hand on the same 128 x 128 box, and access to the extracted set."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple


class Glyph(NamedTuple):
    """One drawing: SVG markup on a 128 x 128 box (ids begin with ``§``) and the colour that covers most of it."""

    body: str
    main: str


def _ribs(x: int, y: int, width: int, colour: str) -> str:
    lines = "".join(f"M{x + i} {y}v7" for i in range(3, width, 5))
    return f'<path d="{lines}" stroke="{colour}" stroke-width="1.4" fill="none"/>'


SLEEVED = "M44 22L28 30Q20 34 17 46L6 96L22 101L34 64L36 112H92L94 64L106 101L122 96L111 46Q108 34 100 30L84 22Z"
SLEEVE_FOLDS = '<path d="M35 46L34 72M93 46L94 72" stroke="#b84545" stroke-width="2.4" fill="none" opacity=".7"/>'

MAXI = "M46 10L42 30Q48 40 50 46L22 118Q64 128 106 118L78 46Q80 40 86 30L82 10L76 10L75 26Q64 38 53 26L52 10Z"
WRAP = "M46 14L30 22Q22 34 20 54L34 60L42 44L46 58L28 114Q64 124 100 114L82 58L86 44L94 60L108 54Q106 34 98 22L82 14L64 42Z"
SHIRT = (
    "M50 10L36 15Q24 28 20 50L34 54L43 40L44 58L30 116Q64 124 98 116L84 58L85 40L94 54L108 50Q104 28 92 15L78 10L64 18Z"
)
BLOUSE = (
    "M46 20L30 27Q16 34 12 54Q8 76 10 98Q18 103 28 99L36 66L34 110Q64 117 94 110L92 66L100 99Q110 103 118 98Q120 76 "
    "116 54Q112 34 98 27L82 20Z"
)
SKIRT = "M40 22H88L112 104Q64 122 16 104Z"
TROUSERS = "M40 14H88L102 116H70L64 46L58 116H26Z"
TEE = "M46 22L28 30L8 56L26 70L36 58V112H92V58L102 70L120 56L100 30L82 22Q64 40 46 22Z"

OWN: dict[str, Glyph] = {
    "maxi": Glyph(
        f'<path d="{MAXI}" fill="#d65f5f"/><path d="M50 46H78L80 54H48Z" fill="#b84545"/><path d="M56 54Q52 90 40 121M64 '
        '54V124M72 54Q76 90 88 121" stroke="#c24f4f" stroke-width="2" fill="none"/><path d="M26 106Q64 116 102 106L106 '
        '118Q64 128 22 118Z" fill="#c24f4f" opacity=".6"/>',
        "#d65f5f",
    ),
    "wrapdress": Glyph(
        f'<path d="{WRAP}" fill="#d65f5f"/><path d="M46 14L64 42L82 14L88 17L60 62L54 60L61 46L40 17Z" fill="#ea8b8b"/>'
        '<path d="M45 56L83 56L85 66L43 66Z" fill="#b84545"/><path d="M48 66Q58 96 52 119M56 66L64 92" stroke="#c24f4f" '
        'stroke-width="2" fill="none"/><path d="M46 60l-14 22 8 2 10-20Z" fill="#b84545"/>',
        "#d65f5f",
    ),
    "shirtdress": Glyph(
        f'<path d="{SHIRT}" fill="#d65f5f"/><path d="M50 10L64 18L78 10L74 30L64 20L54 30Z" fill="#ea8b8b"/><path '
        'd="M61 20h6v100h-6Z" fill="#c24f4f"/><g fill="#f7ead9"><circle cx="64" cy="38" r="2"/><circle cx="64" cy="52" '
        'r="2"/><circle cx="64" cy="82" r="2"/><circle cx="64" cy="98" r="2"/></g><path d="M44 57H84V64H43Z" '
        'fill="#b84545"/><path d="M43 40V57M85 40V57" stroke="#b84545" stroke-width="2"/>',
        "#d65f5f",
    ),
    "tee": Glyph(
        f'<path d="{TEE}" fill="#d65f5f"/><path d="M46 22Q64 40 82 22L78 20Q64 33 50 20Z" fill="#b84545"/><path '
        'd="M36 42V60M92 42V60" stroke="#b84545" stroke-width="2"/><path d="M8 56L26 70L29 66L11 52ZM120 56L102 70L99 '
        '66L117 52Z" fill="#c24f4f"/>',
        "#d65f5f",
    ),
    "sweater": Glyph(
        f'<path d="{SLEEVED}" fill="#d65f5f"/><path d="M36 100H92V112H36Z" fill="#c24f4f"/>'
        '<path d="M6 96L22 101L24 94L8 89ZM122 96L106 101L104 94L120 89Z" fill="#c24f4f"/>'
        '<path d="M44 22Q64 44 84 22L79 19Q64 34 49 19Z" fill="#c24f4f"/>'
        + _ribs(36, 103, 56, "#a93f3f")
        + '<path d="M44 56l6-6 6 6 6-6 6 6 6-6 6 6 6-6M44 68l6-6 6 6 6-6 6 6 6-6 6 6 6-6" stroke="#ea8b8b" '
        'stroke-width="3" fill="none" stroke-linejoin="round"/>' + SLEEVE_FOLDS,
        "#d65f5f",
    ),
    "cardigan": Glyph(
        f'<path d="{SLEEVED}" fill="#d65f5f"/><path d="M48 20L64 66L80 20Q64 28 48 20Z" fill="#f7ead9"/>'
        '<path d="M44 22L62 68V112H66V68L84 22L79 19L64 60L49 19Z" fill="#b84545"/>'
        '<path d="M36 102H92V112H36Z" fill="#c24f4f" opacity=".8"/>'
        '<g fill="#f7ead9"><circle cx="64" cy="76" r="2.6"/><circle cx="64" cy="88" r="2.6"/><circle cx="64" cy="100" '
        'r="2.6"/></g><path d="M42 82h14v14H42ZM72 82h14v14H72Z" fill="#c24f4f"/>' + SLEEVE_FOLDS,
        "#d65f5f",
    ),
    "blouse": Glyph(
        '<path d="M46 20L30 27Q16 34 12 54Q8 76 10 98Q18 103 28 99L36 66L34 110Q64 117 94 110L92 66L100 99Q110 103 118 '
        '98Q120 76 116 54Q112 34 98 27L82 20Z" fill="#d65f5f"/>'
        '<path d="M46 20L64 50L82 20L77 17L64 38L51 17Z" fill="#ea8b8b"/>'
        '<path d="M64 50q-9 4-13 15 8-2 13-12 5 10 13 12-4-11-13-15Z" fill="#b84545"/>'
        '<path d="M45 76q3 16 0 34M64 78q2 18 0 35M83 76q-3 16 0 34" stroke="#c24f4f" stroke-width="2" fill="none"/>'
        '<path d="M10 92q9 5 19 1l-1 6q-9 4-18-1ZM118 92q-9 5-19 1l1 6q9 4 18-1Z" fill="#b84545"/>' + SLEEVE_FOLDS,
        "#d65f5f",
    ),
    "skirt": Glyph(
        '<path d="M40 22H88L112 104Q64 122 16 104Z" fill="#d65f5f"/><path d="M39 16H89V27H39Z" fill="#b84545"/>'
        '<path d="M50 28L36 108M60 28L54 112M68 28L74 112M78 28L92 108" stroke="#c24f4f" stroke-width="2.4"/>'
        '<path d="M40 28L22 105Q28 107.500 35 109L49 28ZM61 28L57 112.500Q64 113 72 112.500L67 28Z" fill="#ea8b8b" '
        'opacity=".45"/><circle cx="83" cy="21.500" r="2.200" fill="#f7ead9"/>',
        "#d65f5f",
    ),
    "trousers": Glyph(
        '<path d="M40 14H88L102 116H70L64 46L58 116H26Z" fill="#d65f5f"/><path d="M40 12H88L89.500 22H38.500Z" '
        'fill="#b84545"/><path d="M64 22V46M48 24L40 116M80 24L88 116" stroke="#c24f4f" stroke-width="2" fill="none"/>'
        '<path d="M41 28q6 8 12 8M87 28q-6 8-12 8" stroke="#b84545" stroke-width="2" fill="none"/>'
        '<path d="M58 12v11M70 12v11" stroke="#a93f3f" stroke-width="2.500"/>',
        "#d65f5f",
    ),
    "camisole": Glyph(
        '<path d="M42 12V40M86 12V40" stroke="#b84545" stroke-width="4"/><path d="M36 42Q50 32 64 46Q78 32 92 42Q88 70 '
        '98 110Q64 120 30 110Q40 70 36 42Z" fill="#d65f5f"/><path d="M36 42Q50 32 64 46Q78 32 92 42L91 48Q78 40 64 '
        '53Q50 40 37 48Z" fill="#ea8b8b"/><path d="M30 110Q64 120 98 110L96 102Q64 111 32 102Z" fill="#ea8b8b"/>'
        '<path d="M50 62q2 22-4 42M78 62q-2 22 4 42" stroke="#c24f4f" stroke-width="2" fill="none"/>',
        "#d65f5f",
    ),
    "pyjamas": Glyph(
        '<path d="M30 70L98 70L106 120H70L64 92L58 120H22Z" fill="#c24f4f"/>'
        '<path d="M46 8L28 14L10 44L24 52L34 38V78H94V38L104 52L118 44L100 14L82 8Z" fill="#d65f5f"/>'
        '<path d="M46 8L64 34L82 8L88 12L66 42V78H62V42L40 12Z" fill="#ea8b8b"/><g fill="#f7ead9">'
        '<circle cx="64" cy="50" r="2.200"/><circle cx="64" cy="62" r="2.200"/></g><path d="M74 50h14v12H74Z" '
        'fill="#b84545"/><path d="M34 38V66M94 38V66" stroke="#b84545" stroke-width="2"/>',
        "#d65f5f",
    ),
    "tights": Glyph(
        '<path d="M44 10H84L88 60L80 112Q86 116 96 116V120H70L66 60L62 60L58 120H32V116Q42 116 48 112L40 60Z" '
        'fill="#d65f5f"/><path d="M44 10H84L85 20H43Z" fill="#b84545"/><path d="M52 24q-2 40 4 84M76 24q2 40-4 84" '
        'stroke="#ea8b8b" stroke-width="3" fill="none" opacity=".7"/>',
        "#d65f5f",
    ),
    "perfume": Glyph(
        '<path d="M50 22H78V42H50Z" fill="#c9a24b"/><path d="M54 10H74V22H54Z" fill="#e3c274"/><rect x="30" y="42" '
        'width="68" height="76" rx="12" fill="#e7a0a8"/><rect x="38" y="62" width="52" height="48" rx="8" '
        'fill="#d67f8c"/><rect x="46" y="72" width="36" height="22" rx="3" fill="#fff4ee"/><path d="M38 50h10v56" '
        'stroke="#f8d3d6" stroke-width="5" fill="none" stroke-linecap="round"/>',
        "#e7a0a8",
    ),
    "cream": Glyph(
        '<rect x="18" y="58" width="92" height="54" rx="12" fill="#f0e4da"/><rect x="14" y="34" width="100" height="28" '
        'rx="8" fill="#d67f8c"/><path d="M14 50h100v12H14Z" fill="#bd6a77"/><rect x="38" y="74" width="52" height="22" '
        'rx="4" fill="#fffaf5"/><path d="M46 82h36M46 89h22" stroke="#d67f8c" stroke-width="2.500"/>',
        "#d67f8c",
    ),
    "serum": Glyph(
        '<path d="M54 6h20q4 12 0 22H54q-4-10 0-22Z" fill="#3d3a40"/><path d="M52 28h24v16H52Z" fill="#e3c274"/>'
        '<path d="M46 44h36q10 6 10 18v50q0 8-8 8H44q-8 0-8-8V62q0-12 10-18Z" fill="#d08b4f"/><rect x="42" y="72" '
        'width="44" height="32" rx="3" fill="#fff6ea"/><path d="M50 82h28M50 90h18" stroke="#d08b4f" stroke-width="3"/>'
        '<path d="M44 56q2-5 6-7" stroke="#f0c69a" stroke-width="4" fill="none" stroke-linecap="round"/>',
        "#d08b4f",
    ),
    "rug": Glyph(
        '<ellipse cx="64" cy="64" rx="60" ry="30" fill="#d65f5f"/><ellipse cx="64" cy="64" rx="48" ry="23" fill="none" '
        'stroke="#f7ead9" stroke-width="3"/><ellipse cx="64" cy="64" rx="34" ry="15" fill="#c24f4f"/>',
        "#d65f5f",
    ),
    "vase": Glyph(
        '<path d="M64 62Q60 30 42 12M64 62Q66 28 70 8M64 62Q72 36 92 20" stroke="#7c8f5c" stroke-width="3" fill="none"/>'
        '<g fill="#e9c9a0"><ellipse cx="42" cy="14" rx="7" ry="13" transform="rotate(-28 42 14)"/><ellipse cx="70" cy="12" '
        'rx="7" ry="13" transform="rotate(6 70 12)"/><ellipse cx="92" cy="22" rx="7" ry="13" transform="rotate(36 92 22)"/>'
        '</g><path d="M52 58h24l-3 10q22 10 22 30 0 24-31 24T33 98q0-20 22-30Z" fill="#d08b6f"/><path d="M44 88q-4 14 6 24" '
        'stroke="#ecc0aa" stroke-width="5" fill="none" stroke-linecap="round"/>',
        "#d08b6f",
    ),
}  # fmt: skip


# White motifs keep their colour when the garment is dyed, the others follow it.
PRINTS = {
    "dots": "".join(
        f'<circle cx="{x + 6 * (y // 12 % 2)}" cy="{y}" r="2.6" fill="#ffffff"/>'
        for y in range(12, 126, 12)
        for x in range(8, 124, 12)
    ),
    "breton": "".join(f'<path d="M0 {y}h128v4h-128Z" fill="#ffffff"/>' for y in range(36, 126, 11)),
    "check": '<g opacity=".5">'
    + "".join(
        f'<path d="M{x} 0v128h7v-128Z" fill="#a93f3f"/><path d="M0 {x}h128v7h-128Z" fill="#a93f3f"/>'
        for x in range(2, 126, 15)
    )
    + "</g>",
    "floral": "".join(
        f'<g transform="translate({x + 9 * (y // 17 % 2)} {y})" fill="#ffffff"><circle cy="-3.6" r="2.5"/><circle cx="3.4" '
        'cy="-1.1" r="2.5"/><circle cx="2.1" cy="2.9" r="2.5"/><circle cx="-2.1" cy="2.9" r="2.5"/><circle cx="-3.4" '
        'cy="-1.1" r="2.5"/><circle r="1.8" fill="#e8b23a"/></g>'
        for y in range(10, 126, 17)
        for x in range(6, 124, 18)
    ),
    "pinstripe": "".join(f'<path d="M{x} 0v128" stroke="#ffffff" stroke-width="1.4"/>' for x in range(6, 126, 8)),
}
_PRINTED = {
    "maxi": (MAXI, ("floral", "dots", "check")), "wrapdress": (WRAP, ("floral", "dots", "pinstripe")),
    "shirtdress": (SHIRT, ("pinstripe", "check", "floral")), "blouse": (BLOUSE, ("floral", "dots", "pinstripe")),
    "skirt": (SKIRT, ("check", "dots", "floral")), "trousers": (TROUSERS, ("pinstripe", "check")),
    "tee": (TEE, ("breton", "dots")), "sweater": (SLEEVED, ("breton",)),
}  # fmt: skip


def _printed(name: str, print_: str) -> Glyph:
    body, main = OWN[name]
    outline = _PRINTED[name][0]
    clip = f'<clipPath id="§p"><path d="{outline}"/></clipPath><g clip-path="url(#§p)">{PRINTS[print_]}</g>'
    first = body.index("/>") + 2  # over the body, under collar, belt and folds
    return Glyph(body[:first] + clip + body[first:], main)


OWN |= {f"{name}-{print_}": _printed(name, print_) for name, (_, prints) in _PRINTED.items() for print_ in prints}


@lru_cache(maxsize=1)
def collection() -> dict[str, Any]:
    """``illustrations.json``: what ``demo.extract_illustrations`` took out of the two packages."""
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("illustrations.json").read_text("utf-8"))
    return loaded


@lru_cache(maxsize=512)
def glyph(name: str) -> Glyph:
    """The drawing of that name, from our own few or the extracted set; KeyError when there is none."""
    if name in OWN:
        return OWN[name]
    found = collection()["glyphs"][name]
    return Glyph(found["body"], found["main"])
