"""Comparing a live database with what this release installs."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from oeventdb.schema import catalog, grants, ledger, manifest, runner
from oeventdb.schema.adopt import base_type, table_of
from oeventdb.schema.catalog import Thing
from oeventdb.schema.status import installed_by

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from oeventdb.schema.manifest import Manifest, Things

_ADOPTED_ONLY_SURPLUS = ("column", "constraint", "index", "trigger", "policy")
# Literals and quoted names whole; the name of a function with its parenthesis, which is no grouping.
_WORDS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|::\w+|\w+(?:\.\w+)*\(?|\S""")
_CASTS = ("::bigint", "::integer", "::text")


@dataclass(frozen=True)
class Difference:
    """An object that is not as this release installs it.

    `state` is missing, surplus or altered; in `diff` a line with - is what the release has, a
    line with + what the database has.
    """

    object: str
    kind: str
    state: str
    diff: str


def check(connection: psycopg.Connection[TupleRow]) -> list[Difference]:
    """Return every difference between the database and this release's manifest; writes nothing.

    Grants to roles are compared with what `oeventdb grant` recorded, and the owner of our schemas
    needs what our functions do as it. In an adopted database,
    what differs as adopt allowed it is no difference: integer keys, names of the legacy
    constraints, defaults, stricter NOT NULL, row security, columns, constraints, indexes, triggers
    and policies of its own.
    Raises Refused where the database has no ledger.
    """
    entries = ledger.require(connection)
    release = manifest.load()
    found = catalog.read(connection, release.tables)
    live = manifest.comparable(found)
    expected = dict(release.objects)
    for key, thing in live.items():
        if key in expected and "validated" not in expected[key].definition:
            thing.definition.pop("validated", None)
    if any(entry.adopted for entry in entries):
        _allow_adopted(release, expected, live)
    differences = [
        *(_missing(thing) for key, thing in expected.items() if key not in live),
        *(_surplus(thing) for key, thing in live.items() if key not in expected),
        *_altered(expected, live, found),
        *_grants(connection),
    ]
    return sorted(differences, key=lambda d: (d.kind, d.object))


def _lines(thing: Thing, sign: str) -> str:
    return "\n".join(f"{sign} {name}: {value}" for name, value in thing.definition.items())


def _missing(thing: Thing) -> Difference:
    return Difference(thing.object, thing.kind, "missing", _lines(thing, "-"))


def _surplus(thing: Thing) -> Difference:
    return Difference(thing.object, thing.kind, "surplus", _lines(thing, "+"))


def _altered(expected: Things, live: Things, found: Things) -> list[Difference]:
    differences = []
    for key, wanted in expected.items():
        has = live.get(key)
        if has is None or has.definition == wanted.definition:
            continue
        lines = []
        for name in dict.fromkeys((*wanted.definition, *has.definition)):
            before, after = wanted.definition.get(name), has.definition.get(name)
            if before == after:
                continue
            if name == "body" and key in found:
                lines += _body_diff(wanted.object, found[key].definition["body"])
                continue
            lines += [f"- {name}: {before}"] if before is not None else []
            lines += [f"+ {name}: {after}"] if after is not None else []
        differences.append(Difference(wanted.object, wanted.kind, "altered", "\n".join(lines)))
    return differences


def _body_diff(function: str, body: str) -> list[str]:
    """Return the difference of a live body from the one the migrations of this package install."""
    installed = installed_by(runner.load()).get(function.partition("(")[0])
    if installed is None:
        return [f"+ body: {manifest.digest(body)}"]
    difference = difflib.unified_diff(
        installed[1].body.splitlines(), body.splitlines(), "", "", lineterm="", n=1
    )
    return ["body:", *list(difference)[2:]]


def _grants(connection: psycopg.Connection[TupleRow]) -> list[Difference]:
    wanted = grants.recorded(connection)
    missing = [
        Difference(f"{privilege} on {name} to {role}", "grant", "missing", f"- {privilege}")
        for name, privilege, role in grants.lacking(connection, wanted) + grants.owner_lacking(connection)
    ]
    surplus = [
        Difference(f"{privilege} on {name} to {role}", "grant", "surplus", f"+ {privilege}")
        for name, privilege, role in grants.surplus(connection, wanted)
    ]
    return missing + surplus


def _allow_adopted(release: Manifest, expected: Things, live: Things) -> None:
    """Make the two agree wherever an adopted database may differ."""
    for key, thing in list(live.items()):
        if not thing.object.startswith("public."):
            continue
        wanted = expected.get(key)
        if wanted is not None and _loose(release, wanted) == _loose(release, thing):
            live[key] = wanted
        elif wanted is None and thing.kind in _ADOPTED_ONLY_SURPLUS:
            del live[key]
            _match_renamed(release, expected, thing)


def _match_renamed(release: Manifest, expected: Things, thing: Thing) -> None:
    """Take a legacy constraint as there that has another name in the database."""
    for key, wanted in list(expected.items()):
        if (
            key in release.legacy
            and wanted.kind == thing.kind == "constraint"
            and table_of(wanted) == table_of(thing)
            and _loose(release, wanted).definition
            == _loose(release, replace(thing, object=wanted.object)).definition
        ):
            del expected[key]
            return


def _loose(release: Manifest, thing: Thing) -> Thing:
    """Leave out what adopt does not ask for: integer width, lengths, defaults, where ids come from, old keys validated, row security."""
    definition = dict(thing.definition)
    legacy = release.legacy.get(thing.key)
    if legacy is not None:
        definition.pop("validated", None)
    definition.pop("row_security", None)
    if thing.kind == "column":
        definition["type"] = base_type(definition["type"])
        if definition.get("identity") or definition.get("default", "").startswith("nextval("):
            definition.pop("default", None)
            definition.pop("counts", None)
            definition["identity"] = "by default"
        elif legacy is not None:
            definition.pop("default", None)
        if legacy is not None and legacy.definition["nullable"] == "null":
            definition.pop("nullable")
    elif "definition" in definition:
        definition["definition"] = " ".join(_words(definition["definition"]))
    return replace(thing, definition=definition)


def _words(definition: str) -> list[str]:
    """Return the words without casts between integers or texts, and the parentheses around single operands that casts need."""
    words: list[str] = []
    for word in _WORDS.findall(definition):
        if word in _CASTS:
            continue
        words.append(word)
        if word == ")" and words[-3:-2] == ["("] and not words[-2].endswith(("(", ")")):
            words[-3:] = [words[-2]]
    return words
