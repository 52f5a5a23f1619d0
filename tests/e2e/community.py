"""A small community for the tour: its cast, a thousand followers, and enough notes that being found means something.

Run as a program it fills the data folder that OFFSHELF_DATA names, in a process of its own, as the demo's loader does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from demo.cast import TOUR_ACCOUNTS
from demo.people import ADMIN, CREATOR_AT_GATE, DEMO_PASSWORD, GATE, MODERATOR
from kernel.config import read_settings
from notes import NoteDraft
from web.app import Engines, Services, build_services, open_engines
from web.migrate import upgrade

NOTES = (
    ("A linen shirt after forty washes", "I wear it to the office twice a week. The collar softened, the seams held, the colour faded."),
    ("Denim that fits short legs", "I am 158 cm and the hem of most jeans drags. These end at the ankle without a tailor."),
    ("Soup for one, three evenings", "Half a cabbage, two carrots, a potato. I cook it once and it tastes better on the third day."),
    ("Sleeping in a tent in November", "We put the mats on leaves and the bags on the mats. At 4 degrees I was warm, my feet were not."),
    ("小户型收纳", "我家只有三十平，鞋柜做到顶，换季的鞋放上面，常穿的放下面，半年没有再买盒子。"),
    ("早八人的五分钟底妆", "先上防晒，等三分钟，再用手指点涂粉底，只盖泛红和眼下，中午也不会卡。"),
    ("梨形身材怎么选裙子", "我腰细胯宽，A字裙到小腿最稳，面料要有垂感，太薄会贴腿。"),
    ("A notebook that survives a commute", "I carried it for six weeks in a full bag. The corners bent, the pages did not bleed."),
)  # fmt: skip


def settle(engines: Engines, services: Services) -> None:
    """Write everything in a few commits, through the services."""
    from accounts.service import _hasher

    password_hash = _hasher.hash(DEMO_PASSWORD)
    staff = ((CREATOR_AT_GATE, ("viewer",)), (MODERATOR, ("moderator",)), (ADMIN, ("admin",)))
    cast = [*staff, *((handle, roles) for handle, _, _, roles in TOUR_ACCOUNTS)]
    ids = engines.db.write(lambda tx: _accounts(tx, services, cast, password_hash))
    engines.db.write(lambda tx: _followers(tx, services, ids[CREATOR_AT_GATE]))
    for number, (title, text) in enumerate(NOTES):
        author = services.accounts.actor(engines.db.write(lambda tx, n=number: _writer(tx, services, n)))
        draft = services.notes.create(author, NoteDraft(title=title, text=text, topics=["home"])).value
        services.notes.submit(author, draft["id"])
    services.worker.run_until_idle()


def _accounts(tx: Any, services: Services, cast: Iterable[tuple[str, Any]], password_hash: str) -> dict[str, str]:
    return {
        handle: services.accounts.add(tx, handle, handle, roles=roles, password_hash=password_hash, synthetic=True)
        for handle, roles in cast
    }


def _followers(tx: Any, services: Services, creator: str) -> None:
    for number in range(GATE):
        services.accounts.add_follow(tx, services.accounts.add(tx, f"reader{number}", "Reader"), creator)


def _writer(tx: Any, services: Services, number: int) -> str:
    return services.accounts.add(tx, f"writer{number}", f"Writer {number}")


def main() -> None:
    settings = read_settings(os.environ)
    settings.data.mkdir(parents=True, exist_ok=True)
    upgrade(settings.sql_url)
    engines = open_engines(settings)
    try:
        settle(engines, build_services(settings, engines))
    finally:
        engines.close()


if __name__ == "__main__":
    main()
