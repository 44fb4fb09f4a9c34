"""The definition of the index: the mapping and settings of index.json, or of a file of one's own."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oeventdb import __version__
from oeventdb.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHIPPED = Path(__file__).with_name("index.json")

# While an index is built nobody searches it: no copies to keep up, nothing to make visible.
_BUILDING = {"number_of_replicas": 0, "auto_expand_replicas": False, "refresh_interval": "-1"}

_ESSENTIAL = ("gc_deletes", "translog.durability")
"""Without these a late write could bring a deleted event back, and a crash take back what was acknowledged."""


@dataclass(frozen=True)
class Definition:
    """Mapping and settings of an index; the settings by their names without "index."."""

    settings: dict[str, Any]
    mappings: dict[str, Any]

    def while_building(self, alias: str) -> dict[str, Any]:
        """Return the body that creates the index for a build, marked as ours for `alias`."""
        mappings = copy.deepcopy(self.mappings)
        mappings["_meta"] = {
            **mappings.get("_meta", {}),
            "oeventdb": {"alias": alias, "version": __version__},
        }
        return {"settings": {"index": {**self.settings, **_BUILDING}}, "mappings": mappings}

    def when_built(self) -> dict[str, Any]:
        """Return the settings that the finished index gets: those of the definition again.

        None is Elasticsearch's own default.
        """
        return {"index": {name: self.settings.get(name) for name in _BUILDING}}


def load(path: Path | None = None) -> Definition:
    """Read a definition: a JSON object with "settings" and "mappings"; the shipped one by default.

    Another file need not repeat what keeps the index right. Raises Refused for a file that is not
    one, OSError for one that cannot be read.
    """
    shipped = _read(_SHIPPED)
    if path is None:
        return shipped
    own = _read(path)
    return Definition({name: shipped.settings[name] for name in _ESSENTIAL} | own.settings, own.mappings)


def _read(path: Path) -> Definition:
    try:
        parsed = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as exc:
        raise Refused(f"{path} is not JSON: {exc}") from None
    if not isinstance(parsed, dict) or not {"settings", "mappings"} >= set(parsed):
        raise Refused(f'{path} is no index definition: an object with "settings" and "mappings"')
    settings, mappings = parsed.get("settings", {}), parsed.get("mappings", {})
    if not (
        isinstance(settings, dict)
        and isinstance(settings.get("index", {}), dict)
        and isinstance(mappings, dict)
        and isinstance(mappings.get("_meta", {}), dict)
    ):
        raise Refused(f"{path} is no index definition: settings, mappings and their _meta are objects")
    return Definition({name.removeprefix("index."): value for name, value in _flat(settings)}, mappings)


def _flat(settings: dict[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """Yield settings under their full names: Elasticsearch takes them nested, with dots, or half and half."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{within}{name}.")
        else:
            yield f"{within}{name}", value
