"""Layouts seen from above or without a room: flat lay, board, scrapbook, badge, tray, portrait, outdoors, advert."""

from __future__ import annotations

import math

from demo.canvas import Canvas
from demo.palette import CLOTH, mix, shade


def flatlay(c: Canvas, hero: str, props: list[str]) -> None:
    rng = c.rng
    c.fill(c.pal.wall, mix(c.pal.wall, c.pal.floor, 0.5))
    c.pattern(c.pal.floor, 0.55)
    size = min(c.h * 0.66, 410)
    tall = c.h > 500
    x, y = c.w * (rng.uniform(0.42, 0.58) if tall else 0.5), c.h * rng.uniform(0.45, 0.52)
    if rng.random() < 0.5:
        c.ellipse(x, y, size * 0.56, size * 0.56, c.pal.shape, 0.7)
    spots = (
        [(0.15, 0.14), (0.85, 0.15), (0.16, 0.87), (0.85, 0.86)]
        if tall
        else [(0.12, 0.24), (0.88, 0.24), (0.12, 0.78), (0.88, 0.78)]
    )
    rng.shuffle(spots)
    small = size * 0.40
    for (sx, sy), prop in zip(spots[: rng.choice([3, 4, 4])], props, strict=False):
        c.put(prop, c.w * sx, c.h * sy, small * rng.uniform(0.8, 1.1), rng.uniform(-28, 28), c.tint(prop), "drop")
    c.put(hero, x, y, size, rng.uniform(-11, 11), c.colour, "drop")


def board(c: Canvas, hero: str, props: list[str]) -> None:
    """Blocks of colour, one thing in each: the outfit or shopping board."""
    rng, gap = c.rng, 10
    tones = [c.pal.wall, c.pal.shape, shade(c.pal.accent, 0.45), c.pal.floor]
    rng.shuffle(tones)
    c.rect(0, 0, c.w, c.h, "#fffdf9" if rng.random() < 0.7 else c.pal.ink)
    split = c.w * rng.uniform(0.56, 0.62)
    if c.h > 600:
        cells = [
            (0, 0, c.w, c.h * 0.60),
            (0, c.h * 0.60, c.w / 2, c.h * 0.40),
            (c.w / 2, c.h * 0.60, c.w / 2, c.h * 0.40),
        ]
    else:
        cells = [(0, 0, split, c.h), (split, 0, c.w - split, c.h / 2), (split, c.h / 2, c.w - split, c.h / 2)]
    if c.h > 600 and rng.random() < 0.4:
        cells = [(x, c.h - y - h, w, h) for x, y, w, h in cells]
    for i, (x, y, w, h) in enumerate(cells):
        c.rect(x + gap / 2, y + gap / 2, w - gap, h - gap, tones[i], 18)
        name = hero if i == 0 else props[i - 1]
        if rng.random() < 0.45:
            c.ellipse(x + w / 2, y + h / 2, min(w, h) * 0.36, min(w, h) * 0.36, mix(tones[i], "#ffffff", 0.5))
        c.put(
            name,
            x + w / 2,
            y + h / 2,
            min(w, h) * (0.82 if i == 0 else 0.66),
            rng.uniform(-7, 7),
            c.colour if i == 0 else c.tint(name),
            "drop",
        )


def scrapbook(c: Canvas, hero: str, props: list[str]) -> None:
    """Instant photos stuck on paper, with tape and stickers."""
    rng = c.rng
    c.fill(c.pal.wall, c.pal.wall)
    c.pattern(c.pal.floor, 0.6, ("grid", "dots", "gingham", "waves"))
    size = min(c.w * 0.66, c.h * 0.62)
    second = size * 0.62
    corners = [(0.80, 0.80), (0.22, 0.22), (0.80, 0.20), (0.22, 0.80)]
    sx, sy = rng.choice(corners)
    _photo(c, props[0], c.w * sx, c.h * sy, second, rng.uniform(-14, 14), c.pal.floor, c.tint(props[0]))
    _photo(
        c,
        hero,
        c.w * (1 - sx) * 0.35 + c.w * 0.325,
        c.h * (0.5 + (0.5 - sy) * 0.22),
        size,
        rng.uniform(-6, 6),
        c.pal.accent,
        c.colour,
    )
    for (x, y), prop in zip([p for p in corners if p != (sx, sy)], props[1:3], strict=False):
        c.put(
            prop,
            c.w * (0.5 + (x - 0.5) * 1.25),
            c.h * (0.5 + (y - 0.5) * 1.22),
            size * 0.34,
            rng.uniform(-20, 20),
            c.tint(prop),
            "drop",
        )


def _photo(
    c: Canvas, name: str, x: float, y: float, size: float, angle: float, ground: str, colour: str | None
) -> None:
    left, top, high = x - size / 2, y - size * 0.57, size * 1.14
    c.add(f'<g transform="rotate({angle:.1f} {x:.0f} {y:.0f})">')
    c.rect(left + 7, top + 10, size, high, c.pal_shadow, 5, 0.18)
    c.rect(left, top, size, high, "#fffefb", 5)
    c.rect(
        left + size * 0.06,
        top + size * 0.06,
        size * 0.88,
        size * 0.88,
        c.gradient(shade(ground, 0.55), shade(ground, 0.2)),
        3,
    )
    c.ellipse(x, top + size * 0.52, size * 0.3, size * 0.3, "#ffffff", 0.28)
    c.put(name, x, top + size * 0.5, size * 0.72, 0, colour, "drop")
    line = top + size * 1.04
    c.path(
        f"M{left + size * 0.3:.0f} {line:.0f}q{size * 0.05:.0f} -12 {size * 0.1:.0f} 0t{size * 0.1:.0f} 0t{size * 0.1:.0f} 0t{size * 0.1:.0f} 0",
        stroke=c.pal.ink if c.pal.ink < "#999999" else "#554",
        width=2.5,
        opacity=0.5,
    )
    c.add(f'<g transform="rotate({-angle / 2:.1f} {x:.0f} {top:.0f})">')
    c.rect(x - size * 0.16, top - 13, size * 0.32, 28, shade(c.pal.accent, 0.4), 2, 0.75)
    c.add("</g></g>")


def badge(c: Canvas, hero: str, props: list[str]) -> None:
    """A disc on rays or rings, the hero bursting its edge."""
    rng, x, y = c.rng, c.w / 2, c.h * 0.5
    c.fill(c.pal.wall, c.pal.floor)
    radius = min(c.w, c.h) * 0.40
    if rng.random() < 0.5:
        reach = c.h * 0.9
        for i in range(12):
            a = i * math.pi / 6 + 0.1
            b = a + math.pi / 12
            c.path(
                f"M{x} {y:.0f}L{x + reach * math.cos(a):.0f} {y + reach * math.sin(a):.0f}L{x + reach * math.cos(b):.0f} {y + reach * math.sin(b):.0f}Z",
                c.pal.shape,
                opacity=0.45,
            )
    else:
        c.pattern(c.pal.shape, 0.7, ("dots", "waves", "stripes", "gingham"))
    c.ellipse(x, y, radius * 1.12, radius * 1.12, c.pal.shape, 0.75)
    c.ellipse(x, y, radius, radius, shade(c.pal.accent, 0.25))
    c.put(hero, x, y, radius * 1.95, rng.uniform(-8, 8), c.colour, "drop")
    corners = [0.22 * math.pi, 0.78 * math.pi, rng.choice([1.22, 1.78]) * math.pi]
    for a, prop in zip(corners, props, strict=False):
        px, py = x + min(radius * 1.2, c.w * 0.38) * math.cos(a), y + min(radius * 1.25, c.h * 0.42) * math.sin(a)
        c.put(prop, px, py, radius * 0.52, rng.uniform(-18, 18), c.tint(prop), "drop")
    for _ in range(5):
        c.sparkle(
            rng.uniform(0.06, 0.94) * c.w, rng.choice([0.07, 0.12, 0.9, 0.95]) * c.h, rng.uniform(9, 22), c.pal.shape
        )


def tray(c: Canvas, hero: str, props: list[str]) -> None:
    """Things on a round tray on cloth, from above."""
    rng, x, y = c.rng, c.w / 2, c.h / 2
    c.fill(c.pal.floor, shade(c.pal.floor, -0.08))
    c.pattern(c.pal.wall, 0.6, ("gingham", "stripes", "planks", "terrazzo", "waves"))
    radius = min(c.w, c.h) * 0.46
    c.ellipse(x + 8, y + 14, radius, radius, c.pal_shadow, 0.2)
    c.ellipse(x, y, radius, radius, rng.choice(["#c99f72", "#f7f2ea", "#e9c9a8", shade(c.pal.accent, 0.2)]))
    c.ellipse(x, y, radius * 0.93, radius * 0.93, c.pal.shape, 0.8)
    turn = rng.uniform(0, math.tau)
    for i, prop in enumerate(props[:4]):
        a = turn + i * math.tau / 4
        c.put(
            prop,
            x + radius * 0.74 * math.cos(a),
            y + radius * 0.74 * math.sin(a),
            radius * 0.48,
            rng.uniform(-20, 20),
            c.tint(prop),
            "drop",
        )
    c.put(hero, x, y, radius * 0.92, rng.uniform(-8, 8), c.colour, "drop")
    if c.h > 600:
        c.leaf_branch(
            c.w * rng.choice([0.06, 0.94]), c.h * 0.20, 150, rng.choice([-150, 150]), shade(CLOTH["forest"], 0.2)
        )


def portrait(c: Canvas, hero: str, props: list[str]) -> None:
    """Somebody wearing the colour, and a card that shows the garment."""
    rng = c.rng
    c.fill(c.pal.wall, c.pal.floor)
    if rng.random() < 0.5:
        c.pattern(c.pal.shape, 0.6, ("dots", "grid", "waves", "gingham"))
    right = rng.random() < 0.5
    size = min(c.h * 0.66, 440)
    cx = c.w * (0.38 if right else 0.62)
    c.ellipse(cx, c.h * 0.48, size * 0.52, size * 0.52, shade(c.pal.accent, 0.3))
    c.peep(cx - size * 0.52, c.h - size * 1.32, size, c.colour)
    card = min(c.w * 0.35, c.h * 0.40)
    x, y = (c.w * 0.80 if right else c.w * 0.20), c.h * (0.24 if c.h > 500 else 0.32)
    c.add(f'<g transform="rotate({6 if right else -6} {x:.0f} {y:.0f})">')
    c.rect(x - card / 2 + 5, y - card * 0.6 + 8, card, card * 1.2, c.pal_shadow, 18, 0.2)
    c.rect(x - card / 2, y - card * 0.6, card, card * 1.2, mix(c.pal.wall, "#fffdf9", 0.6), 18)
    c.put(hero, x, y, card * 0.84, 0, c.colour)
    c.add("</g>")
    spot = 0.86 if right else 0.14
    c.put(props[0], c.w * spot, c.h * 0.86, card * 0.66, rng.uniform(-14, 14), c.tint(props[0]), "drop")
    c.sparkle(c.w * (1 - spot), c.h * 0.12, 20, c.pal.shape)
    c.sparkle(c.w * (1 - spot) + 26, c.h * 0.17, 10, c.pal.shape)


def outdoors(c: Canvas, hero: str, props: list[str]) -> None:
    rng, base = c.rng, c.h * 0.66
    sky = rng.choice(
        [
            ("#bfe0f2", "#fdf1dc"),
            ("#f9c9a8", "#fdeccb"),
            ("#cfe3f5", "#eef6fb"),
            ("#2b3a67", "#e98a6d"),
            ("#c8b6e2", "#fbd9cf"),
        ]
    )
    c.fill(*sky)
    sun = rng.uniform(0.18, 0.82) * c.w
    c.ellipse(sun, c.h * 0.20, 46, 46, "#fff3c9", 0.95)
    c.ellipse(sun, c.h * 0.20, 70, 70, "#fff3c9", 0.35)
    green = rng.choice(["#7fae78", "#8fb38a", "#a6b86b", "#6f9e8a"])
    for i, (lift, tone) in enumerate(((0.20, shade(green, 0.45)), (0.10, shade(green, 0.22)))):
        d = rng.uniform(0.25, 0.75) * c.w
        c.path(
            f"M0 {base:.0f}V{base - c.h * lift * 0.6:.0f}Q{d:.0f} {base - c.h * lift * (2.1 - i):.0f} {c.w} {base - c.h * lift * 0.5:.0f}V{base + 30:.0f}H0Z",
            tone,
        )
    for x in (0.08, 0.26, 0.92):
        tree = c.h * rng.uniform(0.20, 0.30)
        c.put(
            rng.choice(["evergreen-tree", "deciduous-tree", "evergreen-tree"]), c.w * x, base + 12 - tree * 0.46, tree
        )
    c.rect(0, base, c.w, c.h - base, c.gradient(green, shade(green, -0.2)))
    size = min(c.h * 0.54, 380)
    c.put(hero, c.w * rng.uniform(0.46, 0.58), base + (c.h - base) * 0.55 - size * 0.46, size, 0, None, "floor")
    small = size * 0.38
    for x, prop in zip((0.16, 0.86), props, strict=False):
        c.put(prop, c.w * x, c.h - small * 0.66, small, 0, c.tint(prop), "floor")


def advert(c: Canvas, hero: str, props: list[str]) -> None:
    """What a note that only displays a product looks like: the thing, a starburst, a price tag."""
    loud = c.rng.choice(["#ffd84d", "#ff6b57", "#ff8fb0", "#63c7b2", "#7aa5ff"])
    c.rect(0, 0, c.w, c.h, loud)
    x, y, r = c.w / 2, c.h / 2, min(c.w, c.h) * 0.44
    points = [
        (
            x + (r if i % 2 else r * 0.88) * math.cos(i * math.pi / 18),
            y + (r if i % 2 else r * 0.88) * math.sin(i * math.pi / 18),
        )
        for i in range(36)
    ]
    c.path("M" + "L".join(f"{a:.0f} {b:.0f}" for a, b in points) + "Z", "#ffffff")
    c.put(hero, x, y, r * 1.45, 0, c.colour, "drop")
    c.put("label", c.w * 0.84, c.h * 0.16, 120, 12, None, "drop")
    c.put(props[0], c.w * 0.16, c.h * 0.86, 120, -10, None, "drop")
