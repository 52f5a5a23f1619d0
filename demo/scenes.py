"""The layouts of the covers: each puts one hero and a few props onto a canvas."""

from __future__ import annotations

from collections.abc import Callable

from demo import scenes_indoors, scenes_paper
from demo.canvas import Canvas

Layout = Callable[[Canvas, str, list[str]], None]

LAYOUTS: dict[str, Layout] = {
    "podium": scenes_indoors.podium,
    "rail": scenes_indoors.rail,
    "wardrobe": scenes_indoors.wardrobe,
    "dressing": scenes_indoors.dressing,
    "living": scenes_indoors.living,
    "shelf": scenes_indoors.shelf,
    "studio": scenes_indoors.studio,
    "flatlay": scenes_paper.flatlay,
    "board": scenes_paper.board,
    "scrapbook": scenes_paper.scrapbook,
    "badge": scenes_paper.badge,
    "tray": scenes_paper.tray,
    "portrait": scenes_paper.portrait,
    "outdoors": scenes_paper.outdoors,
    "advert": scenes_paper.advert,
}
