# ruff: noqa: SIM905 (word lists read better as prose)
"""The demo's products: one for each garment of the data, and a few for home, beauty and hobbies."""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from demo.content import Product, Sku
from demo.palette import CLOTH
from demo.people import MERCHANTS
from demo.reviews import Review
from demo.themes import THEMES

SIZES = ("XS", "S", "M", "L", "XL")


class Kind(NamedTuple):
    """How a class of the data is sold: cover theme, words for it, price range in whole CNY, merchant, sizes."""

    theme: str
    nouns: tuple[str, ...]
    low: int
    high: int
    merchant: str
    sizes: tuple[str, ...] = SIZES


_OUTFITTERS, _KNITS, _SKIN, _HOME = MERCHANTS
KINDS = {
    "Dresses": Kind("dress", ("dress",), 299, 899, _OUTFITTERS),
    "Blouses": Kind("blouse", ("blouse", "top"), 199, 459, _OUTFITTERS),
    "Knits": Kind("knit", ("top", "tee"), 129, 359, _KNITS),
    "Sweaters": Kind("sweater", ("sweater", "pullover"), 259, 699, _KNITS),
    "Fine gauge": Kind("finegauge", ("cardigan", "sweater"), 229, 559, _KNITS),
    "Pants": Kind("pants", ("trousers", "pants"), 239, 559, _SKIN),
    "Skirts": Kind("skirt", ("skirt",), 199, 499, _OUTFITTERS),
    "Jackets": Kind("jacket", ("jacket", "blazer"), 359, 999, _KNITS),
    "Outerwear": Kind("coat", ("coat",), 599, 1599, _KNITS),
    "Lounge": Kind("lounge", ("lounge set", "lounge top"), 159, 429, _SKIN),
    "Sleep": Kind("sleep", ("pyjamas", "sleep set"), 159, 399, _SKIN),
    "Intimates": Kind("intimates", ("camisole", "bralette"), 89, 259, _OUTFITTERS),
    "Swim": Kind("swim", ("swimsuit",), 199, 499, _SKIN),
    "Jeans": Kind("jeans", ("jeans",), 299, 699, _SKIN),
    "Legwear": Kind("legwear", ("tights", "leggings"), 59, 169, _OUTFITTERS, ("S/M", "M/L")),
    "Shorts": Kind("shorts", ("shorts",), 149, 329, _SKIN),
    "Trend": Kind("trend", ("statement wrap", "statement piece"), 299, 799, _OUTFITTERS, ("One size",)),
    "Layering": Kind("layering", ("layering cami", "layering tee"), 99, 229, _KNITS),
}
# Looked for in the posts about a garment: what two or more people say of it goes into its title.
_FABRICS = """linen silk cotton lace velvet wool cashmere chiffon leather suede corduroy jersey crochet flannel fleece satin
mohair eyelet mesh tulle""".split()
_SHAPES = """wrap maxi midi mini peasant swing tunic tank cropped flare skinny boyfriend pleated pencil peplum ruffle embroidered
floral striped plaid polka halter sheer flowy cozy slouchy fitted a-line off-shoulder v-neck turtleneck button-down open-front
wide-leg high-waisted drawstring reversible quilted beaded tiered""".split()
_SPOKEN = {
    "off-shoulder": r"off.(the.)?shoulder",
    "a-line": r"a.?line",
    "v-neck": r"v.?neck",
    "button-down": r"button.?(down|up)",
}
_BOTTOMS_ONLY = frozenset(("skinny", "flare", "boyfriend", "pencil", "wide-leg", "high-waisted"))
# For a garment whose posts name nothing: what such garments are usually called.
_USUAL = {
    "Dresses": "smocked tie-waist puff-sleeve shirt slip button-front square-neck tiered side-slit belted ribbed bias-cut",
    "Blouses": "puff-sleeve tie-neck pintuck poplin smocked keyhole gauze bell-sleeve pleat-front square-neck",
    "Knits": "ribbed slub boatneck raglan pointelle cap-sleeve waffle scoop-neck split-hem gathered",
    "Sweaters": "cable fisherman boatneck marled shaker-stitch balloon-sleeve chunky roll-neck",
    "Fine gauge": "merino cropped-button longline pointelle shawl-collar featherweight",
    "Pants": "straight-leg tapered paperbag pull-on twill crease-front ankle wide-cuff",
    "Skirts": "a-line tiered bias-cut button-front pleated denim side-tie godet",
    "Jackets": "utility moto quilted cropped tweed bomber chore collarless",
    "Outerwear": "duffle belted cocoon trench puffer car",
    "Lounge": "waffle brushed ribbed french-terry fleece slub cloud gauze",
    "Sleep": "piped brushed checked sateen dotted jersey",
    "Intimates": "scalloped seamless mesh longline soft-cup ribbed",
    "Swim": "ruched scoop-back tie-side belted colour-block ribbed square-neck",
    "Jeans": "straight-leg high-rise cropped-flare mom girlfriend cigarette raw-hem pintuck stovepipe patch-pocket",
    "Legwear": "ribbed sheer cable opaque footless dotted",
    "Shorts": "pleat-front linen-blend drawstring roll-cuff",
    "Trend": "jacquard fringed printed satin-trim obi kimono-sleeve",
    "Layering": "ribbed seamless lace-trim second-skin",
}
_TOUCH = "washed soft crisp fluid light textured vintage garden sunday weekend everyday".split()


@dataclass(frozen=True)
class Made:
    """A product of ours beside the data: key, Chinese title, theme, drawing, price in CNY, category, note on it."""

    key: str
    title: str
    theme: str
    hero: str
    price: int
    category: str
    about: str


MADE = (
    Made("lamp", "可调光落地阅读灯", "home", "couch-and-lamp", 269, "Home", "三档色温 灯头可转 免安装"),
    Made("vase", "手作粗陶花瓶", "home", "vase", 89, "Home", "窄口大肚 插三枝就好看"),
    Made("candle", "大豆蜡香薰蜡烛 雪松", "home", "candle", 79, "Home", "约燃四十小时 单根棉芯"),
    Made("basket", "手编藤收纳篮", "home", "basket", 69, "Home", "可叠放 承重八公斤"),
    Made("teapot", "耐热玻璃茶壶 800ml", "coffee", "teapot", 119, "Home", "可直火 带滤网"),
    Made("pot", "一人食铸铁小锅 20cm", "kitchen", "pot-of-food", 199, "Home", "浅色内壁 明火电磁炉通用"),
    Made("serum", "积雪草舒缓精华 30ml", "skincare", "serum", 149, "Beauty", "无香精无酒精 换季泛红用"),
    Made("cream", "神经酰胺修护面霜 50g", "skincare", "cream", 169, "Beauty", "干敏皮 厚涂不搓泥"),
    Made("lipstick", "柔雾唇膏 豆沙", "beauty", "lipstick", 99, "Beauty", "薄涂日常 厚涂有气色"),
    Made("nail", "水性可剥指甲油 裸粉", "beauty", "nail-polish", 39, "Beauty", "整片撕下 不伤甲面"),
    Made("tent", "双人速开帐篷", "camping", "tent", 399, "Outdoor", "三十秒搭好 前厅可坐"),
    Made("racket", "初学网球拍 270g", "tennis", "tennis", 329, "Outdoor", "大拍面 送手胶"),
    Made(
        "notebook",
        "方格手账本 A5",
        "stationery",
        "notebook-with-decorative-cover",
        45,
        "Stationery",
        "一百克纸 钢笔不透",
    ),
    Made("tote", "通勤托特包 可放14寸", "bag", "handbag", 259, "Bags", "能立住 肩带宽三点五厘米"),
)


def make_products(rng: random.Random, reviews: Sequence[Review]) -> tuple[Product, ...]:
    """One product a garment, by Clothing ID, then :data:`MADE`. Titles are unique."""
    about: dict[str, list[Review]] = defaultdict(list)
    for review in reviews:
        about[review.clothing_id].append(review)
    titles: set[str] = set()
    garments = [_garment(rng, key, about[key], titles) for key in sorted(about, key=int)]
    return (*garments, *(_made(rng, made) for made in MADE))


def _garment(rng: random.Random, clothing_id: str, posts: list[Review], titles: set[str]) -> Product:
    kind = KINDS[posts[0].class_name]
    colour = _colour(rng, posts)
    noun = _noun(kind, posts)
    title = " ".join([*_described(rng, posts), noun]).capitalize()
    while title in titles:
        title = f"{rng.choice(_TOUCH)} {title}".capitalize()
    titles.add(title)
    price = rng.randrange(kind.low // 10, kind.high // 10 + 1) * 1000 + 900
    key = f"garment-{clothing_id}"
    text = f"{title}. Colour: {colour}. {posts[0].department}, {posts[0].class_name.lower()}; {len(posts)} notes from people who wore it."
    hero = random.Random(hashlib.sha256(key.encode()).digest()).choice(THEMES[kind.theme].heroes)
    skus = tuple(Sku(f"{key}:{size}", size, price, _stock(rng, size)) for size in kind.sizes)
    return Product(
        key, kind.merchant, title, text, posts[0].class_name, kind.theme, hero, CLOTH[colour], skus, clothing_id
    )


def _described(rng: random.Random, posts: list[Review]) -> list[str]:
    """One or two words before the noun: mined from the posts, else what such garments are called."""
    mined = _mined(posts)
    named = [
        w for w in _USUAL[posts[0].class_name].split() if not (mined and mined[-1].endswith("-neck") and "neck" in w)
    ]
    usual = rng.choice(named)
    if len(mined) == 2:
        return mined
    return (
        [*mined, usual] if mined and mined[0] in _FABRICS else [usual, *mined] if mined else [rng.choice(_TOUCH), usual]
    )


def _mined(posts: list[Review]) -> list[str]:
    """Words on shape and fabric that at least two posts (or the only post) use: shape first, at most one fabric."""
    said: Counter[str] = Counter()
    for post in posts:
        text = f"{post.title} {post.text}".lower()
        said.update(word for word in (*_SHAPES, *_FABRICS) if re.search(rf"\b{_SPOKEN.get(word, word)}\b", text))
    if posts[0].class_name not in ("Pants", "Jeans", "Skirts", "Shorts", "Dresses"):
        for word in _BOTTOMS_ONLY:
            del said[word]
    enough = [word for word, n in said.most_common() if n >= min(2, len(posts))]
    shapes, fabrics = [w for w in enough if w in _SHAPES], [w for w in enough if w in _FABRICS]
    return fabrics[:1] + shapes[:1]


def _noun(kind: Kind, posts: list[Review]) -> str:
    text = " ".join(f"{post.title} {post.text}".lower() for post in posts)
    return max(kind.nouns, key=lambda noun: (text.count(noun), -kind.nouns.index(noun)))


def _colour(rng: random.Random, posts: list[Review]) -> str:
    """The dye people mention most, else by lot; jeans are denim."""
    text = " ".join(f"{post.title} {post.text}".lower() for post in posts)
    if posts[0].class_name == "Jeans":
        return rng.choice(("denim", "denim", "navy", "black", "grey"))
    spoken = Counter(
        {name: len(re.findall(rf"\b{name}\b", text)) for name in CLOTH if name not in ("butter", "denim", "red")}
    )
    name, count = spoken.most_common(1)[0]
    return name if count >= 2 and rng.random() < 0.6 else rng.choice(list(CLOTH))


def _stock(rng: random.Random, size: str) -> int:
    """Middle sizes run deeper; some are nearly gone."""
    if rng.random() < 0.08:
        return rng.randrange(0, 4)
    return rng.randrange(8, 30) + (18 if size in ("S", "M", "One size") else 0)


def _made(rng: random.Random, made: Made) -> Product:
    key = f"made-{made.key}"
    colours = {
        "lipstick": "rose",
        "nail": "blush",
        "serum": "camel",
        "cream": "blush",
        "vase": "terracotta",
        "tent": "mustard",
    }
    colour = CLOTH[colours.get(made.key) or rng.choice(("sage", "ivory", "teal", "rust", "sky", "camel"))]
    sku = Sku(f"{key}:one", "One size", made.price * 100, rng.randrange(60, 140))
    return Product(key, _HOME, made.title, made.about, made.category, made.theme, made.hero, colour, (sku,))
