"""Layouts with a wall and a floor: podium, rail, wardrobe, dressing corner, living room, shelf, studio."""

from __future__ import annotations

from demo.canvas import Canvas
from demo.palette import CLOTH, hls, mix, shade
from demo.themes import GARMENTS


def _room(c: Canvas, line: float) -> float:
    """Wall and floor; gives the floor's height."""
    floor = c.h * line
    c.fill(c.pal.wall, shade(c.pal.wall, -0.05))
    if c.rng.random() < 0.35:
        c.pattern(c.pal.floor, 0.35, ("stripes", "dots", "grid"))
    c.rect(0, floor, c.w, c.h - floor, c.gradient(c.pal.floor, shade(c.pal.floor, -0.12)))
    c.rect(0, floor - 7, c.w, 7, shade(c.pal.shape, -0.03), opacity=0.8)
    return floor


def podium(c: Canvas, hero: str, props: list[str]) -> None:
    rng = c.rng
    floor = c.h * rng.uniform(0.70, 0.76)
    c.fill(c.pal.wall, mix(c.pal.wall, c.pal.floor, 0.6))
    side = rng.uniform(0.34, 0.40) * c.w
    middle = c.w / 2 + rng.choice([-30, 0, 30])
    top = c.h * 0.10 + side if rng.random() < 0.6 else c.h * 0.42
    if top < c.h * 0.4 + side and c.h > 500:
        c.path(
            f"M{middle - side:.0f} {c.h} V{top:.0f} A{side:.0f} {side:.0f} 0 0 1 {middle + side:.0f} {top:.0f} V{c.h}Z",
            c.pal.shape,
        )
    else:
        c.ellipse(middle, c.h * 0.45, c.h * 0.4, c.h * 0.4, c.pal.shape)
    if rng.random() < 0.5:
        c.sunlight()
    c.rect(0, floor, c.w, c.h - floor, c.gradient(c.pal.floor, shade(c.pal.floor, -0.12)))
    size = min(c.h * 0.56, 400)
    stage = floor + (c.h - floor) * 0.36
    c.rect(middle - size * 0.46, stage, size * 0.92, c.h * 0.075, shade(c.pal.accent, -0.12))
    c.ellipse(middle, stage + c.h * 0.075, size * 0.46, size * 0.075, shade(c.pal.accent, -0.12))
    c.ellipse(middle, stage, size * 0.46, size * 0.075, shade(c.pal.accent, 0.18))
    c.put(hero, middle, stage - size * 0.47, size, 0, c.colour, "floor")
    if c.rng.random() < 0.5:
        c.leaf_branch(
            c.w * rng.choice([0.02, 0.98]), c.h * 0.42, c.h * 0.4, rng.choice([-16, 12]), shade(CLOTH["forest"], 0.15)
        )
    small = size * 0.36
    for side_x, prop in zip((0.13, 0.88), props, strict=False):
        c.put(prop, c.w * side_x, c.h - small * 0.62, small, 0, c.tint(prop), "floor")


def _hanger(c: Canvas, x: float, y: float, size: float) -> None:
    """A hanger whose shoulders are at y."""
    s = size / 128
    c.path(
        f"M{x:.0f} {y - 4 * s:.0f}V{y - 16 * s:.0f}q0 {-9 * s:.0f} {-9 * s:.0f} {-9 * s:.0f}", stroke="#8d8378", width=3
    )
    c.path(
        f"M{x - 34 * s:.0f} {y + 12 * s:.0f}L{x:.0f} {y - 4 * s:.0f}L{x + 34 * s:.0f} {y + 12 * s:.0f}",
        stroke="#b98a5a",
        width=6,
    )


def rail(c: Canvas, hero: str, props: list[str]) -> None:
    rng, floor, high = c.rng, _room(c, 0.82), c.h * 0.17
    if rng.random() < 0.6:
        c.sunlight()
    for post in (46, c.w - 46):
        c.path(
            f"M{post} {high}V{floor + 24:.0f}M{post - 24} {floor + 30:.0f}H{post + 24}",
            stroke=c.pal.ink,
            width=6,
            opacity=0.75,
        )
    c.path(f"M34 {high:.0f}H{c.w - 34}", stroke=c.pal.ink, width=8, opacity=0.85)
    others = [p for p in props if p in GARMENTS and p not in ("shorts", "bikini")]
    row = [others[0] if others else hero, hero, hero, others[-1] if others else hero]
    size = min(c.h * 0.44, 240)
    xs = [0.22, 0.41, 0.60, 0.79]
    tones = [c.pal.accent, c.colour, shade(c.colour, 0.35), rng.choice(list(CLOTH.values()))]
    order = [0, 3, 2, 1] if rng.random() < 0.5 else [3, 0, 2, 1]
    for i in order:
        big = size * (1.18 if i == 1 else 1.0)
        _hanger(c, c.w * xs[i], high + 30, big)
        c.put(row[i], c.w * xs[i], high + 22 + big * 0.47, big, rng.uniform(-2, 2), tones[i])
    small = min(c.h * 0.2, 120.0)
    shoes = [p for p in props if p not in GARMENTS][:3]
    for x, prop in zip((0.24, 0.52, 0.80), shoes, strict=False):
        c.put(prop, c.w * x, floor + (c.h - floor) * 0.55 - small * 0.4, small, 0, c.tint(prop), "floor")


def wardrobe(c: Canvas, hero: str, props: list[str]) -> None:
    """An open wardrobe: a niche with the hero hanging, drawers and things below."""
    c.fill(c.pal.wall, c.pal.floor)
    wood = c.rng.choice(["#c9a27a", "#b5855c", "#e4d3bd", shade(c.pal.accent, 0.3)])
    left, top, width = c.w * 0.14, c.h * 0.07, c.w * 0.72
    c.rect(left, top, width, c.h * 0.96, wood, 14)
    c.rect(left + 16, top + 16, width - 32, c.h * 0.64, c.gradient(shade(wood, -0.42), shade(wood, -0.25)), 8)
    c.path(f"M{left + 16:.0f} {top + 44:.0f}H{left + width - 16:.0f}", stroke="#d8d2c8", width=7)
    size = min(c.h * 0.5, 320)
    ghost = [p for p in props if p in GARMENTS] or [hero]
    for x, tone in ((0.27, shade(wood, -0.1)), (0.73, shade(c.colour, 0.3))):
        _hanger(c, c.w * x, top + 66, size * 0.8)
        c.put(ghost[0], c.w * x, top + 58 + size * 0.4, size * 0.8, 0, tone)
    _hanger(c, c.w / 2, top + 66, size)
    c.put(hero, c.w / 2, top + 58 + size * 0.47, size, 0, c.colour, "drop")
    drawer = top + 16 + c.h * 0.66
    for row in range(2):
        y = drawer + row * c.h * 0.11
        c.rect(left + 16, y, width - 32, c.h * 0.1, shade(wood, 0.12), 6)
        c.ellipse(c.w / 2, y + c.h * 0.05, 9, 9, shade(wood, -0.35))
    small = min(c.h * 0.15, 96)
    for x, prop in zip((0.07, 0.93), [p for p in props if p not in GARMENTS], strict=False):
        c.put(prop, c.w * x, c.h - small * 0.6, small * 1.3, 0, c.tint(prop), "floor")


def dressing(c: Canvas, hero: str, props: list[str]) -> None:
    """A corner of a room: the hero on a peg, a stool or chair, a plant, perhaps a window."""
    rng, floor = c.rng, _room(c, 0.80)
    flip = rng.random() < 0.5

    def at(share: float) -> float:
        return c.w * (1 - share if flip else share)

    c.put("window" if rng.random() < 0.4 else "framed-picture", at(0.80), c.h * 0.24, min(c.h * 0.27, 170))
    c.sunlight()
    size = min(c.h * 0.62, 400)
    c.rect(at(0.42) - 90, c.h * 0.085, 180, 12, "#b98a5a", 6)
    for dx in (-60, 0, 60):
        c.ellipse(at(0.42) + dx, c.h * 0.10, 7, 7, "#8a5f3a")
    _hanger(c, at(0.42), c.h * 0.10 + 32, size)
    c.put(hero, at(0.42), c.h * 0.10 + 22 + size * 0.47, size, rng.uniform(-1.5, 1.5), c.colour, "drop")
    furniture = min(c.h * 0.36, 230)
    c.put(
        rng.choice(["chair", "potted-plant", "chair", "vase"]),
        at(0.83),
        floor + 34 - furniture * 0.42,
        furniture,
        0,
        None,
        "floor",
    )
    small = min(c.h * 0.17, 110)
    for x, prop in zip((0.16, 0.52), [p for p in props if p not in GARMENTS], strict=False):
        c.put(prop, at(x), floor + (c.h - floor) * 0.6 - small * 0.4, small, 0, c.tint(prop), "floor")


def living(c: Canvas, hero: str, props: list[str]) -> None:
    rng, floor = c.rng, _room(c, 0.74)
    size = min(c.h * 0.58, 380)
    middle = c.w * rng.uniform(0.40, 0.60)
    c.put(
        rng.choice(["window", "framed-picture", "mantelpiece-clock"]),
        c.w * rng.choice([0.2, 0.8]),
        c.h * 0.19,
        min(c.h * 0.24, 150),
    )
    if rng.random() < 0.6:
        c.sunlight()
    c.ellipse(c.w / 2, (floor + c.h) / 2 + 6, c.w * 0.42, (c.h - floor) * 0.32, shade(c.pal.accent, 0.35), 0.8)
    c.ellipse(c.w / 2, (floor + c.h) / 2 + 6, c.w * 0.35, (c.h - floor) * 0.24, c.pal.shape, 0.55)
    c.put(hero, middle, floor + 52 - size * 0.45, size, 0, c.colour if rng.random() < 0.6 else None, "floor")
    small = size * 0.40
    for x, prop in zip((0.12, 0.88), props, strict=False):
        c.put(prop, c.w * x, floor + (c.h - floor) * 0.62 - small * 0.45, small, 0, c.tint(prop), "floor")


def shelf(c: Canvas, hero: str, props: list[str]) -> None:
    rng = c.rng
    c.fill(c.pal.wall, mix(c.pal.wall, c.pal.floor, 0.7))
    if rng.random() < 0.4:
        c.pattern(c.pal.floor, 0.4, ("dots", "stripes", "grid", "gingham"))
    if rng.random() < 0.5:
        c.sunlight()
    wood = rng.choice(["#c79a6b", "#a9744a", "#e6d5bf", c.pal.accent])
    rows = 3 if c.h > 600 else 2 if c.h > 450 else 1
    names = [hero, *props, *props]
    gap, big_row = c.h / rows, rng.randrange(rows)
    taken = 0
    for row in range(rows):
        y = gap * (row + 1) - gap * 0.14
        c.rect(24, y + 12, c.w - 48, 12, c.pal_shadow, 3, 0.16)
        c.rect(16, y, c.w - 32, 15, c.gradient(shade(wood, 0.15), shade(wood, -0.12)), 4)
        xs = (0.27, 0.72) if row == big_row else (0.19, 0.5, 0.81)
        for place, x in enumerate(xs):
            first = row == big_row and place == 0
            name = hero if first else names[1 + taken % (len(names) - 1)]
            taken += 0 if first else 1
            size = gap * (0.80 if first else rng.uniform(0.52, 0.62))
            c.put(name, c.w * x, y + 3 - size * 0.47, size, 0, c.colour if first else c.tint(name), "floor")


def studio(c: Canvas, hero: str, props: list[str]) -> None:
    """A product picture: the thing alone before a seamless ground."""
    c.fill(mix(c.pal.wall, "#ffffff", 0.4), mix(c.pal.floor, "#ffffff", 0.2))
    pale = hls(c.colour)[1] > 0.74
    c.ellipse(c.w / 2, c.h * 0.48, c.w * 0.39, c.w * 0.39, shade(c.pal.accent, 0.45) if pale else "#ffffff", 0.5)
    worn = hero in GARMENTS
    if worn:
        _hanger(c, c.w / 2, c.h * 0.17, 300)
    c.put(hero, c.w / 2, c.h * 0.5, c.h * 0.70, c.rng.uniform(-2.5, 2.5), c.colour, "drop" if worn else "floor")
