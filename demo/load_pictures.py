"""The demo's pictures: drawn in processes of their own, kept through the service, while the rest is being written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from demo.artists import open_artists
from demo.content import Plan
from demo.covers import CoverSpec, render_avatar, render_cover
from notes import Kept, MediaService

AVATAR = (192, 192)


class Pictures:
    """Everything the plan shows, by key: ``avatar:N``, or the key of a product or note. In the order they are wanted."""

    def __init__(self, media: MediaService, plan: Plan, drawn: Callable[[], None]) -> None:
        self._media = media
        self._drawn = drawn
        self._artists = open_artists()
        self._keeper = ThreadPoolExecutor(1, "pictures")
        avatars = sorted({account.avatar for account in plan.accounts})
        self._kept = {f"avatar:{n}": self._draw(AVATAR, render_avatar, n) for n in avatars}
        self._kept |= {key: self._draw(spec.size, render_cover, spec) for key, spec in _covers(plan)}

    @property
    def total(self) -> int:
        return len(self._kept)

    def __getitem__(self, key: str) -> Kept:
        """The kept picture, as soon as it is drawn."""
        return self._kept[key].result()

    def close(self) -> None:
        """Stop drawing what nobody will ask for, and wait until it has stopped: nothing of it is left when the process ends."""
        self._keeper.shutdown(wait=False, cancel_futures=True)
        # Waiting at the first call: a pool that was shut down without it forgets whom to wait for.
        self._artists.shutdown(cancel_futures=True)
        self._keeper.shutdown()

    def _draw(self, size: tuple[int, int], render: Callable[..., bytes], what: object) -> Future[Kept]:
        return self._keeper.submit(self._keep, self._artists.submit(render, what), size)

    def _keep(self, drawing: Future[bytes], size: tuple[int, int]) -> Kept:
        kept = self._media.keep_drawn(drawing.result(), *size)
        self._drawn()
        return kept


def _covers(plan: Plan) -> Iterable[tuple[str, CoverSpec]]:
    yield from ((product.key, product.picture) for product in plan.products)
    yield from ((note.key, note.cover) for note in (*plan.notes, *plan.held_notes))
