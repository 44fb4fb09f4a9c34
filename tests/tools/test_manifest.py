"""The manifest is what the migrations install, on every server version."""

from __future__ import annotations

from oeventdb import schema
from oeventdb.schema import manifest
from tools.manifest import TARGET, generate


def test_the_manifest_is_what_the_migrations_install(empty: str) -> None:
    assert generate(empty) == TARGET.read_text("utf-8")


def test_it_is_read_as_it_was_written() -> None:
    release = manifest.load()
    assert release.migration == schema.load()[-1].id
    assert ("function", "oeventdb.update_rating(text)") in release.objects
    assert {"events", "feedback", "association"} <= set(release.tables)
    assert {thing.kind for thing in release.legacy.values()} == {"table", "column", "constraint"}
