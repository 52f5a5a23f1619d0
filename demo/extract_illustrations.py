# ruff: noqa: SIM905 (word lists read better as prose)
"""Pick the few drawings the demo uses out of two npm packages, into ``demo/illustrations.json``.

Run by hand when the choice changes, with a folder into which ``npm install @iconify-json/noto@1.2.9
@dicebear/open-peeps@9.4.3`` was run:

    python -m demo.extract_illustrations path/to/node_modules
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any, cast

from PIL import Image

from demo.raster import rasterise

GLYPHS = """
dress jeans t-shirt womans-clothes coat kimono shorts one-piece-swimsuit bikini sari running-shirt socks scarf gloves
womans-boot high-heeled-shoe flat-shoe womans-sandal thong-sandal ballet-shoes running-shoe hiking-boot womans-hat billed-cap
handbag purse clutch-bag backpack shopping-bags sunglasses glasses ring gem-stone crown watch ribbon lipstick lotion-bottle
mirror nail-polish bubbles soap sponge toothbrush hair-pick razor bathtub shower droplet cherry-blossom hibiscus rose tulip
sunflower bouquet blossom white-flower hyacinth lotus rosette herb potted-plant cactus palm-tree evergreen-tree deciduous-tree
fallen-leaf maple-leaf leaf-fluttering-in-wind four-leaf-clover seedling couch-and-lamp bed chair door window framed-picture
candle light-bulb mantelpiece-clock teapot teacup-without-handle hot-beverage bubble-tea cup-with-straw croissant shortcake cookie
strawberry lemon tangerine peach avocado watermelon grapes cherries books open-book notebook notebook-with-decorative-cover
fountain-pen pencil crayon paintbrush artist-palette scissors straight-ruler memo camera camera-with-flash headphone laptop
alarm-clock calendar desktop-computer cooking pot-of-food shallow-pan-of-food bowl-with-spoon green-salad basket jar bread
camping tent fire compass bicycle tennis badminton skateboard roller-skate yo-yo beach-with-umbrella umbrella-on-ground
closed-umbrella mountain snow-capped-mountain sun cloud crescent-moon star sparkles rainbow snowflake guitar radio
film-frames ticket airplane luggage world-map teddy-bear cat dog-face wrapped-gift balloon party-popper yarn thread sewing-needle
wedding love-letter red-heart sparkling-heart label package money-bag shopping-cart credit-card megaphone coin mobile-phone
toolbox ladder wood mushroom spiral-shell tropical-fish water-wave butterfly broom bucket snowman ice-skate wind-chime
electric-plug flashlight video-game vertical-traffic-light microphone studio-microphone
""".split()

HEADS = """bangs bangs2 bun bun2 buns hatHip long longBangs longCurly medium1 medium2 medium3 mediumBangs mediumBangs2
mediumBangs3 mediumStraight short1 short2 short3 short4 short5 grayBun hatBeanie afro pomp shaved1 twists hijab""".split()
FACES = "cute smile eatingHappy calm cheeky".split()
ACCESSORIES = "glasses glasses2 glasses3 sunglasses".split()


def main_colour(svg: str) -> str:
    """The colour that covers most of a drawing: the one a recolouring moves to its target."""
    image = rasterise(svg, 64, 64)
    pixels = cast("tuple[tuple[int, int, int, int], ...]", image.get_flattened_data())
    solid = [pixel[:3] for pixel in pixels if pixel[3] > 200]
    flat = Image.new("RGB", (len(solid), 1))
    flat.putdata(solid)
    reduced = flat.quantize(6)
    counts = Counter(cast("tuple[int, ...]", reduced.get_flattened_data()))
    most = counts.most_common(1)[0][0]
    palette = reduced.getpalette() or []
    return "#" + "".join(f"{value:02x}" for value in palette[most * 3 : most * 3 + 3])


def glyph(icons: dict[str, Any], name: str, width: int, height: int) -> dict[str, Any]:
    icon = icons[name]
    body = icon["body"]
    # Ids become "§0", "§1" ..., which the composer makes unique for each use of a drawing on one cover.
    for n, old in enumerate(re.findall(r'id="([^"]+)"', body)):
        body = re.sub(rf'(id="|url\(#|href="#){re.escape(old)}(?=["\)])', rf"\g<1>§{n}", body)
    w, h = icon.get("width", width), icon.get("height", height)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="64" height="64">{body}</svg>'
    return {"body": body, "width": w, "height": h, "main": main_colour(svg.replace("§", "i"))}


def parts(source: str, names: list[str]) -> dict[str, str]:
    """The template strings of one Open Peeps component file, their colours as ``{skin}`` and ``{hair}``."""
    found = dict(re.findall(r"^    (\w+): \(components, colors\) => `(.*?)`,$", source, re.M | re.S))
    return {name: _named_colours(found[name]) for name in names if name in found}


def _named_colours(text: str) -> str:
    text = re.sub(r"\$\{escape\.xml\(`\$\{colors\.(\w+)\}`\)\}", r"{\1}", text)
    return text.replace("{headContrast}", "{hair}").replace("{clothing}", "{cloth}")


def peeps(folder: Path) -> dict[str, Any]:
    index = (folder / "index.js").read_text("utf-8")
    body = re.search(r"body: `(<g fill-rule.*?</g>)<g transform=\"matrix", index, re.S)
    if body is None:
        raise SystemExit("the body of Open Peeps was not found; is this @dicebear/open-peeps 9.4.3?")
    read = {name: (folder / "components" / f"{name}.js").read_text("utf-8") for name in ("head", "face", "accessories")}
    return {
        "body": _named_colours(body.group(1)),
        "heads": parts(read["head"], HEADS),
        "faces": parts(read["face"], FACES),
        "accessories": parts(read["accessories"], ACCESSORIES),
    }


def main(node_modules: Path) -> None:
    noto = json.loads((node_modules / "@iconify-json/noto/icons.json").read_text("utf-8"))
    known = [name for name in GLYPHS if name in noto["icons"]]
    missing = sorted(set(GLYPHS) - set(known))
    if missing:
        print("not in the set:", " ".join(missing), file=sys.stderr)
    result: dict[str, Any] = {
        "licence": "glyphs: Noto Emoji, Apache-2.0, (c) Google; peeps: Open Peeps by Pablo Stanley, CC0-1.0",
        "glyphs": {name: glyph(noto["icons"], name, noto["width"], noto["height"]) for name in known},
        "peeps": peeps(node_modules / "@dicebear/open-peeps/lib"),
    }
    target = Path(__file__).with_name("illustrations.json")
    target.write_text(json.dumps(result, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
    print(f"{len(known)} glyphs, {len(result['peeps']['heads'])} heads -> {target} ({target.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
