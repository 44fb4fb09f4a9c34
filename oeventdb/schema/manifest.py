"""The manifest of a release: what `oeventdb migrate` installs, as db/manifest.json says it.

tools/manifest.py writes it from a freshly migrated database. It has the objects of the whole
release, and beside them those of the legacy tables alone, which `adopt` asks for.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oeventdb.resources import db_path
from oeventdb.schema.catalog import Thing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

OWNER = "the owner of schema oeventdb"
_LEGACY_KINDS = ("table", "column", "constraint")

Things = dict[tuple[str, str], Thing]


@dataclass(frozen=True)
class Manifest:
    """`migration` is the last one; `objects` the release's, `legacy` those of 0001 alone."""

    migration: str
    objects: Things
    legacy: Things

    @property
    def tables(self) -> list[str]:
        """The names of our tables in schema public."""
        names = (thing.object for thing in self.objects.values() if thing.kind == "table")
        return sorted(n.removeprefix("public.") for n in names if n.startswith("public."))


def digest(body: str) -> str:
    """Return the sha256 of a function's body in hex."""
    return hashlib.sha256(body.encode()).hexdigest()


def comparable(things: Things) -> Things:
    """Return things as a manifest has them: bodies by hash, owners by what they own."""
    schema = things.get(("schema", "oeventdb"))
    owner = schema.definition["owner"] if schema else None
    found = {}
    for key, thing in things.items():
        definition = dict(thing.definition)
        if "body" in definition:
            definition["body"] = digest(definition["body"])
        if owner is not None and definition.get("owner") == owner:
            definition["owner"] = OWNER
        found[key] = Thing(thing.kind, thing.object, definition)
    return found


def _to_json(things: Things, kinds: Iterable[str] | None = None) -> list[dict[str, object]]:
    return [
        {"kind": thing.kind, "object": thing.object, **thing.definition}
        for _, thing in sorted(things.items())
        if kinds is None or thing.kind in kinds
    ]


def _from_json(rows: list[dict[str, str]]) -> Things:
    things = (Thing(row.pop("kind"), row.pop("object"), row) for row in rows)
    return {thing.key: thing for thing in things}


def dump(migration: str, objects: Things, legacy: Things) -> str:
    """Return the text of a manifest; both are what `catalog.read` found."""
    public = {key: thing for key, thing in legacy.items() if thing.object.startswith("public.")}
    content = {
        "migration": migration,
        "objects": _to_json(comparable(objects)),
        "legacy": _to_json(comparable(public), _LEGACY_KINDS),
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def load(path: Path | None = None) -> Manifest:
    """Read a manifest; this release's by default."""
    content = json.loads((path or db_path() / "manifest.json").read_text("utf-8"))
    return Manifest(content["migration"], _from_json(content["objects"]), _from_json(content["legacy"]))
