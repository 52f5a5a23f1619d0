"""Charts drawn on the server: numbers in, SVG markup out. Pure; colours come from classes in `app.css`.

Every day has its own column with its value written over it, a day without a figure is a visible gap, and each chart names
its own scale, so that two charts of different size can stand above one another without being read against each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

COLUMN = 37
LEFT, RIGHT, TOP, BOTTOM, PLOT = 56, 8, 20, 28, 160


@dataclass(frozen=True)
class Bar:
    """One business day: `value` is None where no figure exists; `partial` marks a day that is not over."""

    day: str
    label: str
    value: float | None
    partial: bool = False


def nice_step(top: float, ticks: int = 4) -> float:
    """The distance of grid lines: 1, 2 or 5 times a power of ten, at most `ticks` lines up to `top`."""
    if top <= 0:
        return 1.0
    rough = top / ticks
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough)


def scale_of(bars: Sequence[Bar]) -> tuple[float, float]:
    """`(step, top)` of an axis that begins at zero and holds every value."""
    highest = max((bar.value for bar in bars if bar.value is not None), default=0)
    step = nice_step(highest)
    return step, max(step, math.ceil(highest / step) * step)


def _grid(step: float, top: float, width: int, write: Callable[[float], str]) -> list[str]:
    lines = []
    for index in range(round(top / step) + 1):
        y = TOP + PLOT * (1 - index * step / top)
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(
            f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{write(index * step)}</text>'
        )
    return lines


def _column(index: int, bar: Bar, top: float, write: Callable[[float], str]) -> str:
    middle = LEFT + COLUMN * index + COLUMN / 2
    day = f'<text class="tick" x="{middle}" y="{TOP + PLOT + 18}" text-anchor="middle">{escape(bar.label)}</text>'
    if bar.value is None:
        return f'<text class="gap" x="{middle}" y="{TOP + PLOT - 6}" text-anchor="middle">–</text>{day}'
    height = PLOT * bar.value / top
    y = TOP + PLOT - height
    kind = "bar partial" if bar.partial else "bar"
    return (
        f"<g><title>{escape(bar.day)}: {write(bar.value)}</title>"
        f'<rect class="{kind}" x="{middle - 12}" y="{y:.1f}" width="24" height="{height:.1f}" rx="2"/>'
        f'<text class="value" x="{middle}" y="{y - 6:.1f}" text-anchor="middle">{write(bar.value)}</text></g>{day}'
    )


def bars_svg(bars: Sequence[Bar], title: str, unit: str, write: Callable[[float], str] = "{:,.0f}".format) -> Markup:
    """A column chart as an `<svg>` element.

    `title` names the figure and `unit` its scale ("users a day"); `write` turns a value into the short text over its
    column (the exact value is its tooltip). The width is 37 px a
    day, so values stay legible and a narrow screen scrolls instead of shrinking them.
    """
    step, top = scale_of(bars)
    width = LEFT + RIGHT + COLUMN * max(len(bars), 1)
    height = TOP + PLOT + BOTTOM
    parts = [
        f'<svg class="chart" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title)}, {escape(unit)}">',
        *_grid(step, top, width, write),
        *(_column(index, bar, top, write) for index, bar in enumerate(bars)),
        "</svg>",
    ]
    return Markup("".join(parts))
