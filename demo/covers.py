"""Covers, product pictures and avatars of the demo, as WebP. One specification always gives the same bytes."""

from __future__ import annotations

import hashlib
import io
import random
from dataclasses import dataclass

from demo import scenes
from demo.canvas import HEIGHTS, Canvas
from demo.palette import CLOTH, PALETTES, Palette, hls
from demo.raster import rasterise
from demo.themes import THEMES


@dataclass(frozen=True)
class CoverSpec:
    """What decides a cover.

    ``key`` seeds everything that may vary (use the note's or product's own key); ``theme`` is one of
    :data:`demo.themes.THEMES`; ``ratio`` is "3:4", "1:1" or "4:3"; ``colour`` (``#rrggbb``) dyes the thing in the middle,
    so that notes about one product show it in its colour; ``layout`` and ``hero`` fix what is otherwise drawn by lot.
    """

    key: str
    theme: str
    ratio: str = "3:4"
    colour: str | None = None
    layout: str | None = None
    hero: str | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of what :func:`render_cover` gives."""
        return 540, HEIGHTS[self.ratio]


def _seeded(*words: str) -> random.Random:
    return random.Random(hashlib.sha256("|".join(words).encode()).digest())


def _standing_out(colour: str) -> list[Palette]:
    """The palettes against whose wall and middle shape a colour can be told apart."""
    light = hls(colour)[1]
    return [p for p in PALETTES if min(abs(hls(tone)[1] - light) for tone in (p.wall, p.shape)) > 0.14]


def cover_svg(spec: CoverSpec) -> str:
    """The cover as SVG; KeyError for an unknown theme, layout or ratio."""
    rng = _seeded("cover", spec.key, spec.theme)
    theme = THEMES[spec.theme]
    layout, hero = rng.choice(theme.layouts), rng.choice(theme.heroes)
    colour = spec.colour or rng.choice(list(CLOTH.values()))
    palettes = PALETTES[:12] if spec.layout == "studio" else _standing_out(colour)
    canvas = Canvas(HEIGHTS[spec.ratio], rng.choice(palettes), rng, colour)
    props = rng.sample(theme.props, len(theme.props))
    hero = spec.hero or hero
    scenes.LAYOUTS[spec.layout or layout](canvas, hero, [p for p in props if p != hero])
    return canvas.svg()


def render_cover(spec: CoverSpec, quality: int = 80) -> bytes:
    """A cover as WebP, 540 px wide."""
    return _webp(cover_svg(spec), *spec.size, quality)


def render_avatar(number: int) -> bytes:
    """A portrait as WebP, 192 x 192. Numbers give different people; they may be reused by many accounts."""
    rng = _seeded("avatar", str(number))
    canvas = Canvas(540, rng.choice(PALETTES), rng)
    canvas.fill(canvas.pal.wall, canvas.pal.floor)
    canvas.ellipse(270, 250, 215, 215, canvas.pal.shape, 0.55)
    canvas.peep(-30, 24, 590, rng.choice(list(CLOTH.values())))
    return _webp(canvas.svg(), 192, 192, 80)


def _webp(svg: str, width: int, height: int, quality: int) -> bytes:
    out = io.BytesIO()
    rasterise(svg, width, height).convert("RGB").save(out, "WEBP", quality=quality, method=1)
    return out.getvalue()
