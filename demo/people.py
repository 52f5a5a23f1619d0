# ruff: noqa: SIM905 (word lists read better as prose)
"""The demo's people: a few named accounts with a password, a crowd without, and who follows whom."""

from __future__ import annotations

import random
from datetime import date, timedelta

from demo.cast import TOUR_ACCOUNTS
from demo.content import Account, Follow

DEMO_PASSWORD = "offshelf-demo-2024"
"""Of every named account. These accounts exist in the demo only."""

VIEWERS = ("mei", "noah", "lin")
CREATOR_AT_GATE = "almost_there"
"""Has exactly 1,000 followers: one short of "more than 1,000". No named viewer, staff or merchant is among them."""
APPROVED_CREATORS = ("june_in_linen", "xiaoman_wears", "petite_pearl", "agui_at_home", "nora_mends")
MERCHANTS = ("offshelf_outfitters", "northlight_knits", "second_skin_studio", "yanxia_home")
MODERATOR = "moderator"
ADMIN = "admin"

_SYNTHETIC = {CREATOR_AT_GATE, MODERATOR, ADMIN, *(entry[0] for entry in TOUR_ACCOUNTS)}

CROWD = 1_185
FOLLOWS = 10_000
GATE = 1_000
PAST_GATE = (1_061, 1_043, 1_028, 1_016, 1_007)
AVATARS = 160

_NAMED = (
    ("mei", "小梅", "试衣间常驻人口 · 158cm", ("viewer",)),
    ("noah", "Noah Brandt", "Here for the denim and the comments.", ("viewer",)),
    ("lin", "林间有风", "周末露营 平时通勤", ("viewer",)),
    (CREATOR_AT_GATE, "Almost There", "Small wardrobe, honest notes. One friend short.", ("viewer",)),
    ("june_in_linen", "June in Linen", "Fabric first. I wash everything twice before I write.", ("viewer", "creator")),
    ("xiaoman_wears", "小满穿衣日记", "梨形 162 · 只写穿过十次以上的", ("viewer", "creator")),
    ("petite_pearl", "Petite Pearl", "5'1\", 108 lb. Hem lengths measured, not guessed.", ("viewer", "creator")),
    ("agui_at_home", "阿桂的家", "租房第六年 · 家居 护肤 一人食", ("viewer", "creator")),
    ("nora_mends", "Nora Mends", "Knits, repairs, second chances.", ("viewer", "creator")),
    ("offshelf_outfitters", "Offshelf Outfitters", "Dresses, blouses and what goes under.", ("viewer", "merchant")),
    ("northlight_knits", "Northlight Knits", "Sweaters and coats from a small mill.", ("viewer", "merchant")),
    ("second_skin_studio", "Second Skin Studio", "Denim, lounge, swim.", ("viewer", "merchant")),
    ("yanxia_home", "檐下生活馆", "家居 美妆 户外小物", ("viewer", "merchant")),
    (MODERATOR, "Review Desk", "Reads what you report.", ("viewer", "moderator")),
    (ADMIN, "House Keeper", "Keeps the lights on.", ("viewer", "admin")),
)

_FIRST = """ada amy anna ava bea bella cara cleo dana dora ella emma esme eva faye flora gia grace hana hazel ida iris isla
ivy jane jess jo june kate kira lana leah lena lila lou lucy mae maya mia mila nina noa nora olive paige pia priya quinn rae
rosa ruby ruth sade sara sky sofia tara tess thea uma vera willa wren yara zoe ben caleb dan eli finn gus hugo ian jack kai
leo max nate omar otis paul ray sam theo will""".split()
_AFTER = """adams bell brook carter cole dean ellis fields ford gray hale hart hayes hill jones kim lane lee marsh mills moon
nash odell park patel poole reed rivers rose shah shaw silva stone vale walsh ward west wilde wood york""".split()
_THINGS = """denim linen velvet button collar pocket ribbon thimble hem selvage tweed cotton pleat toggle cardigan loafer
teapot fern balcony notebook attic lantern pebble orchard""".split()
_ADJECTIVES = (
    "slow quiet tiny honest sunday lazy late plain soft brave curious early rainy modest thrifty sunny".split()
)
_HAN_HEAD = "小 阿 大 老 一只 半糖 今天的 二楼的 爱睡觉的 早起的 住在海边的 不加班的".split()
_HAN_TAIL = "满 梨 桃 橘 栗子 豆包 芋圆 汤圆 云朵 石榴 青柠 麦子 柚子 海盐 月牙 木头 桔梗 番茄 松果 团子 薄荷 可颂 乌龙 苔藓".split()
_PINYIN = "xiao li tao ju yun mai you hai yue mu su ning shan he qiu chun an yi wan ruo zhi lan ke fei nan".split()
_BIOS_EN = (
    "{h}, mostly jeans.", "Trying to buy less and wear it more.", "Mum of two, pockets required.", "Sizes {s}, opinions free.",
    "Thrift first.", "Office by day, garden by night.", "I return more than I keep.", "Weekend baker, weekday commuter.",
    "Petite and picky.", "Long arms, short patience.", "Collecting good cardigans.", "", "", "",
)  # fmt: skip
_BIOS_ZH = (
    "{c}cm 普通上班族", "梨形自救中", "敏感肌 慢慢来", "租房第{n}年", "早八人 咖啡续命", "手账第{n}本", "只买会穿的", "周末在山里",
    "小个子 不垫肩", "在学做饭", "养了一只橘猫", "", "", "",
)  # fmt: skip


def make_accounts(rng: random.Random, today: date) -> tuple[Account, ...]:
    """The named accounts first, then the crowd, then who plays the tour; handles are unique and joined at least 31 days before ``today``."""
    named = [_named(i, entry, today) for i, entry in enumerate(_NAMED)]
    taken = {account.handle for account in named} | {entry[0] for entry in TOUR_ACCOUNTS}
    crowd = [_crowd_member(rng, today, taken) for _ in range(CROWD)]
    tour = [_named(len(named) + i, entry, today) for i, entry in enumerate(TOUR_ACCOUNTS)]
    return (*named, *crowd, *tour)


def _named(index: int, entry: tuple[str, str, str, tuple[str, ...]], today: date) -> Account:
    handle, name, bio, roles = entry
    joined = today - timedelta(days=200 + index)
    approved, synthetic = handle in APPROVED_CREATORS, handle in _SYNTHETIC
    return Account(handle, name, bio, joined, index, roles, approved, DEMO_PASSWORD, synthetic)


def _crowd_member(rng: random.Random, today: date, taken: set[str]) -> Account:
    chinese = rng.random() < 0.45
    handle, name = _chinese(rng) if chinese else _english(rng)
    while handle in taken:
        handle = f"{handle.rstrip('0123456789')}{rng.randrange(10, 9999)}"
    taken.add(handle)
    bio = rng.choice(_BIOS_ZH if chinese else _BIOS_EN).format(
        h=f"{rng.randrange(5, 6)}'{rng.randrange(0, 12)}\"",
        s=rng.choice(("XS", "S", "M", "L", "XL")),
        c=rng.randrange(150, 175),
        n=rng.randrange(2, 9),
    )
    return Account(
        handle, name, bio, today - timedelta(days=rng.randrange(31, 400)), rng.randrange(len(_NAMED), AVATARS)
    )


def _english(rng: random.Random) -> tuple[str, str]:
    if rng.random() < 0.55:
        first, last = rng.choice(_FIRST), rng.choice(_AFTER)
        return f"{first}_{last}", f"{first.title()} {last.title()}"
    word, thing = rng.choice(_ADJECTIVES), rng.choice(_THINGS)
    return f"{word}_{thing}", f"{word} {thing}" if rng.random() < 0.5 else f"{word.title()} {thing.title()}"


def _chinese(rng: random.Random) -> tuple[str, str]:
    handle = "".join(rng.sample(_PINYIN, 2)) + f"_{rng.randrange(10, 100)}"
    return handle, rng.choice(_HAN_HEAD) + rng.choice(_HAN_TAIL)


def make_follows(rng: random.Random, accounts: tuple[Account, ...]) -> tuple[Follow, ...]:
    """Exactly :data:`FOLLOWS`: the five approved creators past the gate, one at the gate, the rest spread unevenly."""
    crowd = [account.handle for account in accounts if account.password is None]
    follows: list[Follow] = []
    for creator, count in zip(APPROVED_CREATORS, PAST_GATE, strict=True):
        follows += [Follow(follower, creator) for follower in rng.sample(crowd, count)]
    follows += [Follow(follower, CREATOR_AT_GATE) for follower in rng.sample(crowd, GATE)]
    follows += _spread(rng, crowd, FOLLOWS - len(follows))
    return tuple(follows)


def _spread(rng: random.Random, crowd: list[str], count: int) -> list[Follow]:
    """``count`` distinct follows: merchants and named viewers a few hundred, the crowd by a long tail."""
    followed = [*MERCHANTS, *VIEWERS, *crowd]
    weights = [90.0] * len(MERCHANTS) + [6.0] * len(VIEWERS) + [12 / (rank + 8) + 0.2 for rank in range(len(crowd))]
    pairs: dict[tuple[str, str], None] = {}
    for viewer in VIEWERS:  # so that their following feed has something in it
        for author in (*APPROVED_CREATORS[:3], *rng.sample(crowd, 5)):
            pairs[viewer, author] = None
    while len(pairs) < count:
        follower, author = rng.choice(crowd), rng.choices(followed, weights)[0]
        if follower != author:
            pairs[follower, author] = None
    return [Follow(follower, author) for follower, author in pairs]
