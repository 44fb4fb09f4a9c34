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
# What we name ourselves: an alias that is called so would take the place of another's.
_TAKEN = re.compile(r".*-(public|building|\d{8}t\d{6}z)")
# Patience for clearing up after a failure, which the next reindex can do as well.
_SOON = 5.0

# How long a new index may take to find a node.
_PLACING = "30s"

_STAMP = "%Y%m%dt%H%M%Sz"

# Events whose privacy is unknown are public, as they are to the application.
PUBLIC_FILTER = {"bool": {"must_not": [{"term": {"privacy": "private"}}]}}


# What makes an alias show less than its index has.
_NARROWING = ("filter", "search_routing", "index_routing")


class UnusableAlias(Refused):
    """The name cannot be that of an alias of ours: choose another one."""

    exit_code = 2
    kind = "usage"


def require_alias(alias: str) -> str:
    """Return the alias; raise UnusableAlias for one that cannot be ours."""
    if not _ALIAS.fullmatch(alias):
        raise UnusableAlias("the alias has to be lower-case letters, digits, dots, hyphens and underscores")
    if _TAKEN.fullmatch(alias):
        raise UnusableAlias(
            "the alias must not end in -public, -building or a time: such names are given by reindex"
        )
    return alias


def public_alias(alias: str) -> str:
    """Return the alias under which the same index shows no private events."""
    return f"{alias}-public"


def building_alias(index: str) -> str:
    """Return the alias that an index has while it is built, and loses as it goes live.

    Bulk requests name it and demand that it is an alias: nothing can be written to an index
    that was removed meanwhile, which Elasticsearch would otherwise make anew.
    """
    return f"{index}-building"


def withdrawn_alias(index: str) -> str:
    """Return the alias that takes the place of that of a build that must not go live any more."""
    return building_alias(f"{index}-withdrawn")


def no_index(alias: str) -> SearchUnavailable:
    """Return the error for an alias under which nothing was indexed yet."""
    return SearchUnavailable(
        f"there is no index behind the alias {alias}", hint="run `oeventdb reindex` first"
    )


@dataclass(frozen=True)
class Index:
    """An index of the cluster: its aliases, those of our two it is behind, and whether a reindex for them made it.

    Of each of the two, `behind` has what narrows what it shows.
    """

    name: str
    aliases: frozenset[str]
    behind: dict[str, dict[str, Any]]
    ours: bool


class Indices:
    """The indices of one alias on one cluster."""

    def __init__(self, cluster: Cluster, alias: str) -> None:
        self._cluster = cluster
        self.alias = require_alias(alias)
        self._pair: dict[str, dict[str, Any]] = {alias: {}, public_alias(alias): {"filter": PUBLIC_FILTER}}
        self._name = re.compile(rf"{re.escape(alias)}-\d{{8}}t\d{{6}}z")
        self._swapping = False

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
        aliases = found.get("aliases", {})
        behind = {
            alias: {part: aliases[alias][part] for part in _NARROWING if part in aliases[alias]}
            for alias in self._pair
            if alias in aliases
        }
        return Index(name, frozenset(aliases), behind, ours)

    def require_live(self) -> None:
        """Refuse an alias without an index behind it, and aliases that are not as reindex leaves them.

        Searches ask the one and everything else the other: what is true of one index has to be true of both.
        """
        indices = self.replaceable()
        live = [index for index in indices if self.alias in (index.name, *index.aliases)]
        public = public_alias(self.alias)
        names = [
            ", ".join(index.name for index in indices if alias in index.behind)
            for alias in (self.alias, public)
        ]
        if not live:
            raise no_index(self.alias)
        if len(live) > 1:
            wrong = f"the alias {self.alias} is on several indices ({names[0]})"
        elif live[0].name == self.alias:
            wrong = f"{self.alias} is an index, not an alias of one"
        elif names[0] != names[1]:
            wrong = f"{self.alias} shows {names[0]}, but {public} shows {names[1] or 'no index'}"
        elif live[0].behind != self._pair:
            wrong = (
                f"{self.alias} has a filter or routing, or {public} not just the filter that reindex gives it"
            )
        else:
            return
        raise SearchUnavailable(
            wrong, hint="run `oeventdb reindex`, or put both on one index in one request, as it does"
        )

    def replaceable(self) -> list[Index]:
        """Return every index, as `found` does; refuse a place that is taken by something else.

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
        return indices

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
                self._refuse_unfiltered(name)
                return name
            if answer["error"].get("type") != "resource_already_exists_exception":
                raise self._cluster.refused(Answer(400, answer))
            time.sleep(1 - time.time() % 1)  # until the next second, which is another name

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

    def _refuse_unfiltered(self, index: str) -> None:
        """Refuse a new index in which private events cannot be told from the others."""
        path = f"/{index}/_mapping/field/privacy"
        answer = self._cluster.request("GET", path, query={"include_defaults": "true"}, patience=PATIENCE)
        privacy = answer[index]["mappings"].get("privacy", {}).get("mapping", {}).get("privacy", {})
        searched = privacy.get("type") == "keyword" and privacy.get("index")
        if not searched or privacy.get("ignore_above", 256) < len("private"):
            self.remove(index)
            raise Refused(
                "the mapping would show private events to everybody; nothing was changed",
                hint='map the field privacy as {"type": "keyword"}, so that it can be searched',
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
            self._swapping = True
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
        actions: list[dict[str, Any]] = []
        in_place = False
        for other in self.replaceable():
            if other.name == self.alias:
                actions.append({"remove_index": {"index": other.name}})
            elif other.name == index:
                in_place = other.behind == self._pair and building_alias(index) not in other.aliases
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
            {"remove": {"index": index, "alias": building_alias(index), "must_exist": True}},
        ]

    def remove_unfinished(self) -> list[str]:
        """Remove indices that interrupted builds have left; return their names."""
        left = [
            index.name
            for index in self.found(patience=PATIENCE)
            if index.ours
            and index.aliases & {building_alias(index.name), withdrawn_alias(index.name)}
            and not index.behind
        ]
        return [name for name in left if self.remove(name)]

    def discard(self, index: str) -> None:
        """Remove an index whose build has failed, unless it went live after all."""
        if self._swapping:
            self._withdraw(index)
        for found in self.found(patience=_SOON):
            if found.name == index and not found.behind:
                self.remove(index, patience=_SOON)

    def _withdraw(self, index: str) -> None:
        """Take from a build, unless it is live, the alias without which a swap that is still on its way moves nothing."""
        actions = [
            {"remove": {"index": index, "alias": building_alias(index), "must_exist": True}},
            {"add": {"index": index, "alias": withdrawn_alias(index)}},
        ]
        self._cluster.request("POST", "/_aliases", body={"actions": actions}, patience=_SOON, accept=(404,))

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
