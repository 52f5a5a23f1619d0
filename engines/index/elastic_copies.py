"""The indices behind the alias: one in use, one that is being filled beside it, and whoever was swapped away.

An alias names the index in use; an index is made once, filled, and replaced by swapping the alias, never changed in kind.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing, suppress
from hashlib import blake2b
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError, BadRequestError, Elasticsearch, NotFoundError

from engines.index.elastic_mapping import FORMAT, SETTINGS, Steps, chunks, deletes, mapping, puts
from engines.index.elastic_server import answering, check, open_client, refused
from engines.index.look import IndexLook
from engines.vitals import round_trip
from kernel.errors import Conflict
from kernel.ports import IndexDocument

LANES = 2
"""Requests of a filling at once: a graph of vectors grows in one thread for each, about 1 ms a document."""
ABANDONED = 120.0
"""Seconds without a sign of life after which somebody else's filling is taken for dead."""


class ElasticCopies:
    """Which index `alias` names, and how another takes its place. Raises what Elasticsearch raises."""

    def __init__(self, client: Elasticsearch, alias: str, dimensions: int, name: str) -> None:
        self._client, self._alias = client, alias
        self._slow = client.options(request_timeout=30)  # what changes the cluster's state takes its time
        self.dimensions = dimensions
        self.stamp = {"format": FORMAT, "dimensions": dimensions, "name": name}
        self._filled, self._former = f"{alias}-filling", f"{alias}-former"

    def current(self) -> tuple[str, dict[str, Any]] | None:
        """The index in use and what it says of itself."""
        try:
            found = self._client.indices.get_mapping(index=self._alias).body
        except NotFoundError:
            return None
        name, said = next(iter(found.items()))
        return name, said["mappings"].get("_meta", {})

    def ensure(self) -> None:
        """There is an index in use, made for this encoder; an empty one that is not fresh if there was none."""
        with answering():
            if not self._in_use():
                # The name follows from the stamp: two processes that start at once make the same one, alias and all, and
                # the second takes nothing away that the first may be filling already.
                self._create(self._first_name(), *(() if self.current() else (self._alias,)))
                if not self._in_use():
                    self.swap_in(self._first_name())

    def _in_use(self) -> bool:
        """Whether the alias names an index made for this encoder."""
        found = self.current()
        return found is not None and self.stamp.items() <= found[1].items()

    def _first_name(self) -> str:
        digest = blake2b(repr(sorted(self.stamp.items())).encode(), digest_size=5).hexdigest()
        return f"{self._alias}-{digest}-1"

    def begin_filling(self) -> tuple[str, str]:
        """Make the next index, under the alias that every process writes to. Whoever makes it is the one who fills: by an alias
        that is theirs alone, which is gone with the index when somebody takes them for dead."""
        mine = f"{self._filled}-{secrets.token_hex(6)}"
        in_use = self.current()
        stem, _, generation = (in_use[0] if in_use else self._first_name()).rpartition("-")
        name = f"{stem}-{int(generation) + 1}"
        if not self._create(name, self._filled, mine):
            beat = self._client.indices.get_mapping(index=name).body[name]["mappings"]["_meta"].get("beat", 0)
            if time.time() - beat < ABANDONED:
                raise Conflict("index.filling", "The index is being filled already.")
            self._slow.indices.delete(index=name, ignore_unavailable=True)
            if not self._create(name, self._filled, mine):
                raise Conflict("index.filling", "The index is being filled already.")
        return name, mine

    def _create(self, name: str, *aliases: str) -> bool:
        """Make an empty index; False when there is one of this name."""
        named: dict[str, Any] = {alias: {} for alias in aliases}
        made = mapping({**self.stamp, "fresh": False, "beat": time.time()}, self.dimensions)
        try:
            self._slow.indices.create(index=name, settings=SETTINGS, mappings=made, aliases=named)
        except BadRequestError as problem:
            if problem.error != "resource_already_exists_exception":
                raise
            return False
        return True

    def swap_in(self, name: str, mine: str = "") -> None:
        """From here on the alias names `name`, in one step of the cluster; what it named before is deleted afterwards.

        `mine` must name it still, in that very step: a filler that slept is too late. Not in the same step: a node closes what is removed before it knows the new alias, and whoever asks then gets 503.
        """
        found = self._client.indices.get(index=f"{self._alias}-*").body
        others = [other for other, said in found.items() if other != name and self._ours(said)]
        steps: list[dict[str, Any]] = [{"add": {"index": name, "alias": self._alias}}]
        if mine:
            steps.append({"remove": {"index": name, "alias": mine, "must_exist": True}})
        steps += [{"add": {"index": other, "alias": self._former}} for other in others]
        for index in (name, *others):
            for alias in found.get(index, {}).get("aliases", ()):
                ours = alias in (self._alias, self._filled) or alias.startswith(f"{self._filled}-")
                if ours and alias != mine and (index, alias) != (name, self._alias):
                    steps.append({"remove": {"index": index, "alias": alias}})
        self._slow.indices.update_aliases(actions=steps)
        if others:
            with suppress(ApiError, TransportError):  # the next swap deletes what this one cannot
                self._slow.indices.delete(index=others, ignore_unavailable=True)

    def drop(self, name: str, mine: str) -> None:
        """Delete a filling that failed, unless it was put in use after all, or is another's of the same name by now; the next
        one clears up what cannot be deleted."""
        with suppress(ApiError, TransportError):
            said = self._slow.indices.get(index=name, ignore_unavailable=True).body.get(name, {"aliases": {}})
            if mine in said["aliases"] and self._alias not in said["aliases"]:
                self._slow.indices.delete(index=name, ignore_unavailable=True)

    def remove(self) -> None:
        """Delete every index of this alias."""
        found = self._slow.indices.get(index=f"{self._alias}-*").body
        if ours := [name for name, said in found.items() if self._ours(said)]:
            self._slow.indices.delete(index=ours)

    def _ours(self, said: Mapping[str, Any]) -> bool:
        """An index that this alias or a filling for it names or named; somebody else's with a longer name stays."""
        return bool({self._alias, self._filled, self._former} & set(said["aliases"]))

    def say(self, index: str, **more: Any) -> None:
        """Have an index say of itself what it is made for, and `more`."""
        self._slow.indices.put_mapping(index=index, meta={**self.stamp, **more})

    def targets(self) -> list[str]:
        """Where a write goes: to the index in use, and to the one that is being filled."""
        known = self._client.indices.get_alias(index=f"{self._alias}-*", name=f"{self._alias}*").body
        names = {name for found in known.values() for name in found["aliases"]}
        if self._alias not in names:
            self.ensure()
        return [self._alias, *({self._filled} & names)]

    def bulk(self, targets: Sequence[str], steps: Steps) -> bool:
        """False when a target is not there any more."""
        for target in targets:
            answer = self._client.bulk(index=target, operations=steps, require_alias=True)
            if answer["errors"]:
                failed = [item for entry in answer["items"] for item in entry.values() if "error" in item]
                if all(item["error"]["type"] == "index_not_found_exception" for item in failed):
                    return False
                raise refused(failed)
        return True


def taken() -> Conflict:
    """The refusal of whoever stalled for so long that another began."""
    return Conflict("index.filling", "Somebody else took this filling for dead and began anew.")


class ElasticFilling:
    """The index that is being filled; nobody searches it yet."""

    def __init__(self, copies: ElasticCopies, name: str, mine: str, lanes: Executor) -> None:
        self._copies, self._name, self._mine, self._lanes, self._beat = copies, name, mine, lanes, time.monotonic()

    def put(self, documents: Sequence[IndexDocument]) -> None:
        """Insert or replace by id, in this index only."""
        self._write(puts(documents, self._copies.dimensions))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove by id, in this index only."""
        self._write(deletes(ids))

    def _write(self, steps: Steps) -> None:
        """All of it, before it returns; no id comes twice, so the order among the requests says nothing."""
        with answering():
            parts = chunks(steps, max(1, -(-len(steps) // (2 * LANES))))
            if not all(self._lanes.map(lambda part: self._copies.bulk([self._mine], part), parts)):
                raise taken()
            if time.monotonic() - self._beat > ABANDONED / 6:
                self._copies.say(self._name, fresh=False, beat=time.time())
                self._beat = time.monotonic()


def look(url: str, dimensions: int, name: str) -> IndexLook | None:
    """The index as it is; makes none. Raises SettingError as `ElasticIndex` does, and `Unavailable`."""
    client, alias = open_client(url)
    with closing(client):
        check(client)
        with answering():
            said = client.indices.get(index=f"{alias}-*").body
            latency = round_trip(client.ping)
            version = str(client.info()["version"]["number"])
            in_use = next((one for one, its in said.items() if alias in its["aliases"]), None)
            if in_use is None:
                return None
            stamp = {"format": FORMAT, "dimensions": dimensions, "name": name, "fresh": True}
            return IndexLook(
                f"Elasticsearch {version}",
                latency,
                int(client.count(index=alias)["count"]),
                said[in_use]["mappings"].get("_meta") == stamp,
                sorted(one for one, its in said.items() if _left_over(alias, one, its)),
            )


def _left_over(alias: str, index: str, said: Mapping[str, Any]) -> bool:
    """An index of this alias that nobody uses, or a filling whose process is dead."""
    if alias in said["aliases"] or not re.fullmatch(rf"{alias}-[0-9a-f]{{10}}-\d+", index):
        return False
    return bool(time.time() - said["mappings"].get("_meta", {}).get("beat", 0) > ABANDONED)
