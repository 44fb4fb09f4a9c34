"""The indices behind an alias: making one, putting it in place, clearing away the old."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from oeventdb.errors import Refused, SearchUnavailable, SearchUnreachable
from oeventdb.search.cluster import PATIENCE, Answer

if TYPE_CHECKING:
    from oeventdb.search.cluster import Cluster
    from oeventdb.search.definition import Definition

_ALIAS = re.compile(r"[a-z0-9][a-z0-9._-]{0,200}")
# Patience for clearing up after a failure, which the next reindex can do as well.
_SOON = 5.0

# How long a new index may take to find a node.
_PLACING = "30s"

_STAMP = "%Y%m%dt%H%M%Sz"

# Events whose privacy is unknown are public, as they are to the application.
PUBLIC_FILTER = {"bool": {"must_not": [{"term": {"privacy": "private"}}]}}


def public_alias(alias: str) -> str:
    """Return the alias under which the same index shows no private events."""
    return f"{alias}-public"


def building_alias(index: str) -> str:
    """Return the alias that an index has while it is built, and loses as it goes live.

    Bulk requests name it and demand that it is an alias: nothing can be written to an index
    that was removed meanwhile, which Elasticsearch would otherwise make anew.
    """
    return f"{index}-building"


@dataclass(frozen=True)
class Index:
    """An index of the cluster: its aliases, those of our two it is behind, and whether a reindex for them made it."""

    name: str
    aliases: frozenset[str]
    behind: frozenset[str]
    ours: bool


class Indices:
    """The indices of one alias on one cluster."""

    def __init__(self, cluster: Cluster, alias: str) -> None:
        if not _ALIAS.fullmatch(alias):
            raise Refused("the alias has to be lower-case letters, digits, dots, hyphens and underscores")
        self._cluster = cluster
        self.alias = alias
        self._name = re.compile(rf"{re.escape(alias)}-\d{{8}}t\d{{6}}z")

    def found(self, *, patience: float = 0.0) -> list[Index]:
        """Return every index that has one of our aliases or names, in the order of names."""
        body = self._cluster.request(
            "GET",
            f"/{self.alias},{public_alias(self.alias)},{self.alias}-*",
            query={
                "ignore_unavailable": "true",
                "allow_no_indices": "true",
                "expand_wildcards": "all",
                # the uuid, so that an index with none of the others is listed as well
                "filter_path": "*.aliases,*.mappings._meta.oeventdb,*.settings.index.uuid",
            },
            patience=patience,
        )
        return [self._index(name, body[name]) for name in sorted(body or {})]

    def _index(self, name: str, found: dict[str, Any]) -> Index:
        meta = found.get("mappings", {}).get("_meta", {}).get("oeventdb", {})
        ours = bool(self._name.fullmatch(name)) and meta.get("alias") == self.alias
        aliases = frozenset(found.get("aliases", {}))
        return Index(name, aliases, aliases & {self.alias, public_alias(self.alias)}, ours)

    def live(self) -> list[Index]:
        """Return the indices behind the alias; refuse a place that is taken by something else.

        A concrete index of the alias' name, and one single index behind the alias whoever made
        it, are what reindex replaces. Several indices that are not ours are somebody's doing.
        """
        indices = self.found(patience=PATIENCE)
        public = public_alias(self.alias)
        if any(index.name == public for index in indices):
            raise SearchUnavailable(
                f"{public} is an index, but has to be an alias; nothing was changed",
                hint="remove that index, or choose another --alias",
            )
        for name in (self.alias, public):
            behind = [index for index in indices if name in index.aliases]
            if len(behind) > 1 and not all(index.ours for index in behind):
                listed = ", ".join(index.name for index in behind)
                raise SearchUnavailable(
                    f"the alias {name} is full of other indices ({listed}); nothing was changed",
                    hint="take them out of the alias, or choose another --alias",
                )
        return [index for index in indices if self.alias in (index.name, *index.aliases)]

    def create(self, definition: Definition) -> str:
        """Make an index named after this second, for a build; return its name."""
        body = definition.while_building(self.alias)
        while True:
            name = f"{self.alias}-{datetime.now(UTC):{_STAMP}}"
            answer = self._cluster.request(
                "PUT",
                f"/{name}",
                query={"timeout": _PLACING},
                body={**body, "aliases": {building_alias(name): {}}},
                patience=PATIENCE,
                accept=(400,),
            )
            if "error" not in answer:
                self._refuse_to_show(name)
                if not answer["shards_acknowledged"]:
                    self.remove(name)
                    raise SearchUnreachable(
                        f"no node of {self._cluster.where} takes a new index; nothing was changed",
                        hint="GET /_cluster/allocation/explain says why",
                    )
                return name
            if answer["error"].get("type") != "resource_already_exists_exception":
                raise self._cluster.refused(Answer(400, answer))
            time.sleep(1)

    def _refuse_to_show(self, index: str) -> None:
        """Refuse a new index that a template of the cluster has put behind one of the aliases."""
        for found in self.found(patience=PATIENCE):
            if found.name == index and found.behind:
                self.remove(index)
                raise SearchUnavailable(
                    f"an index template gives a new index the alias {min(found.behind)}, so that it would be "
                    "searched half-built; nothing was changed",
                    hint="take the alias out of the template",
                )

    def finish(self, index: str, definition: Definition) -> int:
        """Give a built index its lasting settings, make it visible; return its document count."""
        self._cluster.request("PUT", f"/{index}/_settings", body=definition.when_built(), patience=PATIENCE)
        self.refresh(index)
        counted = self._cluster.request("GET", f"/{index}/_count", patience=PATIENCE)
        if counted["_shards"]["failed"]:
            raise SearchUnavailable(f"a shard of {index} could not be counted")
        return int(counted["count"])

    def refresh(self, index: str) -> None:
        """Make what was written visible to searches."""
        refreshed = self._cluster.request("POST", f"/{index}/_refresh", patience=PATIENCE)
        if refreshed["_shards"]["failed"]:
            raise SearchUnavailable(f"a shard of {index} could not be refreshed")

    def swap(self, index: str) -> None:
        """Put `index` behind both aliases in one call, replacing whatever is there.

        An answer that was lost is no reason to do it twice: the aliases tell.
        """
        actions = self._swap_actions(index)
        if actions:
            self._cluster.request(
                "POST",
                "/_aliases",
                # what waits longer for its turn is dropped, so that nothing comes after all when nobody looks any more
                query={"master_timeout": "20s"},
                body={"actions": actions},
                patience=PATIENCE,
                # after a lost answer the first attempt may have removed the aliases already
                accept=(404,),
            )
        if self._swap_actions(index):
            raise SearchUnavailable(f"the alias {self.alias} could not be moved to {index}")

    def _swap_actions(self, index: str) -> list[dict[str, Any]]:
        """Return what is left to do until `index` alone is behind the aliases."""
        public = public_alias(self.alias)
        self.live()
        actions: list[dict[str, Any]] = []
        in_place = False
        for other in self.found(patience=PATIENCE):
            if other.name == self.alias:
                actions.append({"remove_index": {"index": other.name}})
            elif other.name == index:
                in_place = len(other.behind) == 2 and building_alias(index) not in other.aliases
            else:
                actions += [
                    {"remove": {"index": other.name, "alias": name, "must_exist": True}}
                    for name in sorted(other.behind)
                ]
        if in_place and not actions:
            return []
        return [
            *actions,
            {"add": {"index": index, "alias": self.alias, "is_write_index": True}},
            {"add": {"index": index, "alias": public, "filter": PUBLIC_FILTER}},
            {"remove": {"index": index, "alias": building_alias(index), "must_exist": False}},
        ]

    def remove_unfinished(self) -> list[str]:
        """Remove indices that interrupted builds have left; return their names."""
        left = [
            index.name
            for index in self.found(patience=PATIENCE)
            if index.ours and building_alias(index.name) in index.aliases and not index.behind
        ]
        return [name for name in left if self.remove(name)]

    def discard(self, index: str) -> None:
        """Remove an index whose build has failed, unless it went live after all."""
        for found in self.found(patience=_SOON):
            if found.name == index and not found.behind:
                self.remove(index, patience=_SOON)

    def remove_old(self, index: str, keep: int) -> list[str]:
        """Remove the finished indices other than `index` but for the newest `keep`; return names.

        One behind an alias that `index` is not behind, as a template may have put it, is somebody's.
        """
        found = self.found(patience=PATIENCE)
        known: frozenset[str] = next((other.aliases for other in found if other.name == index), frozenset())
        old = [
            other.name
            for other in found
            if other.ours and other.name != index and not other.behind and other.aliases <= known
        ]
        return [name for name in old[: max(len(old) - keep, 0)] if self.remove(name)]

    def remove(self, index: str, *, patience: float = PATIENCE) -> bool:
        """Remove an index by its own name; return whether it was there."""
        answer = self._cluster.request("DELETE", f"/{index}", patience=patience, accept=(404,))
        return "error" not in answer
