"""A cover being composed: SVG shapes, drawings with shadows, and backdrops, all drawn from one seeded generator."""

from __future__ import annotations

import random
from collections.abc import Sequence

from demo.drawings import collection, glyph
from demo.palette import CLOTH, Palette, dye, mix, shade, silhouette
from demo.themes import DYED, GARMENTS

WIDTH = 540
HEIGHTS = {"3:4": 720, "1:1": 540, "4:3": 405}


class Canvas:
    """540 px wide; ``rng`` decides everything that may vary, so that one key gives one picture."""

    def __init__(self, height: int, palette: Palette, rng: random.Random, colour: str | None = None) -> None:
        self.w, self.h, self.pal, self.rng = WIDTH, height, palette, rng
        self.colour = colour or rng.choice(list(CLOTH.values()))
        self._parts: list[str] = []
        self._ids = 0

    def add(self, markup: str) -> None:
        self._parts.append(markup)

    def unique(self) -> str:
        self._ids += 1
        return f"u{self._ids}"

    def svg(self) -> str:
        head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.w}" height="{self.h}" viewBox="0 0 {self.w} {self.h}">'
        return head + "".join(self._parts) + "</svg>"

    # Shapes -----------------------------------------------------------------------------------------------------
    def rect(self, x: float, y: float, w: float, h: float, fill: str, radius: float = 0, opacity: float = 1) -> None:
        self.add(
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{w:.0f}" height="{h:.0f}" rx="{radius:.0f}" fill="{fill}"'
            f' fill-opacity="{opacity:.2f}"/>'
        )

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: str, opacity: float = 1) -> None:
        self.add(
            f'<ellipse cx="{x:.0f}" cy="{y:.0f}" rx="{rx:.0f}" ry="{ry:.0f}" fill="{fill}" fill-opacity="{opacity:.2f}"/>'
        )

    def path(self, d: str, fill: str = "none", stroke: str = "none", width: float = 0, opacity: float = 1) -> None:
        kind = "fill" if stroke == "none" else "stroke"  # opacity of the whole would cost a layer
        self.add(
            f'<path d="{d}" fill="{fill}" stroke="{stroke}" stroke-width="{width:.1f}" stroke-linecap="round"'
            f' stroke-linejoin="round" {kind}-opacity="{opacity:.2f}"/>'
        )

    def gradient(self, top: str, bottom: str, horizontal: bool = False) -> str:
        """A linear gradient, as a value for ``fill``."""
        name = self.unique()
        x2, y2 = ("1", "0") if horizontal else ("0", "1")
        self.add(
            f'<linearGradient id="{name}" x1="0" y1="0" x2="{x2}" y2="{y2}"><stop offset="0" stop-color="{top}"/>'
            f'<stop offset="1" stop-color="{bottom}"/></linearGradient>'
        )
        return f"url(#{name})"

    def fill(self, top: str, bottom: str) -> None:
        self.rect(0, 0, self.w, self.h, self.gradient(top, bottom))

    # Drawings ---------------------------------------------------------------------------------------------------
    def put(
        self,
        name: str,
        x: float,
        y: float,
        size: float,
        angle: float = 0,
        colour: str | None = None,
        shadow: str = "",
    ) -> None:
        """A drawing centred at (x, y). ``shadow``: "drop" (lying on paper), "floor" (standing) or "" for none."""
        body, main = glyph(name)
        if colour and name in DYED:
            body = dye(body, main, colour)
        scale = size / 128
        place = f"translate({x - size / 2:.1f} {y - size / 2:.1f}) rotate({angle:.1f} {size / 2:.1f} {size / 2:.1f}) scale({scale:.4f})"
        if shadow == "floor":
            self.ellipse(x, y + size * 0.47, size * 0.42, size * 0.055, self.pal_shadow, 0.2)
            self.ellipse(x, y + size * 0.47, size * 0.30, size * 0.035, self.pal_shadow, 0.22)
        elif shadow == "drop":
            dark = silhouette(body, self.pal_shadow).replace("§", self.unique() + "-")
            self.add(f'<g opacity=".22" transform="translate({size * 0.035:.1f} {size * 0.05:.1f}) {place}">{dark}</g>')
        self.add(f'<g transform="{place}">{body.replace("§", self.unique() + "-")}</g>')

    @property
    def pal_shadow(self) -> str:
        return mix(self.pal.ink, "#000000", 0.5) if self.pal.ink < "#999999" else "#0b0d12"

    def tint(self, name: str) -> str | None:
        """A dye for a prop: garments and bags take one that suits the palette, other things keep their own colours."""
        if name in GARMENTS or name in (
            "handbag",
            "scarf",
            "womans-boot",
            "flat-shoe",
            "socks",
            "gloves",
            "backpack",
            "vase",
        ):
            return self.rng.choice([self.pal.accent, shade(self.pal.accent, 0.35), self.pal.floor, *CLOTH.values()])
        return None

    def peep(self, x: float, y: float, size: float, cloth: str) -> None:
        """A hand-drawn person, the head's top left at (x, y), ``size`` wide."""
        peeps, rng = collection()["peeps"], self.rng
        skin = rng.choice(["#ffdbb4", "#edb98a", "#f8d9b8", "#fbe3cd", "#d08b5b", "#ae5d29"])
        hair = rng.choice(["#2c1b18", "#2c1b18", "#4a312c", "#724133", "#a55728", "#b58143", "#c93305", "#6b5b95"])
        pieces = [peeps["body"]]
        head, face = rng.choice(sorted(peeps["heads"])), rng.choice(sorted(peeps["faces"]))
        pieces.append(f'<g transform="matrix(.99789 0 0 1 156 62)">{peeps["heads"][head]}</g>')
        pieces.append(f'<g transform="translate(315 248)">{peeps["faces"][face]}</g>')
        if rng.random() < 0.25:
            worn = rng.choice(sorted(peeps["accessories"]))
            pieces.append(f'<g transform="translate(203 303)">{peeps["accessories"][worn]}</g>')
        markup = "".join(pieces).replace("{skin}", skin).replace("{hair}", hair).replace("{cloth}", cloth)
        self.add(f'<g fill="none" transform="translate({x:.1f} {y:.1f}) scale({size / 704:.4f})">{markup}</g>')

    # Backdrops --------------------------------------------------------------------------------------------------
    def pattern(self, colour: str, opacity: float = 0.5, kinds: Sequence[str] = ()) -> None:
        """A quiet pattern over the whole canvas."""
        kind = self.rng.choice(kinds or ("gingham", "dots", "stripes", "terrazzo", "grid", "waves", "planks", "plain"))
        if kind == "terrazzo":
            self._terrazzo(colour, opacity)
            return
        if kind != "plain":
            turn = self.rng.choice([0, 0, 45]) if kind in ("stripes", "gingham") else 0
            d = _tiles(kind, self.w, self.h, 180 if turn else 0)
            self.add(f'<g transform="rotate({turn} {self.w / 2:.0f} {self.h / 2:.0f})">')
            self.path(d, colour, opacity=opacity * (0.6 if kind in ("stripes", "gingham") else 1))
            self.add("</g>")

    def _terrazzo(self, colour: str, opacity: float) -> None:
        rng, tones = self.rng, (colour, self.pal.accent, self.pal.shape, self.pal.floor)
        for _ in range(self.h // 12):
            x, y, r = rng.uniform(0, self.w), rng.uniform(0, self.h), rng.uniform(4, 13)
            corners = [
                (x + r * dx * rng.uniform(0.6, 1.2), y + r * dy)
                for dx, dy in ((-1, -0.2), (0.1, -0.9), (1, 0.1), (0, 0.8))
            ]
            d = "M" + "L".join(f"{a:.0f} {b:.0f}" for a, b in corners) + "Z"
            self.path(d, rng.choice(tones), opacity=opacity * rng.uniform(0.5, 1))

    def sunlight(self) -> None:
        """The light of a window falling across the wall."""
        x, y = self.rng.uniform(0.05, 0.5) * self.w, self.rng.uniform(-0.05, 0.12) * self.h
        for column in range(2):
            for row in range(3):
                left, top = x + column * 112 + row * 46, y + row * 150 - column * 34
                self.path(f"M{left:.0f} {top:.0f}l100 -30l42 138l-100 30Z", "#fffdf2", opacity=0.28)

    def sparkle(self, x: float, y: float, r: float, colour: str) -> None:
        k = r * 0.18
        self.path(
            f"M{x:.0f} {y - r:.0f}Q{x + k:.0f} {y - k:.0f} {x + r:.0f} {y:.0f}Q{x + k:.0f} {y + k:.0f} {x:.0f} {y + r:.0f}"
            f"Q{x - k:.0f} {y + k:.0f} {x - r:.0f} {y:.0f}Q{x - k:.0f} {y - k:.0f} {x:.0f} {y - r:.0f}Z",
            colour,
        )

    def leaf_branch(self, x: float, y: float, length: float, angle: float, colour: str) -> None:
        """A twig with leaves, drawn upwards from (x, y) and then turned."""
        leaves = "".join(
            f"M0 {-length * t:.0f}q{s * 22} -34 {s * 54} -30q{-s * 8} 34 {-s * 54} 30Z"
            for t in (0.18, 0.36, 0.54, 0.72, 0.88)
            for s in (-1, 1)
        )
        self.add(
            f'<g transform="translate({x:.0f} {y:.0f}) rotate({angle:.0f})"><path d="M0 0V{-length:.0f}" stroke="{colour}" '
            f'stroke-width="3"/><path d="{leaves}" fill="{colour}"/></g>'
        )


def _tiles(kind: str, w: int, h: int, margin: int) -> str:
    """One path to be filled that repeats a motif over a canvas and a margin around it (strokes would cost five times)."""
    xs, ys = range(-margin, w + margin), range(-margin, h + margin)
    left, wide, high = -margin, w + 2 * margin, h + 2 * margin

    def down(step: int, thick: float) -> str:
        return "".join(f"M{x} {left}h{thick}v{high}h-{thick}Z" for x in xs[::step])

    def across(step: int, thick: float) -> str:
        return "".join(f"M{left} {y}h{wide}v{thick}h-{wide}Z" for y in ys[::step])

    if kind == "gingham":
        return down(44, 22) + across(44, 22)
    if kind == "stripes":
        return down(36, 18)
    if kind == "grid":
        return down(32, 1.5) + across(32, 1.5)
    if kind == "dots":
        dot = "q0-4 4-4t4 4-4 4-4-4Z"
        return "".join(f"M{x + 20 * (row % 2)} {y}{dot}" for row, y in enumerate(ys[8::20]) for x in xs[::40])
    if kind == "waves":
        pairs = wide // 48 + 1
        there, back = "q12-10 24 0q12 10 24 0" * pairs, "q-12 10-24 0q-12-10-24 0" * pairs
        return "".join(f"M{left} {y}{there}v2{back}Z" for y in ys[12::28])
    ends = "".join(f"M{x + 60 * (row % 3)} {y}h1.5v46h-1.5Z" for row, y in enumerate(ys[::46]) for x in xs[::170])
    return across(46, 1.5) + ends
