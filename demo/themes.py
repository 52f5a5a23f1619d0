# ruff: noqa: SIM905 (word lists read better as prose)
"""What belongs on the cover of which subject: the drawings that may stand in the middle, those beside, and layouts."""

from __future__ import annotations

from dataclasses import dataclass

FASHION = ("podium", "flatlay", "rail", "dressing", "board", "scrapbook", "badge", "portrait", "wardrobe")
STILL = ("podium", "flatlay", "shelf", "board", "scrapbook", "badge", "tray")
HOME = ("shelf", "living", "board", "scrapbook", "living", "flatlay", "podium")
OUT = ("outdoors", "flatlay", "scrapbook", "outdoors", "badge", "board")

GARMENTS = frozenset(
    "dress jeans t-shirt womans-clothes coat kimono shorts one-piece-swimsuit bikini sari running-shirt sweater cardigan "
    "blouse skirt trousers camisole pyjamas tights maxi wrapdress shirtdress tee maxi-floral maxi-dots maxi-check "
    "wrapdress-floral wrapdress-dots wrapdress-pinstripe shirtdress-pinstripe shirtdress-check shirtdress-floral blouse-floral "
    "blouse-dots blouse-pinstripe skirt-check skirt-dots skirt-floral trousers-pinstripe trousers-check tee-breton tee-dots "
    "sweater-breton".split()
)

# What the shops sell in many colours: only these are dyed; a lemon stays a lemon.
DYED = GARMENTS | frozenset(
    "scarf socks gloves womans-boot high-heeled-shoe flat-shoe womans-sandal running-shoe handbag purse clutch-bag backpack "
    "billed-cap lipstick perfume nail-polish lotion-bottle cream serum couch-and-lamp bed teapot teacup-without-handle "
    "hot-beverage notebook notebook-with-decorative-cover luggage bicycle skateboard tennis badminton tent vase "
    "mantelpiece-clock chair rug yarn ring pot-of-food".split()
)


@dataclass(frozen=True)
class Theme:
    """``heroes`` and ``props`` are drawing names; ``layouts`` name functions of :mod:`demo.scenes`."""

    heroes: tuple[str, ...]
    props: tuple[str, ...]
    layouts: tuple[str, ...]


def _theme(heroes: str, props: str, layouts: tuple[str, ...]) -> Theme:
    return Theme(tuple(heroes.split()), tuple(props.split()), layouts)


THEMES: dict[str, Theme] = {
    "dress": _theme(
        "dress dress maxi maxi-floral maxi-dots wrapdress wrapdress-floral wrapdress-dots shirtdress shirtdress-check shirtdress-pinstripe maxi-check",
        "womans-sandal handbag womans-hat sunglasses bouquet rose high-heeled-shoe",
        FASHION,
    ),
    "blouse": _theme(
        "blouse blouse-floral blouse-dots blouse-pinstripe womans-clothes blouse",
        "jeans handbag sunglasses flat-shoe ring tulip skirt",
        FASHION,
    ),
    "knit": _theme(
        "tee tee-breton tee-dots t-shirt womans-clothes sweater-breton camisole",
        "jeans running-shoe purse watch sunflower skirt",
        FASHION,
    ),
    "sweater": _theme(
        "sweater cardigan sweater-breton", "scarf hot-beverage womans-boot fallen-leaf yarn gloves jeans", FASHION
    ),
    "finegauge": _theme(
        "cardigan sweater tee-breton", "trousers flat-shoe ring clutch-bag teacup-without-handle", FASHION
    ),
    "pants": _theme(
        "trousers trousers-pinstripe trousers-check", "blouse flat-shoe handbag watch high-heeled-shoe t-shirt", FASHION
    ),
    "skirt": _theme(
        "skirt skirt-check skirt-dots skirt-floral",
        "womans-clothes flat-shoe purse ribbon camisole rose high-heeled-shoe",
        FASHION,
    ),
    "jacket": _theme("coat cardigan coat", "jeans womans-boot sunglasses scarf backpack t-shirt", FASHION),
    "coat": _theme("coat", "scarf womans-boot gloves womans-hat maple-leaf hot-beverage sweater", FASHION),
    "jeans": _theme("jeans", "t-shirt running-shoe backpack sunglasses billed-cap blouse", FASHION),
    "lounge": _theme("pyjamas sweater camisole", "hot-beverage candle socks teddy-bear books cat", FASHION),
    "sleep": _theme("pyjamas", "bed crescent-moon star candle lotion-bottle teddy-bear socks", STILL),
    "intimates": _theme("camisole", "ribbon rose perfume candle cherry-blossom lotion-bottle", STILL),
    "swim": _theme(
        "one-piece-swimsuit bikini", "sunglasses womans-hat thong-sandal watermelon spiral-shell palm-tree", FASHION
    ),
    "legwear": _theme("tights socks", "womans-boot skirt high-heeled-shoe scarf flat-shoe", STILL),
    "shorts": _theme("shorts", "t-shirt billed-cap thong-sandal sunglasses running-shoe lemon", FASHION),
    "trend": _theme("kimono sari maxi-floral", "gem-stone sunglasses clutch-bag hibiscus ring sparkles", FASHION),
    "layering": _theme("camisole cardigan", "jeans scarf sweater watch ring", FASHION),
    "beauty": _theme(
        "lipstick perfume nail-polish mirror", "cherry-blossom rose ribbon lipstick perfume cream hair-pick", STILL
    ),
    "skincare": _theme("serum cream lotion-bottle", "bubbles soap herb droplet lotus cream serum", STILL),
    "bath": _theme("soap lotion-bottle bathtub", "bubbles sponge candle toothbrush herb droplet", STILL),
    "home": _theme(
        "couch-and-lamp vase chair candle", "potted-plant framed-picture vase candle books cactus light-bulb", HOME
    ),
    "bedroom": _theme(
        "bed candle mantelpiece-clock", "books potted-plant light-bulb teddy-bear crescent-moon vase", HOME
    ),
    "kitchen": _theme(
        "pot-of-food teapot shallow-pan-of-food cooking",
        "green-salad lemon jar bread bowl-with-spoon herb basket",
        HOME,
    ),
    "coffee": _theme(
        "hot-beverage teacup-without-handle bubble-tea teapot",
        "croissant shortcake cookie books strawberry vase",
        STILL,
    ),
    "plants": _theme("potted-plant cactus vase seedling", "herb basket sunflower seedling jar butterfly", HOME),
    "stationery": _theme(
        "notebook-with-decorative-cover notebook open-book",
        "fountain-pen pencil scissors crayon ribbon paintbrush",
        STILL,
    ),
    "tennis": _theme(
        "tennis badminton tennis", "running-shoe billed-cap skirt running-shirt watch cup-with-straw", OUT
    ),
    "camping": _theme("tent camping fire", "compass flashlight evergreen-tree cooking hiking-boot guitar wood", OUT),
    "cycling": _theme("bicycle skateboard", "billed-cap backpack running-shoe tulip cup-with-straw basket", OUT),
    "travel": _theme(
        "luggage camera beach-with-umbrella", "airplane world-map sunglasses ticket womans-hat camera", OUT
    ),
    "commute": _theme("backpack handbag watch", "hot-beverage laptop books flat-shoe headphone blouse", STILL),
    "photo": _theme(
        "camera camera-with-flash film-frames", "film-frames sun ticket sunflower notebook butterfly", STILL
    ),
    "pet": _theme("cat dog-face", "yarn teddy-bear potted-plant red-heart basket", HOME),
    "jewellery": _theme("ring gem-stone watch crown", "ribbon rose perfume cherry-blossom sparkles clutch-bag", STILL),
    "shoes": _theme(
        "womans-boot high-heeled-shoe flat-shoe running-shoe womans-sandal", "socks handbag jeans skirt ribbon", STILL
    ),
    "bag": _theme("handbag backpack purse clutch-bag", "sunglasses lipstick mobile-phone watch scarf rose", STILL),
    "sale": _theme("shopping-bags package wrapped-gift", "label coin money-bag credit-card shopping-cart", ("advert",)),
}
