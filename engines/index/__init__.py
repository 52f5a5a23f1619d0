"""Search indexes behind `kernel.ports.SearchIndex`, picked by the scheme of `OFFSHELF_INDEX_URL`."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engines.index.look import IndexLook
from kernel.errors import SettingError
from kernel.ports import SearchIndex

__all__ = ["IndexLook", "look_at", "open_index", "own_index"]

ACCEPTED = "embedded:// or https://USER:PASSWORD@HOST:PORT/ALIAS (http:// without TLS)"


def open_index(
    url: str, folder: Path, dimensions: int, off_loop: Callable[..., Any] | None = None, name: str = ""
) -> SearchIndex:
    """The index at `url`. `embedded://` lives in `folder`; vectors have `dimensions` entries.

    `name` says which encoder and tokens fill it: an index filled under another name opens empty and not `fresh`.
    Calls that take long go through `off_loop(fn, *args)`, by default a direct call. Raises SettingError.
    """
    scheme = urlsplit(url).scheme
    if scheme == "embedded":
        from engines.index.embedded import EmbeddedIndex  # the engine that is not used is not loaded

        return EmbeddedIndex(folder, dimensions, off_loop=off_loop, name=name)
    if scheme in ("http", "https"):
        from engines.index.elastic import ElasticIndex

        return ElasticIndex(url, dimensions, name=name)
    raise SettingError(f"OFFSHELF_INDEX_URL names no search index this release knows; it takes {ACCEPTED}.")


@contextmanager
def own_index(url: str, dimensions: int, name: str = "") -> Iterator[SearchIndex]:
    """An empty index of the engine at `url` that nobody else uses and that is gone afterwards: what is in use there stays
    as it is. On a server it lies beside, under the URL's alias and a suffix. Raises SettingError.
    """
    if urlsplit(url).scheme in ("http", "https"):
        from engines.index.elastic import ElasticIndex

        own = ElasticIndex(url, dimensions, name=name, suffix=f"-own-{secrets.token_hex(4)}")
        try:
            yield own
        finally:
            own.remove()
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(open_index(url, Path(folder), dimensions, name=name)) as index,
    ):
        yield index


def look_at(url: str, folder: Path, dimensions: int, name: str) -> IndexLook | None:
    """What an operator may know of the index at `url`, beside whoever has it open; None where there is none yet.

    Changes nothing. Raises SettingError, `Unavailable`, ValueError when its files are damaged.
    """
    if urlsplit(url).scheme == "embedded":
        from engines.index.embedded import look

        return look(folder, dimensions, name)
    from engines.index.elastic_copies import look as look_afar

    return look_afar(url, dimensions, name)
