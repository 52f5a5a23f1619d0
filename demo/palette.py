"""Colours of the covers: curated palettes, and moving a drawing's colours to a wanted one."""

from __future__ import annotations

import colorsys
import re
from dataclasses import dataclass
from functools import lru_cache

HEX = re.compile(r"#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})(?![0-9a-zA-Z])")


@dataclass(frozen=True)
class Palette:
    """Five colours that go together: wall above, floor below, a shape between them, an accent, and ink."""

    wall: str
    floor: str
    shape: str
    accent: str
    ink: str


PALETTES = (
    Palette("#f4ece1", "#e2d2bd", "#fffaf2", "#c8694a", "#4a3a30"),  # linen and terracotta
    Palette("#f9e1dd", "#eec2b9", "#fff5f1", "#d1495b", "#5b2a33"),  # blush
    Palette("#dfe9e2", "#bcd2c3", "#f6faf4", "#3f7d63", "#22402f"),  # sage
    Palette("#dce7f2", "#b7cde3", "#f5f9fd", "#3d6fa8", "#20364f"),  # morning sky
    Palette("#ece4f4", "#d0bfe4", "#faf6ff", "#7d5ba6", "#3b2a55"),  # lilac
    Palette("#fbeecb", "#f2d48b", "#fffaea", "#e08e2b", "#5c3d12"),  # butter
    Palette("#e9ded4", "#c9b29d", "#f8f2ec", "#8a5a3c", "#3d2a1e"),  # oat and walnut
    Palette("#d9eeec", "#a9d6d2", "#f2fbfa", "#1f8a86", "#123f42"),  # mint
    Palette("#f6dccb", "#eab18f", "#fff3ea", "#c4522f", "#552212"),  # apricot
    Palette("#e4e6ea", "#c5c9d2", "#fafbfc", "#55607a", "#262c3a"),  # fog
    Palette("#f3dfe6", "#e2b4c6", "#fff4f8", "#b03a6f", "#4b1832"),  # rose
    Palette("#e8ecd6", "#cdd6a5", "#fafbf0", "#7b8f35", "#394217"),  # olive grove
    Palette("#2f4858", "#22343f", "#49697b", "#f2b880", "#f7efe5"),  # night blue
    Palette("#5a3a46", "#432a34", "#7c5463", "#f3c4a5", "#fdf1ea"),  # plum
    Palette("#30514a", "#233d38", "#4b7569", "#e9c46a", "#f6f1e2"),  # pine
)

# What garments and things are dyed: kept near what shops sell, so that a page of covers looks like a rail of clothes.
CLOTH = {
    "ivory": "#efe6d6", "black": "#2e2c30", "navy": "#2f446f", "sky": "#7fa9d6", "denim": "#4d75a8", "sage": "#8fae8c",
    "forest": "#3c6b50", "olive": "#80863f", "mustard": "#d9a13a", "butter": "#f0d27c", "rust": "#b9562f",
    "terracotta": "#cd7a58", "red": "#c5383f", "wine": "#7c2740", "rose": "#d9819a", "blush": "#edb9b4",
    "lilac": "#b59bd0", "plum": "#6d4178", "camel": "#c39a6b", "chocolate": "#6a4633", "grey": "#9a9ca3",
    "teal": "#2f8a8b",
}  # fmt: skip


@lru_cache(maxsize=4096)
def hls(colour: str) -> tuple[float, float, float]:
    """Hue, lightness and saturation (each 0..1) of ``#rgb`` or ``#rrggbb``."""
    digits = colour.lstrip("#")
    digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
    red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return colorsys.rgb_to_hls(red, green, blue)


def from_hls(hue: float, light: float, saturation: float) -> str:
    rgb = colorsys.hls_to_rgb(hue % 1.0, min(max(light, 0.0), 1.0), min(max(saturation, 0.0), 1.0))
    return "#" + "".join(f"{round(c * 255):02x}" for c in rgb)


def shade(colour: str, by: float) -> str:
    """A colour lighter (``by`` > 0) or darker (< 0) by a share of the way to white or black."""
    return mix(colour, "#ffffff", by) if by > 0 else mix(colour, "#000000", -by)


def mix(one: str, other: str, share: float) -> str:
    """The colour ``share`` of the way from ``one`` to ``other``, in RGB."""
    pair = []
    for colour in (one, other):
        digits = colour.lstrip("#")
        pair.append([int(digits[i : i + 2], 16) for i in (0, 2, 4)])
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(*pair, strict=True))


def dye(body: str, main: str, target: str) -> str:
    """``body`` with every colour near ``main``'s hue moved so that ``main`` becomes ``target``.

    Lights and shadows keep their distance from the main tone, which keeps the modelling of the drawing; colours of
    another hue (buttons, soles, skin) stay.
    """
    hue, light, saturation = hls(main)
    to_hue, to_light, to_saturation = hls(target)

    def one(match: re.Match[str]) -> str:
        h, lum, sat = hls(match.group(0))
        apart = abs((h - hue + 0.5) % 1 - 0.5)
        if (apart > 0.13 and sat > 0.12 and saturation > 0.12) or (sat < 0.12 < saturation) or lum < 0.06:
            return match.group(0)
        gain = to_saturation / saturation if saturation > 0.05 else 1.0
        new_sat = sat * gain if saturation > 0.05 else to_saturation
        return from_hls(to_hue + (h - hue) * 0.35, to_light + (lum - light) * 0.8, min(new_sat, to_saturation * 1.15))

    return HEX.sub(one, body)


def silhouette(body: str, colour: str) -> str:
    """``body`` with every fill and stroke in one colour: what a drawing's shadow is made of."""
    flat = re.sub(r'(fill|stroke)="(?!none)[^"]*"', rf'\1="{colour}"', body)
    return re.sub(r"<(linearGradient|radialGradient)\b.*?</\1>", "", flat, flags=re.S)
